"""SQL of a rule file reads the domains and nothing else: no file, no setting, no other statement.

DuckDB's own parser says what a text is; every part of the tree is then held against a closed list. So no path
(``FROM 'x.csv'``), no ``read_text(...)``, no second statement, no clock and no recursion comes in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import duckdb

from lab.bureau.data.quality.rules import sql_words as words
from lab.bureau.data.records.closed_connection import closed_connection
from lab.terms.errors import InvalidInput

Node = dict[str, Any]
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_SESSION_WORD = re.compile(r"(current|local|session|system)_?.*|user|today|now|rowid")


def check_query(sql: str, reads: Sequence[str], what: str) -> None:
    """Raise ``InvalidInput`` unless ``sql`` is one SELECT over the domains ``reads`` alone. ``what``: for the error."""
    node = _parse(sql, what)
    _check_tables(node, frozenset(reads), what)
    for part in _nodes(node):
        _check_words(part, words.QUERY_EXPRESSIONS, what)


def check_condition(sql: str, what: str) -> None:
    """Raise ``InvalidInput`` unless ``sql`` is one expression without a sub-query. ``what``: for the error."""
    node = _parse(f"SELECT (\n{sql}\n)", what)
    expressions = node.get("select_list", [])
    if any(node.get(key) for key in ("where_clause", "group_expressions", "having", "qualify", "modifiers")):
        _refuse(what, "is not one condition without a sub-query")
    if len(expressions) != 1 or (node.get("from_table") or {}).get("type") != "EMPTY":
        _refuse(what, "is not one condition without a sub-query")
    for part in _nodes(expressions):
        if part.get("class") == "SUBQUERY":
            _refuse(what, "is not one condition without a sub-query")
        _check_words(part, words.EXPRESSIONS, what)
    _parse(f"SELECT {sql}\n", what)  # so that it closes no bracket that it did not open


def _check_words(part: Node, known: frozenset[str], what: str) -> None:
    """Raise unless the expression, if it is one, is of a class that is ``known`` and calls a function of the list."""
    kind = part.get("class")
    if kind is None or kind == "TYPE":
        return
    if kind == "PARAMETER":
        _refuse(what, "has a parameter")
    if kind not in known:
        _refuse(what, f"has an expression that is not supported ({str(kind).lower()[:40]})")
    if kind in ("FUNCTION", "WINDOW"):
        name = str(part.get("function_name"))
        path = (part.get("qualified_name") or {}).get("path")
        if path != [name] or name.lower() not in words.FUNCTIONS:
            _refuse(what, "calls a function that is not in the list of functions")
    elif kind == "COLUMN_REF":
        # DuckDB reads these as the clock, the user or the connection where no column has the name.
        if len(part["column_names"]) == 1 and _SESSION_WORD.fullmatch(str(part["column_names"][0]).lower()):
            _refuse(what, "asks for the clock or the session")
    elif kind == "CAST":
        target = part["type_expr"]
        path = (target.get("qualified_name") or {}).get("path") or []
        if target.get("class") != "TYPE" or len(path) != 1 or str(path[0]).upper() not in words.CAST_TYPES:
            _refuse(what, "casts to a type that is not supported")


def _check_tables(node: Node, known: frozenset[str], what: str) -> None:
    """Raise unless every table in the tree is one of ``known``, or was named by a WITH of an enclosing SELECT."""
    waiting: list[tuple[Any, frozenset[str]]] = [(node, known)]
    while waiting:
        part, names = waiting.pop()
        if isinstance(part, list):
            waiting.extend((one, names) for one in part)
            continue
        if not isinstance(part, dict):
            continue
        if "RECURSIVE" in str(part.get("type")) or part.get("sample") or part.get("at_clause"):
            _refuse(what, "has a recursion, a sample or a version")
        for key, value in _with_entries(part):
            if not _NAME.fullmatch(key) or key in known:
                _refuse(what, "gives a name in WITH that is a domain's, or not of lower-case letters")
            waiting.append((value, names))
            names |= {key}
        _check_table(part, names, what)
        waiting.extend((value, names) for key, value in part.items() if key != "cte_map")


def _check_table(part: Node, names: frozenset[str], what: str) -> None:
    """Raise unless a part that stands where a table does is a known table, a SELECT in brackets, or a join."""
    for place in ("from_table", "left", "right"):
        table = part.get(place)
        if isinstance(table, dict) and "class" not in table and table.get("type") not in words.TABLES:
            is_function = table.get("type") == "TABLE_FUNCTION"
            _refuse(what, "calls a table function" if is_function else "reads something that is no domain")
    if part.get("type") == "BASE_TABLE":
        plain = not part.get("schema_name") and not part.get("catalog_name")
        if not plain or part.get("table_name") not in names:
            _refuse(what, "reads a table that it does not name in `reads`")
    if part.get("type") == "JOIN":
        joined = part.get("using_columns") or any(_equals_columns(one) for one in _conjuncts(part.get("condition")))
        if part.get("ref_type") != "REGULAR" or not joined:
            _refuse(what, "joins without an equality of two columns (JOIN … ON a.x = b.y, or USING)")


def _conjuncts(condition: Any) -> Iterator[Node]:
    if isinstance(condition, dict):
        yield condition
        if condition.get("type") == "CONJUNCTION_AND":
            for one in condition["children"]:
                yield from _conjuncts(one)


def _equals_columns(one: Node) -> bool:
    sides = (one.get("left"), one.get("right"))
    return one.get("type") == "COMPARE_EQUAL" and all(
        isinstance(side, dict) and side.get("class") == "COLUMN_REF" for side in sides
    )


def _with_entries(part: Node) -> Iterator[tuple[str, Any]]:
    named = part.get("cte_map")
    if isinstance(named, dict):
        yield from ((str(one["key"]), one["value"]) for one in named.get("map", ()))


def _parse(sql: str, what: str) -> Node:
    """The tree of the one SELECT that ``sql`` is."""
    try:
        with closed_connection() as connection:
            found = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchone()
        tree: Node = json.loads(found[0]) if found else {"error": True}
    except (duckdb.Error, RecursionError):
        _refuse(what, "is not SQL")
    if tree.get("error") or len(tree["statements"]) != 1:
        _refuse(what, "is not one SELECT statement")
    node: Node = tree["statements"][0].get("node") or {}
    if node.get("type") not in ("SELECT_NODE", "SET_OPERATION_NODE"):
        _refuse(what, "is not one SELECT statement")
    return node


def _nodes(tree: Any) -> Iterator[Node]:
    waiting = [tree]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


def _refuse(what: str, why: str) -> NoReturn:
    raise InvalidInput(
        f"Expected SQL that reads records alone in the {what}; it {why}.", next_step="correct rules.toml"
    )
