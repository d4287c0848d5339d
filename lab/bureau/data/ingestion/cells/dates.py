"""Dates in every dress, and those that cannot be: 1899 and 9999, days to come, days that no period begins with."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Final

import polars as pl

from lab.bureau.data.ingestion.cells.column_reading import ItemCells
from lab.bureau.data.ingestion.mapping.document import DateOrder, Period
from lab.bureau.data.ingestion.reasons import SetAsideReason, row_reason
from lab.tables.cells.values.dates import parse_dates
from lab.tables.cells.values.sentinels import SENTINEL_DAYS

_EPOCH: Final = datetime.date(1970, 1, 1)
_STAND_INS: Final = [_EPOCH + datetime.timedelta(days=day) for day in SENTINEL_DAYS if day != 0.0]
"""1970-01-01 is a day like others: firms were founded on it."""
FIRST_DAY: Final = datetime.date(1900, 1, 2)
LAST_DAY: Final = datetime.date(2099, 12, 30)
_PERIODS: Final[dict[Period, str]] = {"month": "1mo", "quarter": "1q", "year": "1y"}
_COUNT: Final = r"^(-?[0-9]{1,6})(?:\.0+)?$"
_YEAR: Final = r"^((?:19|20)[0-9]{2})年?度?$"


@dataclass(frozen=True, slots=True)
class DateRules:
    """How dates of one item are read. ``received``: the last day that can be, unless ``future``. ``starts``: the item
    is a period's first day. ``days_since``: cells are numbers of days after this one, and nothing else."""

    item: str
    received: datetime.date
    order: DateOrder | None = None
    period: Period | None = None
    starts: bool = False
    future: bool = False
    days_since: datetime.date | None = None

    def read_plain(self, cells: pl.Series) -> pl.Series:
        """Dates of the form ``2024-03-31``."""
        plain = (cells.str.len_bytes() == 10) & (self.days_since is None)
        days = cells.set(~plain, None).str.to_date("%Y-%m-%d", strict=False)
        return self._as_kept(days)

    def read_odd(self, text: pl.Series) -> ItemCells:
        """Dates as people write them, or counts of days."""
        if self.days_since is not None:
            return self._read_counts(text, self.days_since)
        if self.period == "year":
            text = text.str.replace(_YEAR, "$1-01-01")
        found = parse_dates(text, day_first=None if self.order is None else self.order == "day-first")
        days = found.days.cast(pl.Int32, strict=False).cast(pl.Date)
        contrary = pl.zeros(text.len(), dtype=pl.Boolean, eager=True)
        if self.order is not None:
            contrary = found.order == (-1 if self.order == "day-first" else 1)
        unclear = found.unclear | contrary | (days.is_null() & (found.order != 0))
        reasons = pl.Series([None], dtype=pl.String).new_from_index(0, text.len())
        reasons = reasons.set(days.is_null() & text.is_not_null(), row_reason(SetAsideReason.NOT_A_DATE, self.item))
        reasons = reasons.set(unclear & text.is_not_null(), row_reason(SetAsideReason.DATE_ORDER, self.item))
        return ItemCells(self._as_kept(days.set(contrary, None)), reasons)

    def _read_counts(self, text: pl.Series, first: datetime.date) -> ItemCells:
        counts = text.str.extract(_COUNT, 1).cast(pl.Int32, strict=False)
        days = (counts + (first - _EPOCH).days).cast(pl.Date)
        none = pl.Series([None], dtype=pl.String).new_from_index(0, text.len())
        wrong = days.is_null() & text.is_not_null()
        return ItemCells(self._as_kept(days), none.set(wrong, row_reason(SetAsideReason.NOT_A_DATE, self.item)))

    def check(self, values: pl.Series) -> pl.Series | None:
        """Days that stand for none, that are to come, or that no period begins with."""
        value = pl.col("value")
        none = pl.lit(None, dtype=pl.String)
        fault = none
        if self.starts and self.period is None:
            fault = pl.when(value.dt.day() != 1).then(self._reason(SetAsideReason.PERIOD_START)).otherwise(fault)
        if not self.future:
            fault = pl.when(value > self.received).then(self._reason(SetAsideReason.FUTURE_DATE)).otherwise(fault)
        stand_in = value.is_in(_STAND_INS) | (value < FIRST_DAY) | (value > LAST_DAY)
        fault = pl.when(stand_in).then(self._reason(SetAsideReason.STAND_IN_DATE)).otherwise(fault)
        return values.to_frame("value").select(fault.alias("reason"))["reason"]

    def _reason(self, reason: SetAsideReason) -> pl.Expr:
        return pl.lit(row_reason(reason, self.item))

    def _as_kept(self, days: pl.Series) -> pl.Series:
        return days if self.period is None else days.dt.truncate(_PERIODS[self.period])
