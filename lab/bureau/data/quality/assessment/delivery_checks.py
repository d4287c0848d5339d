"""Timeliness of deliveries: which periods came late, which not at all, which thin.

A domain promised a delivery each day, week, month, quarter or year. Its windows count from the first whose due day is
not before the first delivery (what that one brought of earlier windows is its backlog) to the last that was due before
the day of the assessment. A window of a domain of periods arrives when the first record of it is known; of another
domain, with the first delivery on or after its last day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from lab.bureau.data.catalogue.item_definition import Domain, Frequency
from lab.bureau.data.quality.assessment.calendar_windows import due_day, next_window, window_name, window_start

_BEFORE = 3
"""Windows with which the number of records of one is compared."""


@dataclass(frozen=True, slots=True)
class WindowArrival:
    """What is held of one window of a domain of periods: records, and the day when the first was known."""

    records: int
    known_on: date


@dataclass(frozen=True, slots=True)
class DeliveryFindings:
    """``due``: windows that were due; ``delivered``: those of them that arrived, late or not. ``late_days``: of the
    latest; a missing window counts from its due day to the day of the assessment."""

    due: int
    delivered: int
    late: tuple[str, ...]
    missing: tuple[str, ...]
    late_days: int
    closed: int = 0
    """Windows with records whose number was compared with that of the window before."""
    thin: tuple[str, ...] = ()


def check_deliveries(
    domain: Domain,
    deliveries: Sequence[date],
    day: date,
    grace_days: int,
    arrivals: Mapping[date, WindowArrival] | None = None,
    thin_share: float = 0.0,
) -> DeliveryFindings:
    """Compare deliveries (the days when they were received, in any order) with what was promised.

    ``arrivals``: for a domain of periods, by the first day of the window.
    """
    received = sorted(deliveries)
    if not received:
        return DeliveryFindings(0, 0, (), (), 0)
    frequency, late, missing, worst, due, delivered = domain.frequency, [], [], 0, 0, 0
    for start in _due_windows(received[0], day, frequency, grace_days):
        deadline, due = due_day(start, frequency, grace_days), due + 1
        arrival = _arrival(start, frequency, received, arrivals)
        if arrival is None:
            missing.append(window_name(start, frequency))
            worst = max(worst, (day - deadline).days)
            continue
        delivered += 1
        if arrival > deadline:
            late.append(window_name(start, frequency))
            worst = max(worst, (arrival - deadline).days)
    closed, thin = _thin_windows(arrivals or {}, frequency, day, grace_days, thin_share)
    return DeliveryFindings(due, delivered, tuple(late), tuple(missing), worst, closed, thin)


def _due_windows(first: date, day: date, frequency: Frequency, grace_days: int) -> list[date]:
    """The windows with a due day from ``first`` on and before ``day``."""
    start = window_start(first - timedelta(days=grace_days), frequency)
    while due_day(start, frequency, grace_days) < first:
        start = next_window(start, frequency)
    windows = []
    while due_day(start, frequency, grace_days) < day:
        windows.append(start)
        start = next_window(start, frequency)
    return windows


def _arrival(
    start: date, frequency: Frequency, received: Sequence[date], arrivals: Mapping[date, WindowArrival] | None
) -> date | None:
    if arrivals is not None:
        return arrivals[start].known_on if start in arrivals else None
    last_day = next_window(start, frequency) - timedelta(days=1)
    return next((one for one in received if one >= last_day), None)


def _thin_windows(
    arrivals: Mapping[date, WindowArrival], frequency: Frequency, day: date, grace_days: int, share: float
) -> tuple[int, tuple[str, ...]]:
    """Windows past their due day with fewer records than ``share`` of the least of the three windows before.

    Three, so that a domain in which many report by the quarter is not thin between the quarters."""
    held = sorted(start for start in arrivals if due_day(start, frequency, grace_days) < day)
    thin = [
        now
        for place, now in enumerate(held[_BEFORE:], start=_BEFORE)
        if arrivals[now].records < share * min(arrivals[one].records for one in held[place - _BEFORE : place])
    ]
    return max(len(held) - _BEFORE, 0), tuple(window_name(start, frequency) for start in thin)
