"""A workbook's cell as text, as it would stand in a CSV file that loses nothing."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal

EXACT_INTEGERS = 10**15
"""Spreadsheets keep 15 digits of a number: the further digits of a longer code were replaced by zeros when typed."""


def format_cell(value: object) -> str:
    """The text of a value that calamine gives.

    A number is written with the fewest digits that give it again, a whole one without a point; one of more than 15
    digits with an exponent, so that it is never taken for a code. A date is ``YYYY-MM-DD``, with a time
    ``YYYY-MM-DD HH:MM:SS``; a duration ``H:MM:SS``. A number formatted as a percentage stays the number.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float | int):
        return _format_number(value)
    if isinstance(value, datetime):
        rounded = (value + timedelta(microseconds=500_000)).replace(microsecond=0) if value.microsecond else value
        return rounded.isoformat(sep=" ") if rounded.time() != time() else rounded.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, time):
        return value.replace(microsecond=0).isoformat()
    if isinstance(value, timedelta):
        seconds = round(value.total_seconds())
        minutes, rest = divmod(abs(seconds), 60)
        return f"{'-' if seconds < 0 else ''}{minutes // 60}:{minutes % 60:02}:{rest:02}"
    return ""


def lost_digits(value: float) -> bool:
    """Whether a number is whole and has so many digits that a spreadsheet does not keep them."""
    return abs(value) >= EXACT_INTEGERS and value == value // 1


def _format_number(value: float) -> str:
    if value != value // 1:  # not finite either
        return repr(value)
    if -EXACT_INTEGERS < value < EXACT_INTEGERS:
        return str(int(value))
    return f"{Decimal(repr(value)).normalize():e}"
