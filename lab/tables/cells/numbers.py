"""Cells as numbers, as people write them: ``1,234.50``, ``12%``, ``￥100``, ``(1,200)``, ``−5``, ``3.5万元``.

A plain number is read at once. The rest is taken apart: sign, currency, digits with marks of thousands, unit. What is
not a number as a whole is no number; nothing is cut out of a text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

_CURRENCY: Final = r"(?:cny|rmb|usd|hkd|eur|gbp|jpy|us\$|hk\$|人民币|[¥$€£₩])"
_UNITS: Final[dict[str, float]] = {
    "%": 1.0,
    "‰": 0.1,
    "千": 1e3,
    "千元": 1e3,
    "万": 1e4,
    "万元": 1e4,
    "百万": 1e6,
    "百万元": 1e6,
    "千万": 1e7,
    "千万元": 1e7,
    "亿": 1e8,
    "亿元": 1e8,
    "元": 1.0,
    "元整": 1.0,
    "圆": 1.0,
    "圆整": 1.0,
    "美元": 1.0,
    "cny": 1.0,
    "rmb": 1.0,
    "usd": 1.0,
    "eur": 1.0,
}
"""What a unit behind a number multiplies it by. A percentage stays as written: 12 for ``12%``, 1.2 for ``12‰``."""
COLUMN_UNITS: Final[dict[str, float]] = {
    **{unit: factor for unit, factor in _UNITS.items() if unit.isalpha()},
    "%": 0.01,
    "percent": 0.01,
    "‰": 0.001,
    "thousand": 1e3,
    "million": 1e6,
    "billion": 1e9,
    "days": 1.0,
    "天": 1.0,
    "months": 1.0,
    "月": 1.0,
    "years": 1.0,
    "年": 1.0,
    "persons": 1.0,
    "人": 1.0,
    "yuan": 1.0,
    **dict.fromkeys(("户", "家", "笔", "次", "件", "个", "吨", "平方米", "m2", "kwh", "度", "分"), 1.0),
}
"""Units that a dictionary may name for a column: what its bare numbers are multiplied by."""
_SUFFIX: Final = rf"\s*({'|'.join(sorted(_UNITS, key=len, reverse=True))})$"
_SIGNED: Final = r"^[+\-]?"
_GROUPED: Final = (
    rf"{_SIGNED}(?:[0-9]{{1,3}}(?:,[0-9]{{3}})+|[0-9]{{1,2}}(?:,[0-9]{{2}})+,[0-9]{{3}}|[0-9]{{1,4}}(?:,[0-9]{{4}})+"
    r"|[0-9]{1,3}(?:[ '’][0-9]{3})+)(?:\.[0-9]*)?$"
)
_DECIMAL_COMMA: Final = rf"{_SIGNED}(?:[0-9]+|[0-9]{{1,3}}(?:[. '’][0-9]{{3}})+),[0-9]*$"
_POINT_GROUPS: Final = rf"{_SIGNED}[0-9]{{1,3}}(?:\.[0-9]{{3}})+$"
_AMBIGUOUS: Final = rf"{_SIGNED}[1-9][0-9]{{0,2}},[0-9]{{3}}$"
_PLAIN: Final = r"^[+\-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+\-]?[0-9]{1,3})?$"


@dataclass(frozen=True, slots=True)
class NumberCells:
    """Cells read as numbers, all [rows]. ``values``: Float64, null where the cell is no number; a percentage as it is
    written, 12 for ``12%``. ``percent``: the cell has a percent sign. ``unit``: it names a unit or percentage itself.
    ``styled``: it is not written as a plain number. ``comma``: 1 where a comma can only be a decimal mark, -1 where it
    can only separate thousands, 0 elsewhere.
    """

    values: pl.Series
    percent: pl.Series
    unit: pl.Series
    styled: pl.Series
    comma: pl.Series


def parse_numbers(text: pl.Series, *, decimal_comma: bool = False) -> NumberCells:
    """Read normalised text (``cells.text.normalise_text``) as numbers; ``decimal_comma``: ``1.234,5`` is 1234.5."""
    values = text.cast(pl.Float64, strict=False)
    values = values.set(values.is_nan().fill_null(value=False), None)
    rest = text.is_not_null() & values.is_null()
    if decimal_comma:
        rest = rest | text.str.contains(_POINT_GROUPS).fill_null(value=False)
    no = pl.Series([False], dtype=pl.Boolean).new_from_index(0, text.len())
    none = pl.Series([0], dtype=pl.Int8).new_from_index(0, text.len())
    if not rest.any():
        return NumberCells(values, no, no, no, none)
    places = rest.arg_true()
    parts = _take_apart(text.filter(rest), decimal_comma=decimal_comma)
    read = parts["value"].is_not_null()
    return NumberCells(
        values.scatter(places, parts["value"]),  # ``scatter`` writes in place, so each gets a copy
        no.clone().scatter(places, parts["percent"] & read),
        no.clone().scatter(places, parts["unit"].is_not_null() & read),
        no.clone().scatter(places, read),
        none.clone().scatter(places, parts["comma"]),
    )


def _take_apart(text: pl.Series, *, decimal_comma: bool) -> pl.DataFrame:
    """Value, unit and the meaning of the comma of each cell, [rows]."""
    cell = pl.col("cell")
    minus = cell.str.to_lowercase().str.replace_all(r"[\x{2212}\x{2010}-\x{2015}]", "-")
    table = text.to_frame("cell").select(cell=minus)
    bracketed = cell.str.contains(r"^\([^()]*\)$")
    table = table.with_columns(
        negative=bracketed | cell.str.contains(r"^[^-]*[0-9]-$"),
        cell=pl.when(bracketed)
        .then(cell.str.strip_chars("()").str.strip_chars())
        .otherwise(cell.str.strip_suffix("-")),
    )
    table = table.with_columns(cell=cell.str.replace(rf"^([+\-]?)\s*{_CURRENCY}\s*([+\-]?)", "$1$2"))
    table = table.with_columns(unit=cell.str.extract(_SUFFIX), cell=cell.str.replace(_SUFFIX, ""))
    table = table.with_columns(
        cell=cell.str.replace(r"^([+\-])\s+", "$1"),
        grouped=cell.str.contains(_GROUPED),
        comma_decimal=cell.str.contains(_DECIMAL_COMMA),
        ambiguous=cell.str.contains(_AMBIGUOUS),
    )
    grouped = pl.col("grouped") & ~(pl.lit(decimal_comma) & pl.col("comma_decimal"))
    decimal = pl.col("comma_decimal") & (pl.lit(decimal_comma) | ~pl.col("grouped"))
    pointed = pl.lit(decimal_comma) & cell.str.contains(_POINT_GROUPS)
    digits = (
        pl.when(grouped)
        .then(cell.str.replace_all(r"[, '’]", ""))
        .when(decimal)
        .then(cell.str.replace_all(r"[. '’]", "").str.replace(",", ".", literal=True))
        .when(pointed)
        .then(cell.str.replace_all(".", "", literal=True))
        .otherwise(cell)
    )
    number = pl.when(digits.str.contains(_PLAIN)).then(digits).cast(pl.Float64, strict=False)
    factor = pl.col("unit").replace_strict(list(_UNITS), list(_UNITS.values()), default=None, return_dtype=pl.Float64)
    value = number * factor.fill_null(1.0)
    only_thousands = pl.col("grouped") & ~pl.col("comma_decimal")
    only_decimal = pl.col("comma_decimal") & ~pl.col("grouped")
    return table.select(
        value=pl.when(pl.col("negative")).then(-value).otherwise(value),
        percent=pl.col("unit").is_in(["%", "‰"]).fill_null(value=False),
        unit=pl.col("unit"),
        comma=pl.when(pl.col("ambiguous"))
        .then(0)
        .when(only_decimal)
        .then(1)
        .when(only_thousands)
        .then(-1)
        .otherwise(0)
        .cast(pl.Int8),
    )
