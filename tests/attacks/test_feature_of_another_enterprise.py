"""A file of features is written so that one enterprise's records count for another, or that it never ends computing.

Who: whoever writes the bureau's feature files. What they want: to make a firm look good, or another bad, in a figure
that says it comes from the firm's own records; or to make the place of a code among all codes a figure; or to join all
rows with all rows. What stops them: a column of a SELECT either is the enterprise of a record, under that name, or has
nothing of it; and rows are joined by the enterprise.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from lab.bureau.data.catalogue import default_catalogue
from lab.bureau.data.features.compilation import compile_features
from lab.bureau.data.features.computation import compute_to_file
from lab.bureau.data.features.definition_files import parse_features
from lab.bureau.data.features.sql import tree_check
from lab.terms.errors import InvalidInput
from tests.support.feature_records import Row, firm_code, memory_views

pytestmark = pytest.mark.threat(
    "Feature of another enterprise's records",
    who="a person with an account",
    wants="to have one enterprise's records count for another in a feature, or a computation that never ends",
    stopped_by={
        "plain enterprise": "No column of a feature's SELECT is computed from the enterprise or takes its name.",
        "join by enterprise": "A feature joins rows of one enterprise alone.",
    },
    code=["lab.bureau.data.features.sql.tree_check"],
)

FILE = """
[features.shifted]
zh = "销售额"
en = "sales"
dimension = "operations"
items = ["tax.sales"]
window_months = 0
sql = "{sql}"
type = "number"
monotonic = 0
missing = "missing"
reason = {{ zh = "销售额", en = "sales" }}
"""
OF_THE_NEXT = (
    "SELECT enterprise, value FROM (SELECT enterprise + 1 AS enterprise, sum(sales) AS value FROM tax GROUP BY 1) s"
)
PLACE = "SELECT enterprise, max(CASE WHEN sales > 0 THEN enterprise END) AS value FROM tax GROUP BY enterprise"
RENAMED = (
    "SELECT enterprise, max(firm) AS value FROM (SELECT enterprise, enterprise AS firm, sales FROM tax) s GROUP BY 1"
)
EVERY_PAIR = (
    "SELECT a.enterprise, count(b.sales) AS value FROM tax a JOIN tax b ON a.sales <> b.sales GROUP BY a.enterprise"
)
DAY = date(2026, 6, 30)
FIRMS = [firm_code(number) for number in range(3)]


def values(sql: str, folder: Path) -> list[float | None]:
    """The feature of three firms with sales of 1, 10 and 100."""
    catalogue = default_catalogue()
    plan = compile_features(parse_features({"own.toml": FILE.format(sql=sql)}, catalogue), catalogue)
    held = date(2026, 1, 1)
    records: dict[str, list[Row]] = {
        "registration": [{"enterprise": firm, "status_changed_on": held} for firm in FIRMS],
        "tax": [{"enterprise": firm, "period": held, "sales": 10.0**place} for place, firm in enumerate(FIRMS)],
    }
    with memory_views(catalogue, records, DAY) as connection:
        compute_to_file(connection, plan, DAY, folder)
    return pl.read_parquet(folder / "features")["shifted"].to_list()


@pytest.mark.without_control("plain enterprise")
def test_without_the_rule_a_firm_has_the_sales_of_its_neighbour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree_check, "_check_enterprise", lambda entry, scope: None)
    assert values(OF_THE_NEXT, tmp_path) == [None, 1.0, 10.0]
    assert values(PLACE, tmp_path) == [0.0, 1.0, 2.0]


@pytest.mark.with_control("plain enterprise")
@pytest.mark.parametrize("sql", [OF_THE_NEXT, PLACE, RENAMED])
def test_a_column_that_is_made_of_the_enterprise_is_refused(sql: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="enterprise"):
        values(sql, tmp_path)


@pytest.mark.without_control("join by enterprise")
def test_without_the_rule_a_firm_is_joined_with_all_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_check, "_is_joined", lambda table: True)
    assert values(EVERY_PAIR, tmp_path) == [2.0, 2.0, 2.0]


@pytest.mark.with_control("join by enterprise")
@pytest.mark.parametrize("condition", ["a.sales <> b.sales", "TRUE", "a.enterprise = a.enterprise"])
def test_a_join_of_different_firms_is_refused(condition: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="different enterprises"):
        values(EVERY_PAIR.replace("a.sales <> b.sales", condition), tmp_path)
