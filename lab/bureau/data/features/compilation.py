"""Compiling features into few SELECTs: all that read one domain are computed in one pass over it.

A plain SELECT (one table, grouped by enterprise) gives up its WHERE to each of its aggregates as a FILTER. So many of
them share one scan and one grouping. ``count(*)`` under the same filter tells an enterprise that has no such row, to
which the missing rule applies, from one whose value is missing.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lab.bureau.data.catalogue.item_definition import Catalogue, CreditUse
from lab.bureau.data.catalogue.natural_persons import rules_of
from lab.bureau.data.features.columns import absent_sql, item_columns, quote, value_sql
from lab.bureau.data.features.definition import FeatureDefinition, FeatureSet
from lab.bureau.data.features.sql import parse_select, write_select
from lab.bureau.data.features.sql.statement import Node
from lab.bureau.data.features.sql.words import AGGREGATES

ROWS_PREFIX = "_rows_"
"""A domain's table as features see it. Tables of the computation begin with ``_``, as no domain does."""
RESULT_PREFIX = "_result_"
"""The results of a SELECT, by its place in the plan."""


@dataclass(frozen=True, slots=True)
class CompiledSelect:
    """One SELECT: the domains it reads, its SQL, and the features that are its columns after ``enterprise``."""

    domains: tuple[str, ...]
    sql: str
    features: tuple[str, ...]
    windows: tuple[int, ...]
    """Months of the windows it has: parameter ``window_start_MONTHS``."""
    has_as_of: bool
    checked_rows: bool
    """Whether it could give an enterprise twice, which is checked when it is run."""


@dataclass(frozen=True, slots=True)
class CompiledDomain:
    """What is read of one domain: column and SQL type, ``enterprise`` first."""

    domain: str
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class FeaturePlan:
    """Everything that a computation needs, as plain values: it is sent to the workers of a cluster as it is."""

    domains: tuple[CompiledDomain, ...]
    selects: tuple[CompiledSelect, ...]
    outputs: tuple[tuple[str, str], ...]
    """The features in order, each with the SQL of its final value over the results ``_result_0``, ``_result_1``, …"""
    withheld: tuple[str, ...]
    """Features that read an item which rules of credit reporting restrict for natural persons: missing for them."""
    natural_prefixes: tuple[str, ...]
    """How the codes of natural persons (individual businesses) begin."""
    enterprises: str
    """The domain that says which enterprises there are."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the features, in order."""
        return tuple(name for name, _ in self.outputs)


def compile_features(features: FeatureSet, catalogue: Catalogue) -> FeaturePlan:
    """The plan of ``features``, which were checked against ``catalogue``."""
    columns: dict[str, set[str]] = {}
    plain: dict[str, list[tuple[FeatureDefinition, Node]]] = {}
    joined: list[CompiledSelect] = []
    for one in features.definitions:
        for domain in one.domains:
            columns.setdefault(domain, set()).update(one.columns(domain))
        select = parse_select(one.name, one.sql)
        if select.is_plain:
            plain.setdefault(one.domains[0], []).append((one, select.tree))
        else:
            joined.append(_whole_select(one, select.tree))
    domains = tuple(
        CompiledDomain(code, tuple(item_columns(catalogue.domain(code), sorted(columns[code]))))
        for code in sorted(columns)
    )
    selects = (*(_one_pass(domain, plain[domain]) for domain in sorted(plain)), *joined)
    places = {name: place for place, select in enumerate(selects) for name in select.features}
    restricted = frozenset(item.code for item in catalogue.items if item.credit_use is not CreditUse.ALLOWED)
    withheld = tuple(one.name for one in features.definitions if restricted & set(one.items))
    outputs = tuple(
        (one.name, _final_value(one, f"{RESULT_PREFIX}{places[one.name]}", withheld=one.name in withheld))
        for one in features.definitions
    )
    return FeaturePlan(
        domains, selects, outputs, withheld, rules_of(catalogue).code_prefixes, enterprises=catalogue.enterprises
    )


def _final_value(one: FeatureDefinition, result: str, *, withheld: bool) -> str:
    """The missing rule is for enterprises without a row; a row without a value stays without.

    ``withheld``: a natural person has no value, and its rows do not even decide between zero and missing.
    """
    natural = "WHEN f.is_natural_person THEN NULL " if withheld else ""
    absent = f"WHEN {result}.enterprise IS NULL THEN {absent_sql(one)}"
    return value_sql(one, f"CASE {natural}{absent} ELSE {result}.{quote(one.name)} END")


