"""A whole assessment: checks that fail, rules that name nothing, stability, scores, and a naive reckoning."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.bureau.data.catalogue import Catalogue, default_catalogue
from lab.bureau.data.quality.assessment import parse_assessment
from lab.bureau.data.quality.rules import (
    CheckLimits,
    JoinedTable,
    QualityDimension,
    QualityRule,
    QualityRules,
    default_rules,
    read_rules,
)
from models.shared.canonical_json import dump_canonical
from tests.support.quality_records import KNOWN_ON, RecordTables, check_of, faults

RULES = default_rules()


def rule(code: str, **values: Any) -> QualityRule:
    given: dict[str, Any] = {
        "dimension": QualityDimension.VALIDITY,
        "domains": ("tax",),
        "zh": "规则",
        "en": "rule",
        "faulty": "false",
    }
    return QualityRule(code=code, **(given | values))


def with_rules(*more: QualityRule, tables: tuple[JoinedTable, ...] = ()) -> QualityRules:
    return replace(RULES, rules=(*RULES.rules, *more), tables=(*RULES.tables, *tables))


@pytest.mark.parametrize(
    "broken",
    [
        rule("broken", faulty="no_such_column > 0"),
        rule("broken", faulty="sum(sales) > 0"),
        rule("broken", faulty="CAST(enterprise AS INTEGER) > 0"),
        rule("broken", faulty="error('a secret value')"),
        rule("broken", faulty="sales"),
        rule("broken", applies="no_such_column > 0"),
    ],
    ids=lambda one: one.faulty + one.applies,
)
def test_a_check_that_does_not_run_blocks_and_the_others_run(broken: QualityRule) -> None:
    tables = RecordTables(rules=with_rules(broken))
    tables.change("tax", 0, sales=None)
    found = tables.assess()
    if broken.faulty == "sales":  # a number is taken as a condition: it runs
        assert not found.failed
        return
    (failed,) = found.failed
    assert failed.name == "broken:tax"
    assert failed.reason
    assert "secret" not in failed.reason
    assert "FIRM" not in failed.reason
    assert failed.score == 0.0
    assert found.verdict == "block"
    assert "broken:tax" in found.blocking
    assert check_of(found, "required-missing:tax.sales").faults == 1
    assert check_of(found, "firm-not-registered:tax").checked == 10


def test_a_table_that_cannot_be_made_fails_every_check_that_joins_it() -> None:
    lost = JoinedTable("lost", ("enterprise",), ("tax",), "SELECT enterprise, nothing FROM tax")
    found = RecordTables(rules=with_rules(rule("one", uses=("lost",), faulty="lost IS NULL"), tables=(lost,))).assess()
    assert [check.name for check in found.failed] == ["one:tax"]


def test_a_table_with_two_rows_of_a_key_is_a_failure_and_does_not_multiply_records() -> None:
    twice = JoinedTable(
        "twice", ("enterprise",), ("tax",), "SELECT enterprise FROM tax UNION ALL SELECT enterprise FROM tax"
    )
    found = RecordTables(
        rules=with_rules(rule("one", uses=("twice",), faulty="twice IS NULL"), tables=(twice,))
    ).assess()
    assert [check.name for check in found.failed] == ["one:tax"]
    assert "several rows of one key" in found.failed[0].reason
    assert check_of(found, "required-missing:tax.sales").checked == 10


def test_a_domain_that_cannot_be_read_fails_all_its_checks() -> None:
    tables = RecordTables()
    connect = tables.connect

    def without_tax() -> Any:
        connection = connect()
        connection.execute("DROP TABLE tax")
        return connection

    tables.connect = without_tax  # type: ignore[method-assign]
    found = tables.assess()
    assert {check.level for check in found.checks if check.domain == "tax"} <= {"failed", "not-applicable"}
    assert check_of(found, "domain-empty:tax").level == "failed"
    assert check_of(found, "exports-above-sales:customs.exports").level == "failed"
    assert found.verdict == "block"


def test_rules_that_name_what_the_catalogue_lacks_did_not_run() -> None:
    full = default_catalogue()
    domains = tuple(one for one in full.domains if one.code != "customs")
    tables = RecordTables(catalogue=Catalogue(full.title, domains, full.sha256))
    failed = {check.name for check in tables.assess().failed}
    assert {
        "firm-not-registered:customs",
        "exports-above-sales:customs.exports",
        "item-unknown:customs.customs_rating",
    } <= failed


def test_a_limit_for_an_item_that_the_catalogue_lacks_did_not_run() -> None:
    thresholds = replace(
        RULES.thresholds, limits={**RULES.thresholds.limits, "code-unknown:tax.nothing": CheckLimits(0.0, 1.0)}
    )
    found = RecordTables(rules=replace(RULES, thresholds=thresholds)).assess()
    assert [check.name for check in found.failed] == ["item-unknown:tax.nothing"]


def test_a_limit_for_one_item_counts_for_it_alone() -> None:
    thresholds = replace(
        RULES.thresholds, limits={**RULES.thresholds.limits, "required-missing:tax.sales": CheckLimits(0.2, 1.0)}
    )
    tables = RecordTables(rules=replace(RULES, thresholds=thresholds))
    tables.change("tax", 0, sales=None)
    tables.change("tax", 1, sales=None)
    found = tables.assess()
    assert check_of(found, "required-missing:tax.sales").level == "pass"  # not above the limit
    tables.change("tax", 2, sales=None)
    assert check_of(tables.assess(), "required-missing:tax.sales").level == "warn"


def test_a_change_of_unit_since_the_baseline_blocks() -> None:
    tables = RecordTables(0)
    before, after = date(2025, 1, 20), date(2025, 2, 15)
    template = RecordTables(1).rows["tax"][0]
    for number in range(400):
        known = before if number < 300 else after
        sales = float(10_000 + 37 * number) * (10_000 if number >= 300 else 1)
        row = {"record": f"r{number}", "known_on": known, "sales": sales, "vat_paid": float(100 + number % 100)}
        tables.rows["tax"].append(template | row)
    found = tables.assess(baseline=before)
    moved = check_of(found, "item-moved:tax.sales")
    assert (moved.level, moved.checked, moved.score) == ("block", 100, 0.0)
    assert moved.measure is not None
    assert moved.measure > 1
    assert check_of(found, "item-moved:tax.vat_paid").level == "pass"
    assert check_of(found, "item-moved:tax.credit_rating").measure == 0.0


def test_too_few_records_or_no_baseline_compare_nothing() -> None:
    tables = RecordTables(30)
    assert not [check for check in tables.assess().checks if check.code == "item-moved"]
    for number in range(19):
        tables.change("tax", number, known_on=KNOWN_ON + timedelta(days=1), sales=1e9 * (1 + number))
    found = tables.assess(baseline=KNOWN_ON)
    assert check_of(found, "item-moved:tax.sales").level == "not-applicable"


def test_scores_are_the_weighted_means_that_the_report_says() -> None:
    tables = RecordTables()
    tables.change("honours", 0, level=None)  # of 10: the required item's check has weight 2
    found = tables.assess()
    (honours,) = [one for one in found.domains if one.code == "honours"]
    complete = [check for check in found.checks if check.domain == "honours" and check.dimension == "completeness"]
    scored = [
        (check.score, 2 if check.code == "required-missing" else 1) for check in complete if check.score is not None
    ]
    assert (90.0, 2) in scored
    completeness = round(sum(score * weight for score, weight in scored) / sum(weight for _, weight in scored), 2)
    assert honours.dimensions["completeness"] == completeness
    weights = {name: RULES.thresholds.dimension_weights[name] for name in honours.dimensions}
    total = sum(honours.dimensions[name] * weight for name, weight in weights.items()) / sum(weights.values())
    assert honours.score == round(total, 2)
    (level,) = [one for one in honours.items if one.name == "level"]
    assert level.dimensions == {"completeness": 90.0, "validity": 100.0}
    assert level.score == 95.0
    (owner,) = [one for one in found.departments if "honours" in one.domains]
    assert owner.score == honours.score


def test_a_domain_below_the_least_score_blocks() -> None:
    thresholds = replace(RULES.thresholds, block_below=99.5, warn_below=99.9)
    tables = RecordTables(rules=replace(RULES, thresholds=thresholds))
    assert tables.assess().verdict == "pass"
    for number in range(3):
        tables.change("utilities", number, water_m3=None, gas_m3=None, electricity_kwh=None)
    found = tables.assess()
    assert found.blocking == ("score:utilities",)
    assert found.verdict == "block"


def test_the_same_records_give_the_same_bytes() -> None:
    tables = RecordTables(50)
    tables.change("tax", 3, sales=None)
    first = dump_canonical(tables.assess(baseline=date(2025, 1, 1)))
    for rows in tables.rows.values():
        rows.reverse()
    again = dump_canonical(tables.assess(baseline=date(2025, 1, 1)))
    assert first == again
    assert dump_canonical(parse_assessment(first)) == first


MOMENTS = st.sampled_from(
    [None, date(1899, 12, 31), date(1900, 1, 1), date(2024, 12, 31), date(2025, 1, 1), KNOWN_ON, date(2025, 2, 16)]
)
NUMBERS = st.sampled_from([None, -1.0, 0.0, 1.0, 1e13, 2e13, float("nan")])
ROWS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c"]), MOMENTS, NUMBERS, st.sampled_from([None, "A", "B", "Z", ""])),
    min_size=1,
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=ROWS)
def test_the_counts_are_those_of_a_naive_reckoning(rows: list[tuple[str, Any, Any, Any]]) -> None:
    tables = RecordTables(1)
    template = tables.rows["tax"].pop()
    for place, (enterprise, filed_on, sales, rating) in enumerate(rows):
        values = {"enterprise": enterprise, "filed_on": filed_on, "sales": sales, "credit_rating": rating}
        tables.rows["tax"].append(template | values | {"record": f"r{place % 5}"})
    tables.change("registration", 0, enterprise="a")
    found = faults(tables.assess())
    early, late = RULES.thresholds.earliest_date, RULES.thresholds.latest_date
    naive = {
        "required-missing:tax.sales": sum(sales is None for _, _, sales, _ in rows),
        "optional-missing:tax.filed_on": sum(day is None for _, day, _, _ in rows),
        "date-out-of-range:tax.filed_on": sum(day is not None and not early <= day <= late for _, day, _, _ in rows),
        "date-in-future:tax.filed_on": sum(day is not None and day > KNOWN_ON for _, day, _, _ in rows),
        "filed-before-period:tax.filed_on": sum(day is not None and day < date(2025, 1, 1) for _, day, _, _ in rows),
        "number-negative:tax.sales": sum(sales is not None and sales < 0 for _, _, sales, _ in rows),
        "number-too-large:tax.sales": sum(
            sales is not None and (sales != sales or abs(sales) > 1e13) for _, _, sales, _ in rows
        ),
        "code-unknown:tax.credit_rating": sum(
            (code is not None and code not in "ABMCD") or code == "" for *_, code in rows
        ),
        "record-repeated:tax.period": len(rows) - len({place % 5 for place in range(len(rows))}),
        "firm-not-registered:tax": sum(enterprise != "a" for enterprise, *_ in rows),
    }
    assert {name: count for name, count in naive.items() if count} == {
        name: counts[0] for name, counts in found.items() if name in naive
    }


def test_a_rule_file_of_a_bureau_counts(tmp_path: Path) -> None:
    text = (Path(__file__).parents[7] / "lab/bureau/data/quality/rules/default/rules.toml").read_text("utf-8")
    own = text + (
        '\n[[rules]]\ncode = "sales-of-seven"\ndimension = "validity"\ndomains = ["tax"]\nitems = ["sales"]\n'
        'zh = "销售额为七"\nen = "sales of seven"\nfaulty = "sales = 7"\nblock_above = 0.5\n'
    )
    (tmp_path / "rules.toml").write_text(own, "utf-8")
    rules = read_rules(tmp_path)
    assert rules.sha256 != RULES.sha256
    found = RecordTables(rules=rules).assess()
    assert faults(found) == {"sales-of-seven:tax.sales": (10, 10)}
    assert found.blocking == ("sales-of-seven:tax.sales",)
