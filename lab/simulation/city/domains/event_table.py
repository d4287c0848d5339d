"""Events of enterprises: when they happen, what becomes of them later, and what was known of them on a day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from lab.simulation.city.draws import Flags, Floats, Integers, happens
from lab.simulation.city.enterprises import NEVER, City
from lab.simulation.city.settings import as_date

AT = "at"
"""The column with the place of a row's enterprise among all enterprises; no file has it."""


@dataclass(frozen=True)
class LaterFact:
    """An item ``day`` that becomes known on that day, with the items that depend on it and what they were before."""

    day: str
    before: Mapping[str, str | bool | float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class EventTable:
    """All events of a domain: ``AT`` and its items, in the order of ``start``, the date item on which each is known."""

    rows: pl.DataFrame
    start: str
    later: tuple[LaterFact, ...] = ()

    def known(self, rows: pl.DataFrame, day: int) -> pl.DataFrame:
        """``rows`` as an office could write them at the end of a day: what comes later is left open."""
        for fact in self.later:
            open_yet = pl.col(fact.day).is_null() | (pl.col(fact.day) > as_date(day))
            rows = rows.with_columns(
                *(
                    pl.when(open_yet).then(pl.lit(value).cast(rows.schema[item])).otherwise(pl.col(item)).alias(item)
                    for item, value in fact.before.items()
                ),
                pl.when(open_yet).then(None).otherwise(pl.col(fact.day)).alias(fact.day),
            )
        return rows

    def between(self, first: int, end: int) -> pl.DataFrame:
        """The events that began on days from ``first`` to before ``end``."""
        return self.rows.filter((pl.col(self.start) >= as_date(first)) & (pl.col(self.start) < as_date(end)))

    def changed(self, known: int, first: int, end: int) -> pl.DataFrame:
        """The events that began before ``known`` and of which more became known from ``first`` to before ``end``."""
        news = [(pl.col(fact.day) >= as_date(first)) & (pl.col(fact.day) < as_date(end)) for fact in self.later]
        if not news:
            return self.rows.clear()
        return self.rows.filter((pl.col(self.start) < as_date(known)) & pl.any_horizontal(news).fill_null(value=False))


def place_events(
    city: City, rng: np.random.Generator, yearly: Floats, *, years: float, adverse: bool = False
) -> tuple[Integers, Integers]:
    """Draw events at ``yearly`` rates, [enterprises], from ``years`` before the first month on.

    Returns the places of their enterprises and their days, in the order of days. ``adverse``: more of them, and most of
    them, after distress.
    """
    one, settings = city.enterprises, city.settings
    first = np.maximum(one.founded, settings.start - int(years * 365.25))
    last = np.minimum(np.minimum(one.closed, settings.end) - 1, NEVER)
    span = np.maximum(0, last - first)
    distressed = one.distress < last
    rate = yearly * np.where(distressed & adverse, 1.8, 1.0)
    counts = rng.poisson(rate * rng.gamma(1.4, 1 / 1.4, len(one)) * span / 365.25)
    at = np.repeat(np.arange(len(one)), counts)
    share = rng.random(len(at))
    days = first[at] + (share * span[at]).astype(np.int64)
    if adverse:
        after = distressed[at] & happens(rng, 0.7, len(at))
        begun = np.maximum(first[at], one.distress[at])
        days = np.where(after, begun + (share * np.maximum(1, last[at] - begun)).astype(np.int64), days)
    order = np.argsort(days, kind="stable")
    return at[order], days[order]


def some_days_later(
    rng: np.random.Generator, days: Integers, mean: float, happens_at_all: Flags | Floats | float = 1.0
) -> Integers:
    """A later day for each, ``mean`` days on in the mean; ``NEVER`` where it does not happen."""
    lag = 1 + rng.gamma(2.0, mean / 2.0, len(days)).astype(np.int64)
    ever = happens(rng, np.asarray(happens_at_all, dtype=np.float64), len(days))
    return np.where(ever, days + lag, NEVER)