def _one_pass(domain: str, parts: Sequence[tuple[FeatureDefinition, Node]]) -> CompiledSelect:
    """One SELECT of all plain features of a domain."""
    listed: list[Node] = [_column("enterprise")]
    for definition, tree in parts:
        value = _named(tree["select_list"][1], definition)
        where = tree.get("where_clause")
        if where is not None:
            condition = _named(where, definition)
            value = _case(_no_rows(condition), _absent(definition), _filtered(value, condition))
        value["alias"] = definition.name
        listed.append(value)
    tree = copy.deepcopy(parts[0][1])
    tree["select_list"], tree["where_clause"] = listed, None
    tree["from_table"] = _table(domain, "")
    tree["group_expressions"] = [_column("enterprise")]
    definitions = [definition for definition, _ in parts]
    return _compiled((domain,), tree, definitions, checked=False)


def _whole_select(definition: FeatureDefinition, tree: Node) -> CompiledSelect:
    """A SELECT of one feature that reads several tables, as it is."""
    tree = _renamed_tables(_named(tree, definition, keep_tables=True), frozenset(definition.domains))
    tree["select_list"][1]["alias"] = definition.name
    tree["select_list"][0]["alias"] = "enterprise"
    return _compiled(definition.domains, tree, [definition], checked=True)


def _compiled(
    domains: tuple[str, ...], tree: Node, definitions: Sequence[FeatureDefinition], *, checked: bool
) -> CompiledSelect:
    sql = write_select(tree)
    windows = sorted({one.window_months for one in definitions if one.window_months})
    names = tuple(one.name for one in definitions)
    return CompiledSelect(domains, sql, names, tuple(windows), "$as_of" in sql, checked)


def _named(node: Any, definition: FeatureDefinition, *, keep_tables: bool = False) -> Any:
    """A copy whose window parameter says how long it is, and whose columns do not name their table (one is read)."""
    if isinstance(node, list):
        return [_named(one, definition, keep_tables=keep_tables) for one in node]
    if not isinstance(node, dict):
        return node
    made = {key: _named(value, definition, keep_tables=keep_tables) for key, value in node.items()}
    if made.get("class") == "PARAMETER" and made["identifier"] == "window_start":
        made["identifier"] = f"window_start_{definition.window_months}"
    if made.get("class") == "COLUMN_REF" and not keep_tables:
        made["column_names"] = made["column_names"][-1:]
    return made


def _renamed_tables(node: Any, domains: frozenset[str]) -> Any:
    if isinstance(node, list):
        return [_renamed_tables(one, domains) for one in node]
    if not isinstance(node, dict):
        return node
    if node.get("type") == "BASE_TABLE" and node.get("table_name") in domains:
        return _table(node["table_name"], node.get("alias") or node["table_name"])
    return {key: _renamed_tables(value, domains) for key, value in node.items()}


def _filtered(node: Any, condition: Node) -> Any:
    """A copy in which every aggregate counts only rows of ``condition``."""
    if isinstance(node, list):
        return [_filtered(one, condition) for one in node]
    if not isinstance(node, dict):
        return node
    if node.get("class") == "FUNCTION" and node["function_name"] in AGGREGATES:
        own = node.get("filter")
        return node | {"filter": _both(condition, own) if own else copy.deepcopy(condition)}
    return {key: _filtered(value, condition) for key, value in node.items()}


_EXPRESSION: Node = {"alias": "", "query_location": 0, "query_location_length": 0}


def _column(name: str) -> Node:
    return {"class": "COLUMN_REF", "type": "COLUMN_REF", **_EXPRESSION, "column_names": [name]}


def _table(domain: str, alias: str) -> Node:
    name = ROWS_PREFIX + domain
    return {
        "type": "BASE_TABLE",
        "alias": alias,
        "sample": None,
        "query_location": 0,
        "query_location_length": 0,
        "schema_name": "",
        "table_name": name,
        "column_name_alias": [],
        "catalog_name": "",
        "at_clause": None,
        "qualified_name": {"path": [name]},
    }


def _both(left: Node, right: Node) -> Node:
    children = [copy.deepcopy(left), copy.deepcopy(right)]
    return {"class": "CONJUNCTION", "type": "CONJUNCTION_AND", **_EXPRESSION, "children": children}


def _no_rows(condition: Node) -> Node:
    """``count(*) FILTER (WHERE condition) = 0``, written by the parser so that every member of a node is there."""
    tree = parse_select("", "SELECT count(*) FILTER (WHERE TRUE) = 0 AS a FROM t").tree
    compared: Node = tree["select_list"][0]
    compared["left"]["filter"], compared["alias"] = copy.deepcopy(condition), ""
    return compared


def _absent(definition: FeatureDefinition) -> Node:
    parsed: Node = parse_select("", f"SELECT {absent_sql(definition)} AS a FROM t").tree["select_list"][0]
    return parsed | {"alias": ""}


def _case(when: Node, then: Node, otherwise: Node) -> Node:
    checks = [{"when_expr": when, "then_expr": then}]
    return {
        "class": "CASE",
        "type": "CASE_EXPR",
        **_EXPRESSION,
        "case_checks": checks,
        "else_expr": otherwise | {"alias": ""},
    }
