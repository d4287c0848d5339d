"""Whole numbers, numbers and amounts of money, in the unit that the mapping states.

A bare number is in the stated unit. A cell that names a unit of its own must name that one: a column in which yuan and
ten thousand yuan are mixed is not read by guessing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from lab.bureau.data.ingestion.cells.column_reading import ItemCells
from lab.bureau.data.ingestion.mapping.units import AS_WRITTEN
from lab.bureau.data.ingestion.reasons import SetAsideReason, row_reason
from lab.tables.cells.values.numbers import SURE_COMMAS, SURE_POINTS, parse_numbers
from lab.tables.cells.values.units import COLUMN_UNITS, COUNTED

LARGEST_AMOUNT: Final = 1e14
"""A hundred trillion yuan: more than any firm has; a longer number is a code or a mistake."""
LARGEST_NUMBER: Final = 1e15
_SCALE: Final = r"(万亿|百万|千万|千|万|亿)?(?:元|元整|圆|圆整|元人民币|人民币)?$"
_SCALE_POWERS: Final = {"千": 3, "万": 4, "百万": 6, "千万": 7, "亿": 8, "万亿": 12}


@dataclass(frozen=True, slots=True)
class NumberRules:
    """How numbers of one item are read. ``whole``: whole numbers only. ``money``: yuan, kept with two decimals."""

    item: str
    whole: bool = False
    money: bool = False
    unit: str = ""
    decimal_comma: bool = False
    counted: frozenset[str] = frozenset()
    """Units of ``COUNTED`` that a cell may name, beside the stated one: those of the item."""

    @property
    def factor(self) -> float:
        """What a bare number is multiplied by."""
        if self.unit.lower() in COUNTED:
            return 1.0
        return COLUMN_UNITS.get(self.unit, 1.0)

    def read_plain(self, cells: pl.Series) -> pl.Series:
        """Numbers as programs write them."""
        kind: type[pl.DataType] = pl.Int64 if self.whole else pl.Float64
        if self.decimal_comma or self.unit == AS_WRITTEN:
            return pl.Series([None], dtype=kind).new_from_index(0, cells.len())
        if self.whole and self.factor == 1.0:
            return cells.cast(pl.Int64, strict=False)
        if self.whole:
            return pl.Series([None], dtype=kind).new_from_index(0, cells.len())
        values = cells.cast(pl.Float64, strict=False)
        values = values.set(~values.is_finite(), None)
        return self._as_kept(values * self.factor if self.factor != 1.0 else values)

    def read_odd(self, text: pl.Series) -> ItemCells:
        """Numbers as people write them, with units."""
        found = parse_numbers(text, decimal_comma=self.decimal_comma, percent_points=None)
        named = self._named_unit_fits(text)
        bare = ~found.absolute
        values = found.values.zip_with(~bare, found.values * self.factor)
        contrary = found.comma.is_in(SURE_POINTS if self.decimal_comma else SURE_COMMAS)
        expected = [*self.counted, COUNTED.get(self.unit.lower(), "")]
        counted = found.counted.is_not_null() & ~found.counted.is_in(expected).fill_null(value=True)
        foreign = (found.currency.is_not_null() & (found.currency != "cny")).fill_null(value=False)
        unreadable = (values.is_null() | ~values.is_finite().fill_null(value=True) | contrary) & text.is_not_null()
        none = pl.lit(None, dtype=pl.String)
        frame = pl.DataFrame(
            {
                "value": values,
                "unreadable": unreadable,
                "foreign": foreign,
                "unit": counted | (~bare & ~named),
                "bare": bare & text.is_not_null(),
                "whole": (values == values.floor()).fill_null(value=True),
            }
        )
        reason = (
            pl.when("unreadable")
            .then(pl.lit(self._reason(SetAsideReason.NOT_A_NUMBER)))
            .when("foreign")
            .then(pl.lit(self._reason(SetAsideReason.OTHER_CURRENCY)))
            .when("unit")
            .then(pl.lit(self._reason(SetAsideReason.OTHER_UNIT)))
            .when(pl.col("bare") & pl.lit(self.unit == AS_WRITTEN))
            .then(pl.lit(self._reason(SetAsideReason.NO_UNIT)))
            .when(~pl.col("whole") & pl.lit(self.whole))
            .then(pl.lit(self._reason(SetAsideReason.NOT_WHOLE)))
            .otherwise(none)
        )
        frame = frame.with_columns(reason=reason)
        kept = frame["value"].set(frame["reason"].is_not_null(), None)
        return ItemCells(self._as_kept(kept), frame["reason"])

    def check(self, values: pl.Series) -> pl.Series | None:
        """Numbers that are too large to be true."""
        most = LARGEST_AMOUNT if self.money else LARGEST_NUMBER
        large = (values.abs() > most).fill_null(value=False)
        if not large.any():
            return None
        reason = pl.Series([None], dtype=pl.String).new_from_index(0, values.len())
        return reason.set(large, self._reason(SetAsideReason.TOO_LARGE))

    def _as_kept(self, values: pl.Series) -> pl.Series:
        if self.whole:
            return values.cast(pl.Int64, strict=False)
        return values.round(2) if self.money else values

    def _named_unit_fits(self, text: pl.Series) -> pl.Series:
        """Whether the unit that a cell names is the stated one, by its power of ten, Boolean [cells]."""
        if self.unit == AS_WRITTEN:
            return pl.Series([True]).new_from_index(0, text.len())
        scale = text.str.extract(_SCALE, 1)
        power = scale.replace_strict(_SCALE_POWERS, default=0, return_dtype=pl.Int64)
        return (pl.Series([10.0]).new_from_index(0, text.len()).pow(power) == self.factor).fill_null(value=False)

    def _reason(self, reason: SetAsideReason) -> str:
        return row_reason(reason, self.item)
