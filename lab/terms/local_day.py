"""Days as people count them: a deadline, a day of receipt and a year of figures are those of a party's own place."""

from __future__ import annotations

from datetime import date, datetime


def local_day(moment: datetime) -> date:
    """The calendar day of ``moment``, which has a time zone, where this machine is."""
    return moment.astimezone().date()
