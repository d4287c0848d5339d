"""Figures of requests for data: the share of demands met, and the days that answers took.

Days are from the day of asking to the day of answering (UTC): calendar days, and working days from Monday to Friday,
public holidays not known. A year's figures are of the requests that were asked in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from statistics import median
from typing import Any

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lab.bureau.data.requests.data_request import ITEM_GRANTED
from lab.bureau.data.requests.workflow import RequestState
from lab.bureau.store.tables import DataRequestItemRow, DataRequestRow

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
    ``demands_met``: per cent, decimal text to the tenth; None if nothing was asked.
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

    def as_dict(self) -> dict[str, Any]:
        """The figures as a JSON object."""
        return asdict(self)


def request_figures(session: Session, year: int | None = None) -> RequestFigures:
    """The figures of the requests that were asked in ``year``, or of all."""
    query = select(DataRequestRow)
    if year is not None:
        begin, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
        query = query.where(DataRequestRow.asked_at >= begin, DataRequestRow.asked_at < end)
    rows = session.scalars(query).all()
    counts = _count_items(session, [row.id for row in rows if row.state != RequestState.WITHDRAWN.value])
    waiting = sum(sum(counts[row.id].values()) for row in rows if row.state == RequestState.ASKED.value)
    asked = sum(sum(fates.values()) for fates in counts.values())
    granted = sum(fates[ITEM_GRANTED] for fates in counts.values())
    days = [(_day(row.asked_at), _day(row.answered_at)) for row in rows if row.answered_at is not None]
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
        working_days=_taken([working_days(start, end) for start, end in days]),
    )


def working_days(start: date, end: date) -> int:
    """Days from Monday to Friday after ``start``, up to ``end``."""
    day = np.timedelta64(1, "D")
    return int(np.busday_count(np.datetime64(start) + day, np.datetime64(end) + day))


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


def _day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()
