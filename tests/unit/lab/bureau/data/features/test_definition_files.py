"""Feature files: strict, checked against the catalogue, their SQL against a closed list."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.bureau.data.catalogue import default_catalogue
from lab.bureau.data.features.definition_files import parse_features, read_features_folder
from lab.terms.errors import InvalidInput, NotFound, ShulabError

CATALOGUE = default_catalogue()
GOOD = "SELECT enterprise, sum(sales) AS value FROM tax WHERE held_from > $window_start GROUP BY enterprise"
FIELDS: dict[str, object] = {
    "zh": "销售额",
    "en": "sales",
    "dimension": "operations",
    "items": ["tax.sales"],
    "window_months": 12,
    "sql": GOOD,
    "type": "amount",
    "unit": "元 yuan",
    "monotonic": -1,
    "missing": "missing",
}


def feature_text(name: str = "sold", *, reason: str = '{ zh = "低", en = "low" }', **changes: object) -> str:
    """A file of one feature; ``None`` leaves a key out."""
    fields = {**FIELDS, **changes}
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items() if value is not None]
    return "\n".join([f"[features.{name}]", *lines, f"reason = {reason}"])


def parse(**changes: object) -> None:
    """Parse a file of one feature."""
    parse_features({"x.toml": feature_text(**changes)}, CATALOGUE)  # type: ignore[arg-type]


def test_a_good_file_is_read() -> None:
    (one,) = parse_features({"x.toml": feature_text()}, CATALOGUE).definitions
    assert (one.name, one.label, one.reason) == ("sold", ("销售额", "sales"), ("低", "low"))
    assert one.domains == ("tax",)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Sold"},
        {"zh": ""},
        {"zh": None},
        {"dimension": "wealth"},
        {"items": []},
        {"items": ["tax.sales", "tax.sales"]},
        {"items": ["tax.sale"]},
        {"items": ["taxes.sales"]},
        {"items": ["registration.legal_representative"]},
        {"window_months": -1},
        {"window_months": 0},
        {"window_months": "12"},
        {"type": "money"},
        {"monotonic": 2},
        {"monotonic": True},
        {"missing": "none"},
        {"unknown": 1},
        {"type": "code"},
        {"type": "integer"},
        {"type": "yes-no", "monotonic": 0},
        {"reason": '{ zh = "低" }'},
        {"en": "sales\u202e"},
    ],
)
def test_what_the_schema_or_the_catalogue_does_not_know_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ShulabError):
        parse(**changes)


BY = "GROUP BY enterprise"
VALUE = "SELECT enterprise, sum(sales) AS value"
SUM = f"{VALUE} FROM tax"
ATTACKS = {
    "a file": f"SELECT enterprise, sales AS value FROM 'tax.csv' {BY}",
    "read_csv": f"{VALUE} FROM read_csv('/etc/passwd') {BY}",
    "read_parquet": f"{VALUE} FROM read_parquet('x') {BY}",
    "read_text in an expression": f"SELECT enterprise, max(read_text('/etc/passwd')) AS value FROM tax {BY}",
    "copy": "COPY tax TO '/tmp/x'",
    "attach": "ATTACH '/tmp/x.db'",
    "pragma": "PRAGMA version",
    "install": "INSTALL httpfs",
    "set": "SET enable_external_access=true",
    "two statements": f"{GOOD}; {GOOD}",
    "a second statement": f"{GOOD}; DROP TABLE tax",
    "delete": "DELETE FROM tax",
    "create": "CREATE TABLE x AS SELECT 1",
    "values": "VALUES (1, 2)",
    "union": f"{GOOD} UNION ALL {GOOD}",
    "another table": f"SELECT enterprise, sum(fine_amount) AS value FROM penalties {BY}",
    "another table in a subquery": f"{VALUE} FROM (SELECT * FROM courts) {BY}",
    "another table in an expression": "SELECT enterprise, sum(sales) + (SELECT count(*) FROM courts) AS value "
    f"FROM tax {BY}",
    "exists": f"{SUM} WHERE EXISTS (SELECT 1 FROM courts) {BY}",
    "in a subquery": f"{SUM} WHERE sales IN (SELECT 1) {BY}",
    "with another table": f"WITH c AS (SELECT enterprise FROM courts) {SUM} {BY}",
    "with a recursion": f"WITH RECURSIVE c AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM c) {SUM} {BY}",
    "with over a domain": f"WITH tax AS (SELECT enterprise, 1 AS sales FROM tax) {SUM} {BY}",
    "the system's tables": "SELECT table_name AS enterprise, sum(sales) AS value "
    "FROM information_schema.tables GROUP BY 1",
    "a schema": f"{VALUE} FROM main.tax {BY}",
    "settings": f"SELECT enterprise, max(current_setting('threads')) AS value FROM tax {BY}",
    "the environment": f"SELECT enterprise, max(getenv('HOME')) AS value FROM tax {BY}",
    "the clock": f"{SUM} WHERE held_from < current_date {BY}",
    "the clock as a function": f"{SUM} WHERE held_from < today() {BY}",
    "the clock by a name": "WITH t AS (SELECT enterprise, sales AS current_date FROM tax) SELECT enterprise, "
    f"count(current_date) AS value FROM t {BY}",
    "chance": f"SELECT enterprise, sum(sales) * random() AS value FROM tax {BY}",
    "an item that is not declared": f"SELECT enterprise, sum(sales) + sum(arrears) AS value FROM tax {BY}",
    "an item under another's name": f"WITH t AS (SELECT enterprise, 1 AS sales FROM tax) {VALUE} FROM t {BY}",
    "all columns": "SELECT enterprise, count(*) AS value, * FROM tax GROUP BY ALL",
    "columns by pattern": f"SELECT enterprise, sum(COLUMNS('a.*')) AS value FROM tax {BY}",
    "the whole row": f"SELECT enterprise, count(tax) AS value FROM tax {BY}",
    "the record": f"{SUM} WHERE record > '0' {BY}",
    "when it was known": f"{SUM} WHERE known_on > $as_of {BY}",
    "another parameter": f"{SUM} WHERE held_from > $other {BY}",
    "a numbered parameter": f"{SUM} WHERE held_from > ? {BY}",
    "a sum of quotients": f"SELECT enterprise, sum(sales / 3) AS value FROM tax {BY}",
    "a sum of floats": f"SELECT enterprise, sum(sales * 1e0) AS value FROM tax {BY}",
    "a sum of casts": f"SELECT enterprise, sum(CAST(sales AS DOUBLE)) AS value FROM tax {BY}",
    "an order": f"SELECT enterprise, sum(sales ORDER BY sales) AS value FROM tax {BY}",
    "the first row": f"SELECT enterprise, first(sales) AS value FROM tax {BY}",
    "the newest by another item": f"SELECT enterprise, arg_max(sales, sales) AS value FROM tax {BY}",
    "a limit": f"{GOOD} LIMIT 1",
    "distinct": f"SELECT DISTINCT enterprise, sum(sales) AS value FROM tax {BY}",
    "having": f"{SUM} {BY} HAVING count(*) > 3",
    "a window function": "SELECT enterprise, sum(sales) OVER () AS value FROM tax",
    "a sample": f"{SUM} TABLESAMPLE 10% {BY}",
    "grouping sets": f"{SUM} GROUP BY GROUPING SETS ((enterprise), ())",
    "no grouping": "SELECT enterprise, sales AS value FROM tax",
    "grouping by more": f"{SUM} {BY}, sales",
    "a cross join": "SELECT a.enterprise, sum(a.sales) AS value FROM tax a, tax b GROUP BY a.enterprise",
    "letters of the code": f"SELECT enterprise, length(enterprise) + sum(sales) AS value FROM tax {BY}",
    "another first column": "SELECT sales AS enterprise, sum(sales) AS value FROM tax GROUP BY sales",
    "a computed enterprise": "SELECT enterprise + 1 AS enterprise, sum(sales) AS value FROM tax GROUP BY 1",
    "one column": f"SELECT enterprise FROM tax {BY}",
    "other names": f"SELECT enterprise, sum(sales) AS total FROM tax {BY}",
    "a list": f"SELECT enterprise, len(list(sales)) AS value FROM tax {BY}",
    "a lambda": f"SELECT enterprise, sum(list_sum(list_transform([sales], lambda x: x))) AS value FROM tax {BY}",
    "a collation": f"{SUM} WHERE 'a' COLLATE nocase = 'A' {BY}",
    "describe": "DESCRIBE tax",
    "show": "SHOW TABLES",
    "explain": f"EXPLAIN {GOOD}",
    "a comment that hides": f"{SUM} {BY} -- \n; COPY tax TO 'x'",
    "nonsense": "SELECT",
    "nothing": " ",
    "a query by text": f"{VALUE} FROM query('SELECT * FROM courts') {BY}",
    "a table by text": f"{VALUE} FROM query_table('courts') {BY}",
    "time travel": f"{SUM} AT (VERSION => 1) {BY}",
    "an alias list": f"SELECT enterprise, sum(a) AS value FROM tax AS t(enterprise, a) {BY}",
    "long": GOOD + " " * 8_001,
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_sql_beyond_the_closed_list_is_refused(attack: str) -> None:
    sql = ATTACKS[attack]
    months = 12 if "$window_start" in sql else 0
    with pytest.raises(InvalidInput):
        parse(sql=sql, window_months=months)


def test_a_distinct_count_and_comments_are_allowed() -> None:
    sql = "SELECT enterprise, count(DISTINCT sales) AS value -- counts\nFROM tax GROUP BY enterprise"
    parse(sql=sql, window_months=0, type="integer")


def test_the_newest_of_events_is_refused() -> None:
    sql = "SELECT enterprise, arg_max(fine_amount, held_from) AS value FROM penalties GROUP BY enterprise"
    with pytest.raises(InvalidInput, match="events"):
        parse(sql=sql, window_months=0, items=["penalties.fine_amount"])


def test_an_item_that_is_declared_must_be_used() -> None:
    with pytest.raises(InvalidInput, match="does not use the items arrears"):
        parse(items=["tax.sales", "tax.arrears"])


def test_two_files_may_not_define_one_feature() -> None:
    with pytest.raises(InvalidInput, match="defined twice"):
        parse_features({"a.toml": feature_text(), "b.toml": feature_text()}, CATALOGUE)


def test_a_folder_of_files_is_read_in_order(tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_text(feature_text("second"), encoding="utf-8")
    (tmp_path / "a.toml").write_text(feature_text("first"), encoding="utf-8")
    found = read_features_folder(tmp_path, CATALOGUE)
    assert [one.name for one in found.definitions] == ["first", "second"]
    with pytest.raises(NotFound, match="nearest: second"):
        found.find("secnd")
    (tmp_path / "b.toml").write_bytes(b"\xff")
    with pytest.raises(InvalidInput, match="UTF-8"):
        read_features_folder(tmp_path, CATALOGUE)


def test_an_empty_folder_has_no_features(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="found 0"):
        read_features_folder(tmp_path, CATALOGUE)
