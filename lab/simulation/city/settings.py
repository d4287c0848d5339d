"""Size, seed and months of a made-up city, and the rates of the faults that are planted in its files."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from lab.terms.errors import InvalidInput

LAST_MONTH = "2026-06"
_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True)
class FaultRates:
    """Shares of rows or cells of the regular files that are faulty, late or put right later.

    ``misspelt``, ``unknown``, ``repeated``, ``impossible_date``, ``late``, ``overlapping``, ``corrected``: of rows.
    ``unreadable``, ``own_unit``: of the cells of one item. ``missing``: of the cells of each item that may be missing.
    ``unmapped``: of legacy numbers that ``legacy-codes.csv`` leaves out. ``still_taxed``: of enterprises struck off.
    """

    misspelt: float = 0.0015
    unknown: float = 0.0005
    repeated: float = 0.001
    impossible_date: float = 0.0003
    unreadable: float = 0.001
    own_unit: float = 0.01
    missing: float = 0.02
    late: float = 0.015
    overlapping: float = 0.02
    corrected: float = 0.003
    withdrawn: float = 0.004
    unmapped: float = 0.03
    still_taxed: float = 0.03


@dataclass(frozen=True)
class CitySettings:
    """What ``lab bureau generate`` was asked for. ``threads`` changes the time, never the bytes."""

    enterprises: int
    seed: int
    months: int
    out: Path
    until: str = LAST_MONTH
    threads: int = 2
    clients: int = 0
    """Rows of the bank's portfolio; 0: a fifth of the enterprises, 100,000 at most."""
    rates: FaultRates = field(default_factory=FaultRates)

    @property
    def last_month(self) -> int:
        """The last month with records, as counted by ``parse_month``."""
        return parse_month(self.until)

    @property
    def first_month(self) -> int:
        """The first month with records."""
        return self.last_month - self.months + 1

    @property
    def start(self) -> int:
        """The first day of the first month, in days since 1970-01-01."""
        return first_day(self.first_month)

    @property
    def end(self) -> int:
        """The day after the last month, in days since 1970-01-01."""
        return first_day(self.last_month + 1)


def parse_month(text: str) -> int:
    """Months since year 0 of ``YYYY-MM``; raises ``InvalidInput`` for anything else."""
    try:
        day = date.fromisoformat(f"{text}-01")
    except ValueError:
        raise InvalidInput("Expected a month as YYYY-MM; found other text.", next_step="write it as 2026-06") from None
    return day.year * 12 + day.month - 1


def first_day(month: int) -> int:
    """The first day of a month, in days since 1970-01-01."""
    return date(month // 12, month % 12 + 1, 1).toordinal() - _EPOCH


def month_name(month: int) -> str:
    """``YYYY-MM``."""
    return f"{month // 12}-{month % 12 + 1:02d}"


def as_date(day: int) -> date:
    """The date of days since 1970-01-01."""
    return date.fromordinal(day + _EPOCH)


def as_day(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01."""
    return date(year, month, day).toordinal() - _EPOCH
