"""Where a record stands by the rules: each class with the days around each boundary, leap years and month ends."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from lab.bureau.data.credit_repair.rules.definition import AdverseSource, RepairCondition
from lab.bureau.data.credit_repair.rules.files import default_rules
from lab.bureau.data.credit_repair.standing import Standing, add_months, is_adverse, record_standing

ONE_DAY = timedelta(days=1)


def source(domain: str) -> AdverseSource:
    found = default_rules().source(domain)
    if found is None:
        raise ValueError("no such domain in the rules")
    return found


def penalty(seriousness: str | None, decided_on: date, **more: object) -> dict[str, object]:
    return {"seriousness": seriousness, "decided_on": decided_on} | more


def standing(record: dict[str, object], day: date, domain: str = "penalties") -> Standing:
    return record_standing(source(domain), record, day).standing


@pytest.mark.parametrize(
    ("day", "months", "last"),
    [
        (date(2026, 1, 15), 3, date(2026, 4, 15)),
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2028, 1, 31), 1, date(2028, 2, 29)),
        (date(2025, 11, 30), 3, date(2026, 2, 28)),
        (date(2027, 11, 30), 3, date(2028, 2, 29)),
        (date(2028, 2, 29), 12, date(2029, 2, 28)),
        (date(2028, 2, 29), 48, date(2032, 2, 29)),
        (date(2026, 2, 28), 12, date(2027, 2, 28)),
        (date(2026, 12, 31), 2, date(2027, 2, 28)),
        (date(2026, 12, 1), 1, date(2027, 1, 1)),
        (date(2026, 5, 5), 0, date(2026, 5, 5)),
        (date(9999, 6, 1), 12, date.max),
        (date(1899, 12, 31), 36, date(1902, 12, 31)),
    ],
)
def test_a_term_ends_on_the_corresponding_day_or_on_the_month_s_last(day: date, months: int, last: date) -> None:
    assert add_months(day, months) == last


@pytest.mark.parametrize(
    ("seriousness", "decided_on", "last"),
    [
        ("ordinary", date(2026, 1, 31), date(2027, 1, 31)),
        ("ordinary", date(2028, 2, 29), date(2029, 2, 28)),
        ("ordinary", date(2025, 2, 28), date(2026, 2, 28)),
        (None, date(2026, 3, 10), date(2027, 3, 10)),
        ("serious", date(2025, 2, 28), date(2028, 2, 28)),
        ("serious", date(2024, 2, 29), date(2027, 2, 28)),
        ("serious", date(2026, 12, 31), date(2029, 12, 31)),
    ],
)
def test_a_record_counts_through_its_greatest_term_and_not_after(
    seriousness: str | None, decided_on: date, last: date
) -> None:
    record = penalty(seriousness, decided_on)
    assert standing(record, decided_on - ONE_DAY) is Standing.NOT_YET
    assert standing(record, decided_on) is Standing.COUNTS
    assert standing(record, last - ONE_DAY) is Standing.COUNTS
    assert standing(record, last) is Standing.COUNTS
    assert standing(record, last + ONE_DAY) is Standing.EXPIRED
    corrected = record | {"corrected_on": decided_on + ONE_DAY}  # allows a repair, and ends nothing by itself
    assert standing(corrected, last) is Standing.COUNTS
    assert standing(corrected, last + ONE_DAY) is Standing.EXPIRED


def test_a_minor_record_counts_only_while_published_and_until_it_is_corrected() -> None:
    decided, published, corrected = date(2026, 1, 31), date(2026, 2, 3), date(2026, 3, 1)
    assert standing(penalty("minor", decided), decided) is Standing.UNPUBLISHED
    record = penalty("minor", decided, published_on=published)
    assert standing(record, published - ONE_DAY) is Standing.UNPUBLISHED
    assert standing(record, published) is Standing.COUNTS
    assert standing(record, date(2026, 4, 30)) is Standing.COUNTS  # three months from the decision: April has 30 days
    assert standing(record, date(2026, 5, 1)) is Standing.EXPIRED
    record |= {"corrected_on": corrected}
    assert standing(record, corrected - ONE_DAY) is Standing.COUNTS
    assert standing(record, corrected) is Standing.ENDED_BY_CORRECTION
    assert standing(record, corrected + ONE_DAY) is Standing.ENDED_BY_CORRECTION


@pytest.mark.parametrize(
    ("listed", "last"), [("dishonest", date(2029, 3, 31)), ("focus", date(2027, 3, 31)), ("anomaly", date(2027, 3, 31))]
)
def test_entries_of_lists_have_the_class_of_their_list(listed: str, last: date) -> None:
    record: dict[str, object] = {"list": listed, "listed_on": date(2026, 3, 31)}
    assert is_adverse(source("public_credit"), record)
    assert standing(record, last, "public_credit") is Standing.COUNTS
    assert standing(record, last + ONE_DAY, "public_credit") is Standing.EXPIRED
    removed = record | {"removed_on": date(2026, 8, 1)}
    assert standing(removed, date(2026, 7, 31), "public_credit") is Standing.COUNTS
    assert standing(removed, date(2026, 8, 1), "public_credit") is Standing.REMOVED
    repaired = removed | {"repaired": True}
    assert standing(repaired, date(2026, 7, 31), "public_credit") is Standing.COUNTS
    assert standing(repaired, date(2026, 8, 1), "public_credit") is Standing.REPAIRED_AT_SOURCE
    assert standing(record | {"repaired": True}, date(2026, 4, 1), "public_credit") is Standing.REPAIRED_AT_SOURCE


def test_the_red_list_and_cases_without_a_listing_are_not_adverse() -> None:
    assert not is_adverse(source("public_credit"), {"list": "red"})
    assert not is_adverse(source("public_credit"), {"list": None})
    assert not is_adverse(source("courts"), {"dishonest_listed": False})
    assert not is_adverse(source("courts"), {"dishonest_listed": None})


def test_a_court_s_listing_ends_with_the_case_and_goes_on_until_then() -> None:
    record: dict[str, object] = {
        "dishonest_listed": True,
        "filed_on": date(2023, 1, 1),
        "decided_on": date(2023, 6, 30),
    }
    assert is_adverse(source("courts"), record)
    assert standing(record, date(2025, 6, 30), "courts") is Standing.COUNTS
    assert standing(record, date(2025, 7, 1), "courts") is Standing.COUNTS  # nothing was fulfilled
    closed = record | {"closed_on": date(2026, 2, 1)}
    assert standing(closed, date(2026, 1, 31), "courts") is Standing.COUNTS
    assert standing(closed, date(2026, 2, 1), "courts") is Standing.ENDED_BY_CORRECTION
    undecided = {"dishonest_listed": True, "filed_on": date(2023, 1, 1), "decided_on": None}
    assert record_standing(source("courts"), undecided, date(2023, 2, 1)).started == date(2023, 1, 1)


@pytest.mark.parametrize(
    ("seriousness", "decided_on", "first"),
    [
        ("ordinary", date(2026, 1, 31), date(2026, 5, 1)),  # until 30 April
        ("ordinary", date(2025, 11, 30), date(2026, 3, 1)),  # until 28 February
        ("ordinary", date(2027, 11, 30), date(2028, 3, 1)),  # until 29 February
        ("serious", date(2028, 2, 29), date(2029, 3, 1)),
        ("serious", date(2026, 4, 1), date(2027, 4, 2)),
        ("minor", date(2026, 4, 1), date(2026, 4, 1)),
    ],
)
def test_a_repair_may_be_asked_for_after_the_least_term(seriousness: str, decided_on: date, first: date) -> None:
    record = penalty(seriousness, decided_on, corrected_on=decided_on, published_on=decided_on)
    found = record_standing(source("penalties"), record, first)
    assert found.repairable_from == first
    assert found.unmet_conditions(first, corrected_on=None, commitment=True) == []
    assert found.unmet_conditions(first + ONE_DAY, corrected_on=None, commitment=True) == []
    if seriousness != "minor":
        assert found.unmet_conditions(first - ONE_DAY, corrected_on=None, commitment=True) == [
            RepairCondition.LEAST_TERM
        ]
        assert found.unmet_conditions(first, corrected_on=None, commitment=False) == [RepairCondition.COMMITMENT]


def test_a_repair_needs_a_correction_by_the_record_or_by_the_papers() -> None:
    found = record_standing(source("penalties"), penalty("ordinary", date(2026, 1, 1)), date(2026, 6, 1))
    day = date(2026, 6, 1)
    assert found.unmet_conditions(day, corrected_on=None, commitment=True) == [RepairCondition.CORRECTED]
    assert found.unmet_conditions(day, corrected_on=day + ONE_DAY, commitment=True) == [RepairCondition.CORRECTED]
    assert found.unmet_conditions(day, corrected_on=day, commitment=True) == []


def test_a_record_without_a_day_of_decision_does_not_expire() -> None:
    found = record_standing(source("penalties"), {"seriousness": "ordinary", "decided_on": None}, date(2099, 1, 1))
    assert found.counts
    assert found.repairable_from is None
