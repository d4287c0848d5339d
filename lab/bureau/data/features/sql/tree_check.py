"""The allow list: a walk over every node of a parsed SELECT, which refuses whatever it does not know.

A node is known by its class and type, and every further clause of it must be known too or be empty: a clause that a
later version of DuckDB brings is refused until it is added here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from lab.bureau.data.features.sql import words
from lab.bureau.data.features.sql.expression_check import check_expression, expression_parts
from lab.bureau.data.features.sql.refusals import refuse
from lab.bureau.data.features.sql.scope import Scope
from lab.bureau.data.features.sql.statement import Node, Select

_ALIAS = re.compile(r"[a-z][a-z0-9_]{0,63}")
_SESSION_WORD = re.compile(r"(current|local|session|system)_?.*|user|today|now")
_PLACE = {"query_location", "query_location_length"}
_SELECT_KEYS = {"type", "cte_map", "select_list", "from_table", "where_clause", "group_expressions", "group_sets"}
_TABLE_KEYS = {"type", "alias", "table_name", "qualified_name"}
_JOIN_KEYS = {"type", "left", "right", "condition", "join_type", "ref_type", "using_columns"}
_JOIN_DEFAULTS = {"nearest_count", "nearest_order_type"}


def check_tree(select: Select, scope: Scope) -> None:
    """Raise ``InvalidInput`` unless the SELECT gives ``enterprise`` and ``value``, and is made of allowed words only.

    Every declared column must be used, so that what is said to be its origin is.
    """
    names = [_alias(entry) for entry in select.tree["select_list"]]
    if names != ["enterprise", "value"]:
        raise refuse(scope.feature, "its columns are not enterprise and value, in this order")
    first = select.tree["select_list"][0]
    if first["class"] != "COLUMN_REF" or first["column_names"][-1] != "enterprise":
        raise refuse(scope.feature, "its first column is not the enterprise of a record")
    _collect_aliases(select.tree, scope)
    _check_select(select.tree, scope, frozenset())
    if unused := scope.columns - scope.used:
        raise refuse(scope.feature, f"it does not use the items {', '.join(sorted(unused))}")


def _collect_aliases(node: Node, scope: Scope) -> None:
    """The names that inner SELECTs define, which outer ones may use."""
    for inner in _inner_selects(node):
        if inner.get("type") != "SELECT_NODE":
            raise refuse(scope.feature, "it has UNION, a recursion or another form that is not supported")
        for entry in inner["select_list"]:
            name = _alias(entry)
            if not _ALIAS.fullmatch(name) or _SESSION_WORD.fullmatch(name):
                raise refuse(scope.feature, "a column of an inner SELECT has no name, or one that is not allowed")
            if name in scope.columns and entry.get("column_names", [""])[-1] != name:
                raise refuse(scope.feature, f"an inner SELECT gives another value the name of item {name}")
            scope.aliases.add(name)
        _collect_aliases(inner, scope)


def _inner_selects(node: Node) -> Iterable[Node]:
    for entry in node["cte_map"]["map"]:
        inner = entry["value"].get("query_node") or entry["value"].get("query", {}).get("node", {})
        yield inner
    yield from _subqueries(node.get("from_table") or {})


def _subqueries(table: Node) -> Iterable[Node]:
    if table.get("type") == "SUBQUERY":
        yield table["subquery"]["node"]
    for side in ("left", "right"):
        if isinstance(table.get(side), dict):
            yield from _subqueries(table[side])


def _check_select(node: Node, scope: Scope, outer: frozenset[str]) -> None:
    if node.get("type") != "SELECT_NODE":
        raise refuse(scope.feature, "it has a part that is no plain SELECT")
    _only(node, _SELECT_KEYS | {"aggregate_handling"}, scope, "a SELECT")
    if node["aggregate_handling"] != "STANDARD_HANDLING":
        raise refuse(scope.feature, "GROUP BY ALL is not supported: name the columns")
    tables = set(outer)
    for entry in node["cte_map"]["map"]:
        _only(entry["value"], {"query_node", "materialized"}, scope, "a WITH")
        if not _ALIAS.fullmatch(entry["key"]) or entry["key"] in scope.domains:
            raise refuse(scope.feature, "a name of its WITH is a domain, or not of lower-case letters")
        _check_select(entry["value"]["query_node"], scope, frozenset(tables))
        tables.add(entry["key"])
    _check_table(node["from_table"], scope, frozenset(tables))
    for entry in node["select_list"]:
        _check_enterprise(entry, scope)
    for expression in (*node["select_list"], *(node.get("group_expressions") or ())):
        check_expression(expression, scope)
    if node.get("where_clause"):
        check_expression(node["where_clause"], scope)
    groups = node.get("group_expressions") or []
    if (node.get("group_sets") or [list(range(len(groups)))]) != [list(range(len(groups)))]:
        raise refuse(scope.feature, "GROUPING SETS are not supported")


def _check_enterprise(entry: Node, scope: Scope) -> None:
    """Refuse a column that is made of the enterprise, or that takes its name: one's records would count for another,
    or the place of its code would be a figure."""
    is_plain = entry.get("class") == "COLUMN_REF" and entry["column_names"][-1] == "enterprise"
    if is_plain != (_alias(entry) == "enterprise"):
        raise refuse(scope.feature, "a column renames the enterprise, or takes its name")
    if not is_plain and _names_enterprise(entry):
        raise refuse(scope.feature, "a value is made of the enterprise itself")


def _names_enterprise(node: Node) -> bool:
    if node.get("class") == "COLUMN_REF":
        return bool(node["column_names"][-1] == "enterprise")
    return any(_names_enterprise(part) for part in expression_parts(node))


def _is_joined(table: Node) -> bool:
    """Whether a join is of one enterprise's rows: any other has as many rows as both tables multiplied."""
    if table.get("using_columns"):
        return True
    condition = table.get("condition") or {}
    parts = condition["children"] if condition.get("type") == "CONJUNCTION_AND" else [condition]
    return any(
        part.get("type") == "COMPARE_EQUAL"
        and all(
            side.get("class") == "COLUMN_REF" and side["column_names"][-1] == "enterprise"
            for side in (part["left"], part["right"])
        )
        and part["left"]["column_names"] != part["right"]["column_names"]
        for part in parts
    )


