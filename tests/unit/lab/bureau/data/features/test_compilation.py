"""Features of a catalogue whose enterprises are named by another domain, with names that the program uses itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl

from lab.bureau.data.catalogue import Catalogue, default_catalogue
from lab.bureau.data.features.compilation import compile_features
from lab.bureau.data.features.computation import compute_to_file
from lab.bureau.data.features.definition_files import parse_features
from tests.support.feature_records import firm_code, memory_views, random_records

FEATURE = """
[features.newest]
zh = "最新级别"
en = "newest rating"
dimension = "tax"
items = ["firms.credit_rating"]
window_months = 0
sql = "SELECT enterprise, arg_max(credit_rating, held_from) AS value FROM firms GROUP BY enterprise"
type = "code"
unit = ""
monotonic = 0
missing = "missing"
reason = { zh = "级别", en = "Rating" }
"""


def _catalogue() -> Catalogue:
    """The tax domain under the name ``firms``, which says what enterprises there are; nothing else."""
    tax = default_catalogue().domain("tax")
    domain = replace(tax, code="firms", items=tuple(replace(item, domain="firms") for item in tax.items))
    return replace(default_catalogue(), domains=(domain,), stated_enterprises="firms")


def test_a_domain_called_firms_names_the_enterprises(tmp_path: Path) -> None:
    catalogue, as_of = _catalogue(), date(2026, 8, 31)
    records = random_records(catalogue, [firm_code(number) for number in range(9)], 4)
    plan = compile_features(parse_features({"f.toml": FEATURE}, catalogue), catalogue)
    with memory_views(catalogue, records, as_of) as connection:
        computed = compute_to_file(connection, plan, as_of, tmp_path)
    table = pl.read_parquet(tmp_path / "features")
    expected = {
        str(row["enterprise"]): row["credit_rating"]
        for row in sorted(records["firms"], key=lambda row: (row["credit_rating"] is not None, row["period"]))
        if str(row["period"]) <= as_of.isoformat()
    }
    assert computed.rows == len(expected) > 0
    assert set(table["enterprise"]) == set(expected)
    assert dict(table.iter_rows()) == expected
