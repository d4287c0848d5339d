"""Cells as numbers, as people write them: ``1,234.50``, ``12%``, ``￥100``, ``(1,200)``, ``−5``, ``3.5万元``.

A plain number is read at once. The rest is taken apart: sign, currency, digits with marks of thousands, unit. What is
not a number as a whole is no number; nothing is cut out of a text. Scales and percentages move the decimal point of the
text, so the value is the number that is written, to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import polars as pl

from lab.tables.cells.values.units import COUNTED, CURRENCIES, PERCENT, POWERS, currency_of


def _either(words: Iterable[str]) -> str:
    return "|".join(word.replace("$", r"\$") for word in sorted(words, key=len, reverse=True))


_CURRENCY: Final = rf"^([+\-]?)\s*({_either(CURRENCIES)})\s*([+\-(]?)"
_SUFFIX: Final = rf"\s*({_either((*POWERS, *PERCENT, *COUNTED))})$"
_NO_LETTER: Final = r"[^0-9\p{L}]{0,8}"
_MAYBE: Final = rf"(?i)^{_NO_LETTER}(?:{_either(CURRENCIES)})?{_NO_LETTER}[0-9][^:]{{0,40}}$"
"""What may come before the first digit of a number: a quick test of what need not be looked at."""
_DIGITS_AND_MARKS: Final = r"^[+\-]?[0-9][0-9.,]*$"
"""No unit, no currency and no other sign to take off."""
_SIGNED: Final = r"^[+\-]?"
_EXPONENT: Final = r"(?:e[+\-]?[0-9]{1,3})?$"
_GROUPED: Final = (
    rf"{_SIGNED}(?:[1-9][0-9]{{0,2}}(?:,[0-9]{{3}})+|[1-9][0-9]?(?:,[0-9]{{2}})+,[0-9]{{3}}"
    r"|[1-9][0-9]{0,3}(?:,[0-9]{4}){2,}|[1-9][0-9]{0,2}(?:[ '’][0-9]{3})+)(?:\.[0-9]*)?$"
)
_DECIMAL_COMMA: Final = rf"{_SIGNED}(?:[0-9]+|[1-9][0-9]{{0,2}}(?:[. '’][0-9]{{3}})+),[0-9]+{_EXPONENT}"
_POINT_GROUPS: Final = rf"{_SIGNED}[1-9][0-9]{{0,2}}(?:\.[0-9]{{3}}){{2,}}$"
_AMBIGUOUS_COMMA: Final = rf"{_SIGNED}[1-9][0-9]{{0,2}},[0-9]{{3}}$"
AMBIGUOUS_POINT: Final = rf"{_SIGNED}[1-9][0-9]{{0,2}}\.[0-9]{{3}}$"
"""One point and three digits: thousands where a comma is the decimal mark."""
DECIMAL_COMMA, POINT_GROUPS, DECIMAL_POINT, EITHER_COMMA, EITHER_POINT = 1, 2, -1, 3, 4
SURE_COMMAS: Final = (DECIMAL_COMMA, POINT_GROUPS)
"""A comma that can only be a decimal mark, or points that can only separate thousands."""
SURE_POINTS: Final = (DECIMAL_POINT,)
"""A comma that can only separate thousands, or a point that can only be a decimal mark."""
UNSURE_MARKS: Final = (EITHER_COMMA, EITHER_POINT)
"""A comma or point and three digits: a decimal mark, or thousands."""
_PLAIN: Final = rf"{_SIGNED}(?:[0-9]+\.?[0-9]*|\.[0-9]+){_EXPONENT}"


@dataclass(frozen=True, slots=True)
class NumberCells:
    """Cells read as numbers, all [rows]. ``values``: Float64, null where the cell is no number. ``percent``: the cell
    has a percent sign. ``absolute``: it names a percentage, a currency or a scale, so it is no bare number. ``styled``:
    it is not written as a plain number. ``scaled``: it names thousands or more. ``currency`` and ``counted``: String,
    the currency and the unit that it names (``units``), or null. ``comma``: Int8, the mark that the
    cell shows, one of ``SURE_COMMAS``, ``SURE_POINTS`` and ``UNSURE_MARKS``, or 0; a plain number shows none.
    """

    values: pl.Series
    percent: pl.Series
    absolute: pl.Series
    styled: pl.Series
    scaled: pl.Series
    currency: pl.Series
    counted: pl.Series
    comma: pl.Series


def parse_plain(text: pl.Series) -> pl.Series:
    """Float64 [rows]: plain numbers such as ``-12.5`` and ``1E+05``; null for everything else."""
    return text.cast(pl.Float64, strict=False).fill_nan(None)


def numbers_among(words: Iterable[str]) -> list[float]:
    """Those of the words that are plain numbers, as numbers, in ascending order."""
    return parse_plain(pl.Series(sorted(words), dtype=pl.String)).drop_nulls().sort().to_list()


def is_decimal_point(plain: pl.Series) -> pl.Series:
    """Whether a plain number has a point that can only be a decimal mark, Boolean [rows]."""
    return plain.str.contains(".", literal=True) & ~plain.str.contains(AMBIGUOUS_POINT)


def parse_numbers(text: pl.Series, *, decimal_comma: bool = False, percent_points: bool | None = True) -> NumberCells:
    """Read normalised text (``cells.text.normalise_text``) as numbers.

    ``decimal_comma``: ``1.234,5`` is 1234.5. ``percent_points``: ``12%`` is 12, not 0.12; None: no number.
    """
    values = parse_plain(text)
    rest = values.is_null() & text.str.contains(_MAYBE).fill_null(value=False)
    if decimal_comma:
        rest = rest | text.str.contains(AMBIGUOUS_POINT).fill_null(value=False)
    parts = _take_apart(text.filter(rest), decimal_comma=decimal_comma, percent_points=percent_points)
    places, found = rest.arg_true(), parts["value"].is_not_null()

    def spread(part: pl.Series, default: bool | int | None, dtype: type[pl.DataType]) -> pl.Series:
        blank = pl.Series([default], dtype=dtype).new_from_index(0, text.len())
        return blank.scatter(places, part) if part.len() else blank

    return NumberCells(
        values=values.scatter(places, parts["value"]) if parts.height else values,
        percent=spread(parts["percent"] & found, False, pl.Boolean),
        absolute=spread(parts["absolute"] & found, False, pl.Boolean),
        styled=spread(found, False, pl.Boolean),
        scaled=spread(parts["scaled"] & found, False, pl.Boolean),
        currency=spread(parts["currency"].set(~found, None), None, pl.String),
        counted=spread(parts["counted"].set(~found, None), None, pl.String),
        comma=spread(parts["comma"], 0, pl.Int8),
    )


def _take_apart(text: pl.Series, *, decimal_comma: bool, percent_points: bool | None) -> pl.DataFrame:
    """Value, units and the meaning of the comma of each cell, [rows]; ``NumberCells``."""
    bare = text.str.contains(_DIGITS_AND_MARKS)
    places = pl.concat([bare.arg_true(), (~bare).arg_true()]).alias("place")
    parts = pl.concat([text.filter(bare).to_frame("cell"), _without_units(text.filter(~bare))], how="diagonal_relaxed")
    table = parts.with_columns(places).sort("place").with_columns(negative=pl.col("negative").fill_null(value=False))
    marks = _plain_digits(table["cell"], decimal_comma=decimal_comma)
    return _with_units(pl.concat([table, marks], how="horizontal"), percent_points=percent_points)


def _without_units(text: pl.Series) -> pl.DataFrame:
    """``cell``: digits and marks; ``sign_word``: the currency before them; ``unit``: behind them; ``negative``."""
    cell = pl.col("cell")
    minus = cell.str.to_lowercase().str.replace_all(r"[\x{2212}\x{2010}-\x{2015}]", "-")
    table = text.to_frame("cell").select(cell=minus)
    table = table.with_columns(sign_word=cell.str.extract(_CURRENCY, 2), cell=cell.str.replace(_CURRENCY, "$1$3"))
    bracketed, after = cell.str.contains(r"^\([^()+\-]*\)$"), cell.str.contains(r"^[^+\-]*[0-9.]-$")
    table = table.with_columns(
        negative=bracketed | after,
        cell=pl.when(bracketed)
        .then(cell.str.strip_chars("()").str.strip_chars())
        .when(after)
        .then(cell.str.strip_suffix("-"))
        .otherwise(cell),
    )
    table = table.with_columns(
        sign_word=pl.coalesce("sign_word", cell.str.extract(_CURRENCY, 2)), cell=cell.str.replace(_CURRENCY, "$1$3")
    )
    table = table.with_columns(unit=cell.str.extract(_SUFFIX), cell=cell.str.replace(_SUFFIX, ""))
    return table.with_columns(cell=cell.str.replace(r"^([+\-])\s+", "$1"))


def _plain_digits(cells: pl.Series, *, decimal_comma: bool) -> pl.DataFrame:
    """``digits``: a plain number, null where there is none; ``comma``: as in ``NumberCells``."""
    cell, comma = pl.col("cell"), pl.lit(decimal_comma)
    table = cells.to_frame("cell").with_columns(
        grouped=cell.str.contains(_GROUPED),
        decimal=cell.str.contains(_DECIMAL_COMMA),
        points=cell.str.contains(_POINT_GROUPS),
        ambiguous=cell.str.contains(_AMBIGUOUS_COMMA),
    )
    as_decimal = pl.col("decimal") & (comma | ~pl.col("grouped"))
    as_points = pl.col("points") | (comma & cell.str.contains(AMBIGUOUS_POINT))
    digits = (
        pl.when(as_decimal)
        .then(cell.str.replace_all(r"[. '’]", "").str.replace(",", ".", literal=True))
        .when("grouped")
        .then(cell.str.replace_all(r"[, '’]", ""))
        .when(as_points)
        .then(cell.str.replace_all(".", "", literal=True))
        .otherwise(cell)
    )
    sure, thousands = pl.col("decimal") & ~pl.col("grouped"), pl.col("grouped") & ~pl.col("decimal")
    point = cell.str.contains(".", literal=True) & cell.str.contains(_PLAIN)
    meaning = (
        pl.when("ambiguous")
        .then(EITHER_COMMA)
        .when(sure)
        .then(DECIMAL_COMMA)
        .when("points")
        .then(POINT_GROUPS)
        .when(cell.str.contains(AMBIGUOUS_POINT))
        .then(EITHER_POINT)
        .when(thousands | point)
        .then(DECIMAL_POINT)
        .otherwise(0)
    )
    return table.select(
        digits=pl.when(digits.str.contains(_PLAIN)).then(digits), comma=meaning.cast(pl.Int8).fill_null(0)
    )


def _with_units(table: pl.DataFrame, *, percent_points: bool | None) -> pl.DataFrame:
    unit = pl.col("unit")
    shift = 2 if percent_points else 0
    powers = {**POWERS, **{sign: power + shift for sign, power in PERCENT.items()}}
    currencies = {word: currency_of(word) or None for word in (*POWERS, *CURRENCIES)}
    power = unit.replace_strict(powers, default=0, return_dtype=pl.Int64)
    shifted = pl.concat_str("digits", pl.lit("e"), power.cast(pl.String))
    scientific = pl.col("digits").str.contains("e", literal=True)
    number = (
        pl.when(power == 0)
        .then(pl.col("digits").cast(pl.Float64, strict=False))
        .when(scientific)
        .then(pl.col("digits").cast(pl.Float64, strict=False) * pl.lit(10.0).pow(power))
        .otherwise(shifted.cast(pl.Float64, strict=False))
    )
    percent = unit.is_in(list(PERCENT)).fill_null(value=False)
    suffix = unit.replace_strict(currencies, default=None, return_dtype=pl.String)
    before = pl.col("sign_word").replace_strict(CURRENCIES, default=None, return_dtype=pl.String)
    return table.select(
        value=pl.when(percent & pl.lit(percent_points is None))
        .then(None)
        .when("negative")
        .then(-number)
        .otherwise(number),
        percent=percent,
        absolute=(unit.is_in([*POWERS, *PERCENT]) | pl.col("sign_word").is_not_null()).fill_null(value=False),
        scaled=(unit.is_in([word for word, power in POWERS.items() if power])).fill_null(value=False),
        currency=pl.coalesce(before, suffix),
        counted=unit.replace_strict(COUNTED, default=None, return_dtype=pl.String),
        comma="comma",
    )
