"""SQL of a rule file reads the domains and nothing else: no file, no setting, no other statement.

DuckDB's own parser says what a text is; every table and table function in it is then looked at, so that no path
(``FROM 'x.csv'``), no ``read_text(...)`` and no second statement comes in.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NoReturn

import duckdb

from lab.terms.errors import InvalidInput

_ALLOWED_TABLE_FUNCTIONS = frozenset({"unnest", "range", "generate_series"})


def check_query(sql: str, reads: Sequence[str], what: str) -> None:
    """Raise ``InvalidInput`` unless ``sql`` is one SELECT over the domains ``reads`` alone. ``what``: for the error."""
    tree = _parse(sql, what)
    nodes = list(_nodes(tree))
    own = {name for node in nodes for name in _common_tables(node)}
    for node in nodes:
        kind = node.get("type")
        if kind == "BASE_TABLE":
            plain = not node.get("schema_name") and not node.get("catalog_name")
            if not plain or node.get("table_name") not in own | set(reads):
                _refuse(what, "reads a table that it does not name in `reads`")
        elif kind == "TABLE_FUNCTION":
            called = (node.get("function") or {}).get("function_name", "")
            if called not in _ALLOWED_TABLE_FUNCTIONS:
                _refuse(what, "calls a table function")


def check_condition(sql: str, what: str) -> None:
    """Raise ``InvalidInput`` unless ``sql`` is one expression without a sub-query. ``what``: for the error."""
    tree = _parse(f"SELECT (\n{sql}\n)", what)
    if any(node.get("class") == "PARAMETER" for node in _nodes(tree)):
        _refuse(what, "has a parameter")
    selects = [node for node in _nodes(tree) if node.get("type") == "SELECT_NODE"]
    expressions = selects[0].get("select_list", []) if selects else []
    if len(selects) != 1 or len(expressions) != 1 or selects[0].get("from_table", {}).get("type") != "EMPTY":
        _refuse(what, "is not one condition without a sub-query")


def _parse(sql: str, what: str) -> Any:
    try:
        found = _parser().cursor().execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchone()
    except duckdb.Error:
        _refuse(what, "is not SQL")
    tree: dict[str, Any] = json.loads(found[0]) if found else {"error": True}
    if tree.get("error") or len(tree["statements"]) != 1:
        _refuse(what, "is not one SELECT statement")
    return tree


@cache
def _parser() -> duckdb.DuckDBPyConnection:
    """A connection that only parses; each use takes a cursor of its own, as threads must."""
    return duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false", "threads": 1})


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    waiting = [tree]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


def _common_tables(node: dict[str, Any]) -> Iterator[str]:
    named = node.get("cte_map")
    if isinstance(named, dict):
        yield from (one["key"] for one in named.get("map", ()))


def _refuse(what: str, why: str) -> NoReturn:
    raise InvalidInput(
        f"Expected SQL that reads records alone in the {what}; it {why}.", next_step="correct rules.toml"
    )
