"""The allow list of expressions: columns that are declared, parameters, constants, and a closed list of functions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lab.bureau.data.features.sql import words
from lab.bureau.data.features.sql.refusals import refuse
from lab.bureau.data.features.sql.scope import Scope
from lab.bureau.data.features.sql.statement import Node

_COMMON = {"class", "type", "alias", "query_location", "query_location_length"}
_KEYS: dict[str, set[str]] = {
    "COLUMN_REF": {"column_names"},
    "CONSTANT": {"literal"},
    "PARAMETER": {"identifier"},
    "FUNCTION": {"function_name", "qualified_name", "arguments", "filter", "order_bys", "distinct", "is_operator"},
    "CASE": {"case_checks", "else_expr"},
    "CAST": {"child", "type_expr"},
    "BETWEEN": {"input", "lower", "upper"},
    "CONJUNCTION": {"children"},
    "COMPARISON": {"left", "right"},
    "OPERATOR": {"children"},
}


def check_expression(node: Node, scope: Scope) -> None:
    """Raise ``InvalidInput`` unless the expression and all its parts are allowed; notes the columns it uses."""
    kind = str(node.get("class"))
    if kind not in words.EXPRESSIONS or node.get("type") not in words.EXPRESSIONS[kind]:
        shown = str(node.get("type", "")).lower().replace("_", " ")
        raise refuse(scope.feature, f"it has an expression that is not supported ({shown})")
    for key, value in node.items():
        if key not in _COMMON | _KEYS[kind] and value not in (None, "", [], False):
            raise refuse(scope.feature, f"an expression has {key.replace('_', ' ')}, which is not supported")
    if kind == "COLUMN_REF":
        _check_column(node, scope)
    elif kind == "PARAMETER":
        if node["identifier"] not in words.PARAMETERS:
            raise refuse(scope.feature, "it has a parameter that is neither $as_of nor $window_start")
    elif kind == "CAST":
        _check_cast(node["type_expr"], scope)
    elif kind == "FUNCTION":
        _check_function(node, scope)
    for part in expression_parts(node):
        check_expression(part, scope)


def expression_parts(node: Node) -> Iterator[Node]:
    """The expressions of which one is made."""
    for key in ("child", "input", "lower", "upper", "left", "right", "else_expr", "filter"):
        if isinstance(node.get(key), dict):
            yield node[key]
    for check in node.get("case_checks") or ():
        yield check["when_expr"]
        yield check["then_expr"]
    yield from node.get("children") or ()
    for argument in node.get("arguments") or ():
        yield argument["expression"]


def _check_cast(target: Node, scope: Scope) -> None:
    path = target.get("qualified_name", {}).get("path", [])
    if target.get("class") != "TYPE" or len(path) != 1 or str(path[0]).upper() not in words.CAST_TYPES:
        raise refuse(scope.feature, "it casts to a type that is not supported")


def _check_column(node: Node, scope: Scope) -> None:
    path = node["column_names"]
    if len(path) > 2:
        raise refuse(scope.feature, "a column is named with more than its table")
    name = path[-1]
    if name in scope.columns:
        scope.used.add(name)
    elif name not in words.RECORD_WORDS and name not in scope.aliases:
        raise refuse(scope.feature, f"it reads {str(name)[:64]}, which is not among its items")


def _check_function(node: Node, scope: Scope) -> None:
    name = str(node["function_name"])
    if node["qualified_name"]["path"] != [name] or name not in words.AGGREGATES | words.SCALARS:
        raise refuse(scope.feature, f"it calls {name[:64]}, which is not in the list of functions")
    if (node.get("order_bys") or {}).get("orders"):
        raise refuse(scope.feature, "an aggregate has an order of its own")
    if any(argument.get("name") for argument in node["arguments"]):
        raise refuse(scope.feature, "an argument is given by name")
    if node.get("filter") and name not in words.AGGREGATES:
        raise refuse(scope.feature, "it filters a function that is no aggregate")
    arguments = [argument["expression"] for argument in node["arguments"]]
    if name in words.EXACT_SUMS and not all(_is_exact(one, scope) for one in arguments):
        raise refuse(
            scope.feature, f"{name} adds something that is not an item, or a sum, difference or product of items"
        )
    if name in words.BY_TIME:
        by = arguments[1:]
        if len(arguments) != 2 or by[0].get("class") != "COLUMN_REF" or by[0]["column_names"][-1] != "held_from":
            raise refuse(scope.feature, f"{name} needs two arguments, the second held_from")
        if not scope.by_time:
            raise refuse(scope.feature, f"{name} needs domains with one record of a day; this one has events")


def _is_exact(node: Node, scope: Scope) -> bool:
    """Whether an argument of a sum is an integer or a decimal, so that the order of rows cannot change the sum."""
    kind = node.get("class")
    if kind == "COLUMN_REF":
        return node["column_names"][-1] in scope.columns
    if kind == "CONSTANT":
        return _is_whole(node["literal"])
    if kind == "FUNCTION" and node["function_name"] in words.ARITHMETIC | {"coalesce"}:
        return all(_is_exact(part, scope) for part in expression_parts(node))
    if kind == "OPERATOR" and node["type"] == "OPERATOR_COALESCE":
        return all(_is_exact(part, scope) for part in expression_parts(node))
    if kind == "CASE":
        results = [*(check["then_expr"] for check in node["case_checks"]), node.get("else_expr")]
        return all(one is None or _is_exact(one, scope) for one in results)
    return False


def _is_whole(literal: Any) -> bool:
    return isinstance(literal, dict) and str(literal.get("kind")) in ("INTEGER", "NULL")
