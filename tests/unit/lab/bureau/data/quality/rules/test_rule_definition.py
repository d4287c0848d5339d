"""Each rule that comes with the program, against planted faults with days around each boundary."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest

from lab.bureau.data.quality.rules import default_rules
from tests.support.quality_records import RecordTables, faults, firm

STRUCK = {"status": "struck_off", "status_changed_on": date(2025, 1, 10)}
JANUARY, FEBRUARY = date(2025, 1, 1), date(2025, 2, 1)


@dataclass(frozen=True)
class Planted:
    """Values in the record of firm 0 of some domains; what the rule finds: faults, and records checked."""

    rule: str
    domain: str
    changes: dict[str, dict[str, Any]]
    faults: int = 1
    checked: int = 10


CASES = [
    Planted("firm-not-registered", "permits", {"permits": {"enterprise": firm(99)}}),
    Planted("before-establishment", "tax", {"registration": {"established_on": date(2025, 1, 31)}}, 0),
    Planted("before-establishment", "tax", {"registration": {"established_on": date(2025, 2, 1)}}),
    Planted("tax-after-strike-off", "tax", {"registration": STRUCK, "tax": {"period": FEBRUARY}}),
    Planted("tax-after-strike-off", "tax", {"registration": STRUCK, "tax": {"period": JANUARY}}, 0),
    Planted("tax-after-strike-off", "tax", {"registration": {"status": "revoked"}, "tax": {"period": FEBRUARY}}, 0),
    Planted(
        "staff-after-strike-off", "social_insurance", {"registration": STRUCK, "social_insurance": {"period": FEBRUARY}}
    ),
    Planted(
        "staff-after-strike-off",
        "social_insurance",
        {"registration": STRUCK, "social_insurance": {"period": FEBRUARY, "insured_staff": 0}},
        0,
    ),
    Planted("power-after-strike-off", "utilities", {"registration": STRUCK, "utilities": {"period": FEBRUARY}}),
    Planted(
        "power-after-strike-off",
        "utilities",
        {"registration": STRUCK, "utilities": {"period": FEBRUARY, "electricity_kwh": 0.0}},
        0,
    ),
    Planted(
        "award-after-strike-off",
        "procurement",
        {"registration": STRUCK, "procurement": {"awarded_on": date(2025, 1, 10)}},
        0,
    ),
    Planted(
        "award-after-strike-off",
        "procurement",
        {"registration": STRUCK, "procurement": {"awarded_on": date(2025, 1, 11)}},
    ),
    Planted(
        "permit-after-strike-off", "permits", {"registration": STRUCK, "permits": {"granted_on": date(2025, 1, 10)}}, 0
    ),
    Planted(
        "permit-after-strike-off", "permits", {"registration": STRUCK, "permits": {"granted_on": date(2025, 1, 11)}}
    ),
    Planted(
        "fund-above-insured",
        "housing_fund",
        {"social_insurance": {"insured_staff": 10}, "housing_fund": {"contributors": 20}},
        0,
    ),
    Planted(
        "fund-above-insured",
        "housing_fund",
        {"social_insurance": {"insured_staff": 10}, "housing_fund": {"contributors": 21}},
    ),
    Planted(
        "fund-above-insured",
        "housing_fund",
        {"social_insurance": {"period": FEBRUARY}, "housing_fund": {"contributors": 99}},
        0,
        9,
    ),
    Planted("exports-above-sales", "customs", {"tax": {"sales": 2000.0}, "customs": {"exports": 20_000.0}}, 0),
    Planted("exports-above-sales", "customs", {"tax": {"sales": 2000.0}, "customs": {"exports": 20_000.01}}),
    Planted("exports-above-sales", "customs", {"customs": {"exports": 10_000.0}}, 0),
    Planted("name-of-two-codes", "registration", {"registration": {"name": "Firm 1"}}, 2),
    Planted("permit-of-two-firms", "permits", {"permits": {"permit_number": "N-1"}}, 2),
    Planted("right-of-two-firms", "intellectual_property", {"intellectual_property": {"right_number": "N-1"}}, 2),
    Planted("honour-of-two-firms", "honours", {"honours": {"certificate_number": "N-1"}}, 2),
    Planted("region-malformed", "registration", {"registration": {"region": "31010"}}),
    Planted("region-malformed", "registration", {"registration": {"region": "3101045"}}),
    Planted("region-malformed", "registration", {"registration": {"region": "310104"}}, 0),
    Planted("status-before-establishment", "registration", {"registration": {"established_on": date(2025, 1, 2)}}),
    Planted("status-before-establishment", "registration", {"registration": {"established_on": date(2025, 1, 1)}}, 0),
    Planted("paid-in-above-registered", "registration", {"registration": {"paid_in_capital": 7.01}}),
    Planted("paid-in-above-registered", "registration", {"registration": {"registered_capital": None}}, 0, 9),
    Planted("filed-before-period", "tax", {"tax": {"filed_on": date(2024, 12, 31)}}),
    Planted("filed-before-period", "tax", {"tax": {"filed_on": None}}, 0, 9),
    Planted("paid-before-period", "social_insurance", {"social_insurance": {"paid_on": date(2024, 12, 31)}}),
    Planted("paid-before-period", "housing_fund", {"housing_fund": {"paid_on": date(2024, 12, 31)}}),
    Planted("more-voided-than-issued", "tax", {"tax": {"invoices_voided": 4}}),
    Planted("more-rejected-than-declared", "customs", {"customs": {"rejected_declarations": 4}}),
    Planted("decided-before-filed", "courts", {"courts": {"decided_on": date(2024, 12, 31)}}),
    Planted("acted-before-decision", "penalties", {"penalties": {"published_on": date(2024, 12, 31)}}),
    Planted("acted-before-decision", "penalties", {"penalties": {"paid_on": None, "corrected_on": date(2024, 1, 1)}}),
    Planted(
        "applied-after-grant", "intellectual_property", {"intellectual_property": {"applied_on": date(2025, 1, 2)}}
    ),
    Planted("delivered-before-award", "procurement", {"procurement": {"delivered_on": date(2024, 12, 31)}}),
    Planted("withdrawn-before-grant", "honours", {"honours": {"withdrawn_on": date(2024, 12, 31)}}),
    Planted("mortgage-without-mark", "real_estate", {"real_estate": {"mortgaged": False}}),
    Planted("mortgage-without-mark", "real_estate", {"real_estate": {"mortgaged": False, "mortgage_amount": 0.0}}, 0),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}-{case.domain}-{case.faults}")
def test_a_rule_counts_what_was_planted(case: Planted) -> None:
    tables = RecordTables()
    for domain, values in case.changes.items():
        tables.change(domain, 0, **values)
    found = tables.assess()
    assert not found.failed
    (check,) = [one for one in found.checks if (one.code, one.domain) == (case.rule, case.domain)]
    assert (check.faults, check.checked) == (case.faults, case.checked)


@pytest.mark.parametrize(
    ("listed", "removed", "fault"),
    [
        (date(2025, 1, 10), None, True),  # dishonest from the 5th to the 20th
        (date(2025, 1, 20), None, False),
        (date(2024, 12, 1), date(2025, 1, 5), False),
        (date(2024, 12, 1), date(2025, 1, 6), True),
    ],
)
def test_the_red_and_the_dishonest_list_at_once(listed: date, removed: date | None, fault: bool) -> None:
    tables = RecordTables()
    for number in range(10):
        tables.change("public_credit", number, list="focus")
    tables.change("public_credit", 0, list="red", listed_on=listed, removed_on=removed)
    tables.copy("public_credit", 0, list="dishonest", listed_on=date(2025, 1, 5), removed_on=date(2025, 1, 20))
    found = faults(tables.assess())
    assert found == ({"red-and-dishonest:public_credit.list": (1, 1)} if fault else {})


def test_each_rule_is_planted() -> None:
    assert {rule.code for rule in default_rules().rules} == {case.rule for case in CASES} | {"red-and-dishonest"}


def test_a_firm_that_came_back_is_not_struck_off() -> None:
    tables = RecordTables()
    tables.change("registration", 0, **STRUCK)
    tables.copy("registration", 0, status="active", status_changed_on=date(2025, 1, 20))
    tables.change("tax", 0, period=FEBRUARY)
    assert "tax-after-strike-off:tax.period" not in faults(tables.assess())
