"""The words that a feature's SELECT may use: a closed list. Whatever is not in it is refused.

Results must be the same to the byte however the rows are divided and ordered. So there is no aggregate whose result
depends on the order of rows (``first``, ``list``, ``string_agg``, ``stddev`` of floating point numbers), no random
number, no clock, and no function that reads anything but its arguments.
"""

from __future__ import annotations

AGGREGATES = frozenset(
    {"count", "count_star", "sum", "avg", "min", "max", "bool_or", "bool_and", "arg_max", "arg_min", "median"}
)
EXACT_SUMS = frozenset({"sum", "avg"})
"""Exact over integers and decimals, not over floating point numbers: see ``sql_check``."""
BY_TIME = frozenset({"arg_max", "arg_min"})
"""Only by ``held_from``, and only where one enterprise has one record of a day."""
ARITHMETIC = frozenset({"+", "-", "*"})
SCALARS = (
    ARITHMETIC
    | frozenset({"/", "%", "abs", "round", "floor", "ceil", "nullif", "coalesce", "greatest", "least", "sqrt"})
    | frozenset({"date_diff", "year", "month", "day", "length", "lower", "upper", "starts_with"})
)
EXPRESSIONS: dict[str, frozenset[str]] = {
    "COLUMN_REF": frozenset({"COLUMN_REF"}),
    "CONSTANT": frozenset({"VALUE_CONSTANT"}),
    "PARAMETER": frozenset({"VALUE_PARAMETER"}),
    "FUNCTION": frozenset({"FUNCTION"}),
    "CASE": frozenset({"CASE_EXPR"}),
    "CAST": frozenset({"OPERATOR_CAST", "CAST"}),
    "BETWEEN": frozenset({"COMPARE_BETWEEN"}),
    "CONJUNCTION": frozenset({"CONJUNCTION_AND", "CONJUNCTION_OR"}),
    "COMPARISON": frozenset(
        {
            "COMPARE_EQUAL",
            "COMPARE_NOTEQUAL",
            "COMPARE_LESSTHAN",
            "COMPARE_GREATERTHAN",
            "COMPARE_LESSTHANOREQUALTO",
            "COMPARE_GREATERTHANOREQUALTO",
            "COMPARE_DISTINCT_FROM",
            "COMPARE_NOT_DISTINCT_FROM",
        }
    ),
    "OPERATOR": frozenset(
        {
            "OPERATOR_NOT",
            "OPERATOR_IS_NULL",
            "OPERATOR_IS_NOT_NULL",
            "COMPARE_IN",
            "COMPARE_NOT_IN",
            "OPERATOR_COALESCE",
            "OPERATOR_NULLIF",
        }
    ),
}
CAST_TYPES = frozenset({"INTEGER", "BIGINT", "DATE", "BOOLEAN", "VARCHAR"})
PARAMETERS = frozenset({"as_of", "window_start"})
RECORD_WORDS = frozenset({"enterprise", "held_from", "held_to"})
"""Columns of every domain that are no items."""
JOINS = frozenset({"INNER", "LEFT"})
