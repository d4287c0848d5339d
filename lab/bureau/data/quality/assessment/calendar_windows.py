"""Windows of the calendar: the day, week, month, quarter or year that a delivery covers, and when it is due."""

from __future__ import annotations

from datetime import date, timedelta

from lab.bureau.data.catalogue.item_definition import Frequency

_QUARTER = 3
_SQL_PART = {
    Frequency.DAILY: "day",
    Frequency.WEEKLY: "week",
    Frequency.MONTHLY: "month",
    Frequency.QUARTERLY: "quarter",
    Frequency.YEARLY: "year",
}
_SQL_LENGTH = {
    Frequency.DAILY: "INTERVAL 1 DAY",
    Frequency.WEEKLY: "INTERVAL 7 DAY",
    Frequency.MONTHLY: "INTERVAL 1 MONTH",
    Frequency.QUARTERLY: "INTERVAL 3 MONTH",
    Frequency.YEARLY: "INTERVAL 1 YEAR",
}


def window_start(day: date, frequency: Frequency) -> date:
    """The first day of the window that contains ``day``; weeks begin on Monday."""
    match frequency:
        case Frequency.DAILY:
            return day
        case Frequency.WEEKLY:
            return day - timedelta(days=day.weekday())
        case Frequency.MONTHLY:
            return day.replace(day=1)
        case Frequency.QUARTERLY:
            return date(day.year, day.month - (day.month - 1) % _QUARTER, 1)
        case Frequency.YEARLY:
            return date(day.year, 1, 1)


def next_window(start: date, frequency: Frequency) -> date:
    """The first day of the window after the one that begins on ``start``."""
    match frequency:
        case Frequency.DAILY:
            return start + timedelta(days=1)
        case Frequency.WEEKLY:
            return start + timedelta(days=7)
        case Frequency.MONTHLY:
            return _months_later(start, 1)
        case Frequency.QUARTERLY:
            return _months_later(start, _QUARTER)
        case Frequency.YEARLY:
            return date(start.year + 1, 1, 1)


def due_day(start: date, frequency: Frequency, grace_days: int) -> date:
    """The last day on which the records of a window are in time."""
    return next_window(start, frequency) - timedelta(days=1) + timedelta(days=grace_days)


def window_name(start: date, frequency: Frequency) -> str:
    """A window as people write it: 2026-03-01, 2026-W10, 2026-03, 2026-Q1, 2026."""
    match frequency:
        case Frequency.DAILY:
            return start.isoformat()
        case Frequency.WEEKLY:
            year, week, _ = start.isocalendar()
            return f"{year}-W{week:02d}"
        case Frequency.MONTHLY:
            return f"{start:%Y-%m}"
        case Frequency.QUARTERLY:
            return f"{start.year}-Q{(start.month - 1) // _QUARTER + 1}"
        case Frequency.YEARLY:
            return str(start.year)


def sql_window_start(column: str, frequency: Frequency) -> str:
    """SQL (DuckDB): the first day of the window that contains ``column``."""
    return f"CAST(date_trunc('{_SQL_PART[frequency]}', {column}) AS DATE)"


def sql_due_day(column: str, frequency: Frequency, grace_days: int) -> str:
    """SQL (DuckDB): as ``due_day`` for the window that contains ``column``."""
    start = f"date_trunc('{_SQL_PART[frequency]}', {column})"
    return f"(CAST({start} + {_SQL_LENGTH[frequency]} AS DATE) + {int(grace_days)} - 1)"


def _months_later(start: date, months: int) -> date:
    month = start.month - 1 + months
    return date(start.year + month // 12, month % 12 + 1, 1)
