"""Figures of requests for data: the share of demands met, and the days that answers took.

Days are from the day of asking to the day of answering, where the bureau is: calendar days, and working days by the
calendar of legal days (``credit_repair.rules.working_days``). A year's figures are of the requests asked in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from statistics import median
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lab.bureau.data.credit_repair.rules.in_force import calendar_in_force
from lab.bureau.data.requests.data_request import ITEM_GRANTED
from lab.bureau.data.requests.workflow import RequestState
from lab.bureau.store.tables import DataRequestItemRow, DataRequestRow
from lab.terms.local_day import local_day

_TENTH = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class DaysTaken:
    """How long answers took. Mean and median are decimal text, to the tenth, half up; None without an answer."""

    mean: str | None
    median: str | None
    longest: int | None


@dataclass(frozen=True, slots=True)
class RequestFigures:
    """Requests by state, and the share of the items asked for that were granted.

    ``items_asked`` leaves out withdrawn requests; those that still wait are in it, and in ``items_waiting``.
    ``demands_met``: per cent, decimal text to the tenth; None if nothing was asked. ``holidays_known``: whether the
    public holidays of every year of ``working_days`` are in the bureau's list; in others weekends alone count as off.
    """

    year: int | None
    requests: int
    by_state: dict[str, int]
    organisations: int
    items_asked: int
    items_granted: int
    items_waiting: int
    demands_met: str | None
    calendar_days: DaysTaken
    working_days: DaysTaken
    holidays_known: bool

    def as_dict(self) -> dict[str, Any]:
        """The figures as a JSON object."""
        return asdict(self)


def request_figures(session: Session, year: int | None = None) -> RequestFigures:
    """The figures of the requests that were asked in ``year``, or of all; raises ``InvalidInput`` for imported holidays
    that are not as they were."""
    query = select(DataRequestRow)
    if year is not None:
        begin, end = datetime(year, 1, 1).astimezone(), datetime(year + 1, 1, 1).astimezone()
        query = query.where(DataRequestRow.asked_at >= begin, DataRequestRow.asked_at < end)
    rows = session.scalars(query).all()
    counts = _count_items(session, [row.id for row in rows if row.state != RequestState.WITHDRAWN.value])
    waiting = sum(sum(counts[row.id].values()) for row in rows if row.state == RequestState.ASKED.value)
    asked = sum(sum(fates.values()) for fates in counts.values())
    granted = sum(fates[ITEM_GRANTED] for fates in counts.values())
    days = [(local_day(row.asked_at), local_day(row.answered_at)) for row in rows if row.answered_at is not None]
    calendar = calendar_in_force(session)
    by_state = Counter(row.state for row in rows)
    return RequestFigures(
        year=year,
        requests=len(rows),
        by_state={state.value: by_state[state.value] for state in RequestState},
        organisations=len({row.organisation for row in rows}),
        items_asked=asked,
        items_granted=granted,
        items_waiting=waiting,
        demands_met=share_of(granted, asked),
        calendar_days=_taken([(end - start).days for start, end in days]),
        working_days=_taken([calendar.working_days_taken(start, end) for start, end in days]),
        holidays_known=all(calendar.knows(start, end) for start, end in days),
    )


def share_of(part: int, whole: int) -> str | None:
    """``part`` of ``whole`` in per cent, to the tenth, half up; None of nothing."""
    return _tenths(Decimal(100) * part / whole) if whole else None


def _count_items(session: Session, request_ids: Sequence[str]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {one: Counter() for one in request_ids}
    query = select(DataRequestItemRow.request_id, DataRequestItemRow.fate, func.count())
    for request_id, fate, count in session.execute(
        query.group_by(DataRequestItemRow.request_id, DataRequestItemRow.fate)
    ):
        if request_id in found:
            found[request_id][fate] = count
    return found


def _taken(days: Sequence[int]) -> DaysTaken:
    if not days:
        return DaysTaken(None, None, None)
    mean = Decimal(sum(days)) / len(days)
    return DaysTaken(_tenths(mean), _tenths(Decimal(str(median(days)))), max(days))


def _tenths(number: Decimal) -> str:
    return str(number.quantize(_TENTH, rounding=ROUND_HALF_UP))
