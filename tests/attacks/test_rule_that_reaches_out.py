"""A quality rule's SQL reads, waits or throws dice: the file is the bureau's own, but not everyone may have read it.

Who: whoever writes the bureau's rule files. What they want: to let records of a domain that the rule does not name
decide, to have the same records judged differently from one time to the next, so that an assessment that blocks is
replaced by one that does not, or an assessment that never ends. What stops them: every word of the SQL is one of a
closed list, and every table one that the rule names.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from lab.bureau.data.quality.rules import QualityRules, read_rules, rule_files
from lab.bureau.data.quality.rules.rule_files import write_default_rules
from lab.terms.errors import InvalidInput

pytestmark = pytest.mark.threat(
    "Quality rule that reaches beyond its records",
    who="a person with an account",
    wants="to have a rule read what it does not name, judge by chance or the clock, or never end",
    stopped_by={
        "closed list": "SQL of a rule uses functions, types and forms of a closed list.",
        "named tables": "It reads the domains that it names, and joins them by columns.",
    },
    code=["lab.bureau.data.quality.rules.sql_guard", "lab.bureau.data.quality.rules.sql_words"],
)

CONDITION = 'faulty = "decided_on < filed_on"'
TABLE = """
[[tables]]
name = "hostile"
key = ["enterprise"]
reads = ["tax"]
sql = '''{sql}'''
"""
CHANCE = "random() < 0.5"
OF_COURTS = "WITH courts AS (SELECT enterprise FROM courts) SELECT enterprise FROM courts"
CONDITIONS = [
    CHANCE,
    "known_on < current_date",
    "now() IS NULL",
    "sleep_ms(1000000) IS NULL",
    "main.sleep_ms(1000000) IS NULL",
    "write_log(enterprise) IS NULL",
    "pg_sleep(1000) IS NULL",
    "error(enterprise) IS NULL",
    "current_setting('temp_directory') = ''",
    "getenv('HOME') = ''",
    "length(repeat('x', 1000000000)) > 0",
    "len(range(10000000000)) > 0",
    "list_transform([1], lambda x: x) IS NULL",
    "COLUMNS(*) IS NULL",
    "'courts'::REGCLASS IS NULL",
    "row_number() OVER () > 1",
    "true) OR (true",
]
TABLES = [
    OF_COURTS,
    "SELECT enterprise FROM (WITH courts AS (SELECT 1) FROM courts) a JOIN courts USING (enterprise)",
    "WITH RECURSIVE t AS (SELECT enterprise FROM tax UNION ALL SELECT enterprise FROM t) SELECT enterprise FROM t",
    "SELECT a.enterprise FROM tax a, tax b, tax c",
    "SELECT a.enterprise FROM tax a JOIN tax b ON TRUE",
    "SELECT enterprise FROM tax, range(1000000000000)",
    "SELECT enterprise FROM tax USING SAMPLE 10 ROWS",
    "SELECT name AS enterprise FROM (SHOW ALL TABLES)",
    "SELECT enterprise FROM read_parquet('/etc/passwd')",
    "SELECT (SELECT max(enterprise) FROM courts) AS enterprise FROM tax",
]


def rules_with(folder: Path, *, condition: str = "", table: str = "") -> QualityRules:
    """The bureau's own rules, with a hostile condition or table."""
    write_default_rules(folder)
    path = folder / "rules.toml"
    text = path.read_text("utf-8")
    if condition:
        text = text.replace(CONDITION, f"faulty = '''{condition}'''")
    if table:
        text += TABLE.format(sql=table)
    path.write_text(text, "utf-8")
    return read_rules(folder)


@pytest.fixture
def unguarded(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(rule_files, "check_condition", lambda sql, what: None)
    monkeypatch.setattr(rule_files, "check_query", lambda sql, reads, what: None)
    yield
    rule_files._parse.cache_clear()


@pytest.mark.without_control("closed list")
@pytest.mark.usefixtures("unguarded")
def test_without_the_list_the_same_records_are_judged_by_chance(tmp_path: Path) -> None:
    rules = rules_with(tmp_path, condition=CHANCE)
    (rule,) = [one for one in rules.rules if one.faulty == CHANCE]
    with duckdb.connect() as connection:
        query = f"SELECT count(*) FILTER (WHERE {rule.faulty}) FROM range(10000)"
        assert len({connection.execute(query).fetchone() for _ in range(5)}) > 1


@pytest.mark.with_control("closed list")
@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_word_that_is_not_on_the_list_is_refused(condition: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="Expected SQL that reads records alone"):
        rules_with(tmp_path, condition=condition)


@pytest.mark.without_control("named tables")
@pytest.mark.usefixtures("unguarded")
def test_without_the_check_a_rule_of_tax_reads_the_courts(tmp_path: Path) -> None:
    table = rules_with(tmp_path, table=OF_COURTS).tables[-1]
    assert table.reads == ("tax",)
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE courts AS SELECT 'a firm before the court' AS enterprise")
        assert connection.execute(table.sql).fetchall() == [("a firm before the court",)]


@pytest.mark.with_control("named tables")
@pytest.mark.parametrize("sql", TABLES)
def test_a_table_that_reads_more_than_it_names_is_refused(sql: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="Expected SQL that reads records alone"):
        rules_with(tmp_path, table=sql)