def _check_table(table: Node, scope: Scope, known: frozenset[str]) -> None:
    kind = table.get("type")
    if kind == "BASE_TABLE":
        _only(table, _TABLE_KEYS, scope, "a table")
        path = table["qualified_name"]["path"]
        if len(path) != 1 or path[0] != table["table_name"] or path[0] not in scope.domains | known:
            raise refuse(scope.feature, "it reads a table that is no domain of its items")
        _check_alias(table, scope)
    elif kind == "SUBQUERY":
        _only(table, {"type", "alias", "subquery"}, scope, "a subquery")
        _only(table["subquery"], {"node"}, scope, "a subquery")
        _check_alias(table, scope)
        _check_select(table["subquery"]["node"], scope, known)
    elif kind == "JOIN":
        _only(table, _JOIN_KEYS | _JOIN_DEFAULTS, scope, "a join")
        if table["ref_type"] != "REGULAR" or table["join_type"] not in words.JOINS:
            raise refuse(scope.feature, "it has a join that is neither JOIN … ON nor LEFT JOIN … ON")
        _check_table(table["left"], scope, known)
        _check_table(table["right"], scope, known)
        if table.get("condition"):
            check_expression(table["condition"], scope)
        if any(name != "enterprise" for name in table.get("using_columns") or ()):
            raise refuse(scope.feature, "it joins USING another column than enterprise")
        if not _is_joined(table):
            raise refuse(scope.feature, "it joins rows of different enterprises (join ON a.enterprise = b.enterprise)")
    else:
        raise refuse(scope.feature, "it reads something that is no domain (a file, a function, a list)")


def _check_alias(table: Node, scope: Scope) -> None:
    alias = table.get("alias") or ""
    if alias and not _ALIAS.fullmatch(alias):
        raise refuse(scope.feature, "a table has a name that is not of lower-case letters")


def _only(node: Node, known: set[str], scope: Scope, what: str) -> None:
    for key, value in node.items():
        if key not in known | _PLACE and value not in (None, "", [], False, {"map": []}):
            raise refuse(scope.feature, f"{what} has {key.replace('_', ' ')}, which is not supported")


def _alias(entry: Node) -> str:
    return str(entry.get("alias") or (entry.get("column_names") or [""])[-1])
