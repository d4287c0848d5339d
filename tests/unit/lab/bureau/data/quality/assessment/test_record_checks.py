"""Each check that every domain has by its catalogue, against planted faults with exact counts."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from lab.bureau.data.catalogue.item_definition import ItemType
from lab.bureau.data.quality.assessment.record_checks import BoundValues, quote_name
from lab.terms.errors import InvalidInput
from tests.support.quality_records import KNOWN_ON, RecordTables, check_of, faults


def test_clean_records_have_no_fault() -> None:
    found = RecordTables().assess()
    assert faults(found) == {}
    assert found.verdict == "pass"
    assert found.score == 100.0
    assert found.records == 150


def test_an_item_that_is_required_is_missing_when_null_or_blank() -> None:
    tables = RecordTables()
    tables.change("registration", 0, region=None)
    tables.change("registration", 1, region="")
    tables.change("registration", 2, region="  ")
    tables.change("tax", 0, sales=None)
    found = tables.assess()
    assert check_of(found, "required-missing:registration.region").faults == 3
    assert check_of(found, "required-missing:tax.sales").faults == 1
    assert check_of(found, "required-missing:tax.sales").checked == 10
    assert check_of(found, "required-missing:tax.sales").level == "block"


def test_an_optional_item_is_missing_only_where_it_is_expected() -> None:
    tables = RecordTables()
    tables.change("permits", 0, revoked_on=None, valid_until=None)
    tables.change("permits", 1, status="revoked", revoked_on=None)
    tables.change("permits", 2, status="revoked")
    tables.change("tax", 0, filed_on=None)
    found = tables.assess()
    revoked = check_of(found, "optional-missing:permits.revoked_on")
    assert (revoked.faults, revoked.checked) == (1, 2)
    filed = check_of(found, "optional-missing:tax.filed_on")
    assert (filed.faults, filed.checked, filed.level) == (1, 10, "pass")
    assert not [one for one in found.checks if one.name == "optional-missing:permits.valid_until"]


def test_a_code_that_is_not_on_the_list() -> None:
    tables = RecordTables()
    tables.change("registration", 0, status="Active")
    tables.change("registration", 1, status="gone")
    tables.change("tax", 0, credit_rating=None)
    assert faults(tables.assess()) == {"code-unknown:registration.status": (2, 10)}


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (date(1899, 12, 31), True),
        (date(1900, 1, 1), False),
        (date(2100, 12, 31), False),
        (date(2101, 1, 1), True),
        (date(9999, 12, 31), True),
    ],
)
def test_dates_at_the_ends_of_the_range(value: date, fault: bool) -> None:
    tables = RecordTables()
    tables.change("permits", 0, granted_on=date(1900, 1, 1), valid_until=value)
    found = tables.assess()
    assert check_of(found, "date-out-of-range:permits.valid_until").faults == int(fault)


@pytest.mark.parametrize(("later", "fault"), [(0, False), (1, True)])
def test_a_date_after_the_day_of_receipt(later: int, fault: bool) -> None:
    tables = RecordTables()
    tables.change("tax", 0, filed_on=KNOWN_ON + timedelta(days=later))
    tables.change("permits", 0, valid_until=KNOWN_ON + timedelta(days=1000))
    expected = {"date-in-future:tax.filed_on": (1, 10)} if fault else {}
    assert faults(tables.assess()) == expected


@pytest.mark.parametrize(("days", "fault"), [(-1, True), (0, False), (1, False)])
def test_a_record_that_ends_before_it_begins(days: int, fault: bool) -> None:
    tables = RecordTables()
    tables.change("public_credit", 0, removed_on=date(2025, 1, 1) + timedelta(days=days))
    tables.change("public_credit", 1, removed_on=None)
    found = check_of(tables.assess(), "dates-reversed:public_credit")
    assert (found.faults, found.checked) == (int(fault), 9)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (-0.01, "number-negative"),
        (0.0, None),
        (1e13, None),
        (1.1e13, "number-too-large"),
        (float("nan"), "number-too-large"),
        (float("inf"), "number-too-large"),
    ],
)
def test_numbers_out_of_range(value: float, kind: str | None) -> None:
    tables = RecordTables()
    tables.change("utilities", 0, water_m3=value)
    tables.change("tax", 0, vat_paid=-5.0)  # a refund
    assert faults(tables.assess()) == ({f"{kind}:utilities.water_m3": (1, 10)} if kind else {})


def test_a_period_that_is_not_its_first_day() -> None:
    tables = RecordTables()
    tables.change("social_insurance", 0, period=date(2025, 1, 2))
    assert faults(tables.assess())["period-not-first-day:social_insurance.period"] == (1, 10)


def test_the_same_record_twice() -> None:
    tables = RecordTables()
    tables.copy("honours", 0, record="honours-0")
    tables.copy("honours", 0, record="honours-0")
    found = tables.assess()
    assert check_of(found, "record-repeated:honours.certificate_number").faults == 2
    assert check_of(found, "record-repeated:honours.certificate_number").level == "block"


@pytest.mark.parametrize(("late", "fault"), [(0, False), (1, True)])
def test_a_record_is_late_after_the_days_of_grace(late: int, fault: bool) -> None:
    tables = RecordTables()
    # January's penalties are due 20 days after its end.
    tables.change("penalties", 0, known_on=date(2025, 2, 20) + timedelta(days=late))
    found = check_of(tables.assess(), "record-late:penalties")
    assert (found.faults, found.checked) == (int(fault), 10)


def test_the_backlog_of_the_first_delivery_is_not_late() -> None:
    tables = RecordTables()
    # The first delivery came on 15 February. December was due on 20 January.
    tables.change("penalties", 0, decided_on=date(2024, 12, 31), known_on=date(2025, 6, 1))
    found = check_of(tables.assess(), "record-late:penalties")
    assert (found.faults, found.checked) == (0, 9)


def test_a_domain_without_records_warns_and_registration_blocks() -> None:
    tables = RecordTables()
    tables.rows["honours"].clear()
    found = tables.assess()
    assert check_of(found, "domain-empty:honours").level == "warn"
    assert found.verdict == "warn"
    assert next(one for one in found.domains if one.code == "honours").score is None
    tables.rows["registration"].clear()
    assert check_of(tables.assess(), "domain-empty:registration").level == "block"


def test_personal_items_are_sealed_and_said_to_be_so() -> None:
    found = RecordTables().assess()
    (registration,) = [one for one in found.domains if one.code == "registration"]
    sealed = {one.name: one.score for one in registration.items if one.sealed}
    assert sealed == {"legal_representative": None, "legal_representative_id": None}


def test_every_item_has_a_check_of_each_kind_that_its_type_has() -> None:
    tables = RecordTables()
    found = tables.assess()
    made = {one.name for one in found.checks}
    for item in tables.catalogue.items:
        if item.personal:
            continue
        wanted: dict[ItemType, list[str]] = {
            ItemType.CODE: ["code-unknown"],
            ItemType.DATE: ["date-out-of-range"],
            ItemType.AMOUNT: ["number-too-large"],
        }
        kinds = wanted.get(item.type, [])
        if item.required:
            kinds = [*kinds, "required-missing"]
        assert {f"{kind}:{item.code}" for kind in kinds} <= made


@pytest.mark.parametrize("name", ["a b", 'a"', "1a", "", "A", "tax; DROP TABLE tax"])
def test_only_slugs_become_names_in_sql(name: str) -> None:
    with pytest.raises(InvalidInput):
        quote_name(name)


def test_only_the_values_that_a_query_names_are_given_to_it() -> None:
    bound = BoundValues()
    names: list[Any] = [bound.bind(value) for value in range(12)]
    assert bound.used_by(f"SELECT {names[1]}") == {"v1": 1}
    assert bound.used_by(f"SELECT {names[11]}, {names[1]}") == {"v1": 1, "v11": 11}
