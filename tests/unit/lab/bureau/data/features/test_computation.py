"""What the compiled SQL computes, against a plain reckoning of the same records."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.bureau.data.catalogue import Catalogue, default_catalogue
from lab.bureau.data.features import computation
from lab.bureau.data.features.compilation import FeaturePlan, compile_features
from lab.bureau.data.features.computation import compute_to_file
from lab.bureau.data.features.definition import FeatureDefinition, FeatureSet, FeatureType, MissingRule, months_before
from lab.bureau.data.features.definition_files import default_features, parse_features
from lab.terms.errors import InvalidInput
from tests.support.feature_records import LAST, Row, firm_code, memory_views, random_records
from tests.support.naive_features import ABSENT, NAIVE, Firm

CATALOGUE = default_catalogue()
FEATURES = default_features(CATALOGUE)
PLAN = compile_features(FEATURES, CATALOGUE)
AS_OF = date(2026, 8, 31)


def _compute(
    records: Mapping[str, Sequence[Row]], as_of: date, folder: Path, plan: FeaturePlan = PLAN
) -> tuple[pl.DataFrame, bytes]:
    with memory_views(CATALOGUE, records, as_of) as connection:
        compute_to_file(connection, plan, as_of, folder)
    content = (folder / "features").read_bytes()
    return pl.read_parquet(content), content


def _by_firm(records: Mapping[str, Sequence[Row]]) -> dict[str, dict[str, list[Row]]]:
    found: dict[str, dict[str, list[Row]]] = {}
    for domain, rows in records.items():
        for row in rows:
            found.setdefault(str(row["enterprise"]), {}).setdefault(domain, []).append(row)
    return found


def _expected(one: FeatureDefinition, found: Any, catalogue: Catalogue = CATALOGUE) -> Any:
    if found is ABSENT:
        zero = False if one.type is FeatureType.YES_NO else 0
        return zero if one.missing is MissingRule.ZERO else None
    return found


def _agree(one: FeatureDefinition, expected: Any, found: Any) -> bool:
    if expected is None or found is None:
        return expected is None and found is None
    if isinstance(expected, bool) or one.type in (FeatureType.CODE, FeatureType.YES_NO):
        return bool(expected == found)
    if one.type is FeatureType.INTEGER:
        return Fraction(str(expected)) == found
    exact = Fraction(str(expected)) if not isinstance(expected, Fraction) else expected
    step = Fraction(1, 100 if one.type is FeatureType.AMOUNT else 10_000)
    return abs(exact - Fraction(found)) <= step * Fraction(51, 100) + abs(exact) * Fraction(1, 10**14)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), back=st.integers(0, 900))
def test_every_feature_is_what_plain_python_reckons(seed: int, back: int, tmp_path: Path) -> None:
    firms = [firm_code(number) for number in range(25)]
    records = random_records(CATALOGUE, firms, seed)
    as_of = LAST - timedelta(days=back)
    held = {domain.code: domain.held_from for domain in CATALOGUE.domains}
    registered = sorted(
        {str(row["enterprise"]) for row in records["registration"] if row[held["registration"]] <= as_of}  # type: ignore[operator]
    )
    if not registered:
        return
    table, _ = _compute(records, as_of, tmp_path)
    assert table["enterprise"].to_list() == registered
    own = _by_firm(records)
    for row in table.iter_rows(named=True):
        firm = Firm(own[row["enterprise"]], held, as_of)
        for one in FEATURES.definitions:
            expected = _expected(one, NAIVE[one.name](firm))
            assert _agree(one, expected, row[one.name]), (one.name, expected, row[one.name])


def test_there_is_a_plain_reckoning_of_every_feature() -> None:
    assert set(NAIVE) == {one.name for one in FEATURES.definitions}
    assert len(FEATURES.definitions) >= 60
    assert {domain for one in FEATURES.definitions for domain in one.domains} == {one.code for one in CATALOGUE.domains}


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6))
def test_order_of_rows_and_threads_do_not_change_a_byte(seed: int, tmp_path: Path) -> None:
    records = random_records(CATALOGUE, [firm_code(number) for number in range(40)], seed)
    _, first = _compute(records, AS_OF, tmp_path)
    mixed = {domain: random.Random(seed).sample(list(rows), len(rows)) for domain, rows in records.items()}
    _, again = _compute(mixed, AS_OF, tmp_path)
    assert first == again


def test_parts_join_to_one_table_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = random_records(CATALOGUE, [firm_code(number) for number in range(50)], 3)
    whole, _ = _compute(records, AS_OF, tmp_path)
    monkeypatch.setattr(computation, "PART_ROWS", 7)
    parted, _ = _compute(records, AS_OF, tmp_path)
    assert whole.equals(parted)


def test_a_natural_person_has_no_value_from_restricted_items(tmp_path: Path) -> None:
    natural, other = firm_code(1, natural=True), firm_code(2)
    records = random_records(CATALOGUE, [natural, other], 5, most=9)
    rows = [dict(row, sales=5.0, period=date(2026, 7, 1)) for row in records["tax"][:1]]
    records["tax"] = [dict(row, enterprise=firm) for firm in (natural, other) for row in rows]
    table, _ = _compute(records, AS_OF, tmp_path)
    by_code = {row["enterprise"]: row for row in table.iter_rows(named=True)}
    assert PLAN.withheld
    assert by_code[natural]["tax_sales_12m"] is None
    assert by_code[other]["tax_sales_12m"] == 5.0
    assert all(by_code[natural][name] is None for name in PLAN.withheld)


def test_records_of_unregistered_enterprises_are_counted(tmp_path: Path) -> None:
    records = random_records(CATALOGUE, [firm_code(1)], 5)
    records["tax"] = [
        {**row, "enterprise": firm_code(9)}
        for row in random_records(CATALOGUE, [firm_code(2), firm_code(3)], 8, most=9)["tax"]
    ]
    assert records["tax"]
    with memory_views(CATALOGUE, records, LAST) as connection:
        done = compute_to_file(connection, PLAN, LAST, tmp_path)
    assert done.rows == 1
    assert done.unregistered["tax"] == len(records["tax"])


def test_no_registered_enterprise_is_an_error(tmp_path: Path) -> None:
    with memory_views(CATALOGUE, {}, AS_OF) as connection, pytest.raises(InvalidInput, match="registered enterprise"):
        compute_to_file(connection, PLAN, AS_OF, tmp_path)


def test_a_select_that_repeats_an_enterprise_is_refused(tmp_path: Path) -> None:
    sql = "SELECT a.enterprise, sales AS value FROM tax a JOIN tax b ON a.enterprise = b.enterprise"
    text = (
        '[features.twice]\nzh = "二"\nen = "two"\ndimension = "tax"\nitems = ["tax.sales"]\nwindow_months = 0\n'
        f'sql = "{sql.replace("sales AS", "a.sales AS")}"\ntype = "amount"\nmonotonic = 0\nmissing = "missing"\n'
        'reason = { zh = "二", en = "two" }\n'
    )
    plan = compile_features(FeatureSet(parse_features({"x.toml": text}, CATALOGUE).definitions), CATALOGUE)
    row = {**random_records(CATALOGUE, [firm_code(1), firm_code(2)], 6, most=9)["tax"][0], "enterprise": firm_code(1)}
    records = random_records(CATALOGUE, [firm_code(1)], 5)
    records["tax"] = [dict(row, period=date(2026, month, 1)) for month in (1, 2, 3)]
    with (
        memory_views(CATALOGUE, records, AS_OF) as connection,
        pytest.raises(InvalidInput, match="more than one value"),
    ):
        compute_to_file(connection, plan, AS_OF, tmp_path)


def test_amounts_add_up_exactly(tmp_path: Path) -> None:
    records = random_records(CATALOGUE, [firm_code(1)], 5)
    row = random_records(CATALOGUE, [firm_code(1), firm_code(2)], 6, most=9)["tax"][0]
    amounts = [0.1, 0.2, 1e13 + 0.01, 0.07]
    records["tax"] = [
        dict(row, enterprise=firm_code(1), period=date(2026, 2 + place, 1), sales=one)
        for place, one in enumerate(amounts)
    ]
    table, _ = _compute(records, AS_OF, tmp_path)
    exact = sum((Decimal(str(one)) for one in amounts), Decimal(0)).quantize(Decimal("0.01"), ROUND_HALF_EVEN)
    assert table["tax_sales_12m"].to_list() == [float(exact)]


@pytest.mark.parametrize(
    ("day", "months", "start"),
    [
        (date(2026, 3, 31), 1, date(2026, 2, 28)),
        (date(2024, 2, 29), 12, date(2023, 2, 28)),
        (date(2026, 1, 15), 1, date(2025, 12, 15)),
        (date(2026, 11, 28), 36, date(2023, 11, 28)),
    ],
)
def test_a_window_begins_on_the_same_day_of_an_earlier_month(day: date, months: int, start: date) -> None:
    assert months_before(day, months) == start
