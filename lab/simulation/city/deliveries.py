"""The files that offices deliver, month by month: regular ones, late and overlapping ones, corrections, deletions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final, Literal

import numpy as np
import polars as pl

from lab.simulation.city.domains import AT, EVENTS, MONTHLY, EventTable
from lab.simulation.city.draws import Integers
from lab.simulation.city.enterprises import City
from lab.simulation.city.faults import (
    CLEAN,
    CORRECTED,
    LATE,
    PlantedCounts,
    blank_cells,
    draw_fates,
    plant_faults,
    repeat_rows,
    write_codes,
)
from lab.simulation.city.settings import as_date, as_day, first_day, month_name
from lab.simulation.city.source_form import SourceForm, quoted, source_forms

Operation = Literal["add", "correct", "delete"]
_FATE: Final = "fate"
_LATE_EVERY, _CORRECTED_EVERY, _UPDATED_EVERY = 3, 4, 3
_BEFORE_ALL: Final = as_day(1900, 1, 1)
_LATE_DAYS, _CORRECTED_DAYS = 35, 50
_SLIP: Final = "部门更正 corrected by the office"
_REVOKED: Final = "处罚决定被撤销 decisions revoked on review"
_NEWS: Final = "办理进展 what became of it since"


@dataclass(frozen=True)
class SourceDelivery:
    """A file, the day on which the bureau received it (since 1970-01-01), and what its rows do."""

    file: str
    domain: str
    received: int
    operation: Operation = "add"
    reason: str = ""

    def as_toml(self) -> str:
        """An entry of ``deliveries.toml``."""
        lines = [
            "[[deliveries]]",
            f"file = {quoted(self.file)}",
            f"mapping = {quoted(f'mappings/{self.domain}.toml')}",
            f"received = {as_date(self.received).isoformat()}",
            f'operation = "{self.operation}"',
        ]
        return "\n".join([*lines, f"reason = {quoted(self.reason)}"] if self.reason else lines) + "\n"


@dataclass(frozen=True)
class WrittenFiles:
    """What one task wrote: deliveries, rows in their files, distinct records in them, and what was planted."""

    domain: str
    deliveries: tuple[SourceDelivery, ...]
    rows: int
    records: int
    planted: PlantedCounts


class _Folder:
    """Writes the files of one task and keeps what it wrote."""

    def __init__(self, city: City, form: SourceForm) -> None:
        self.form = form
        self.deliveries: list[SourceDelivery] = []
        self.rows = 0
        self.planted = PlantedCounts()
        self._out = city.settings.out / form.domain
        self._out.mkdir(parents=True, exist_ok=True)

    def write(
        self, rows: pl.DataFrame, name: str, received: int, operation: Operation = "add", reason: str = ""
    ) -> None:
        """Write rows that have codes to ``DOMAIN-NAME.csv``; none if there are no rows, except in regular files."""
        if rows.is_empty() and (operation != "add" or "-" in name[7:]):
            return
        file = f"{self.form.domain}-{name}.csv"
        self.form.write(rows, self._out / file)
        self.rows += len(rows)
        self.deliveries.append(
            SourceDelivery(f"{self.form.domain}/{file}", self.form.domain, received, operation, reason)
        )

    def finish(self, records: int) -> WrittenFiles:
        return WrittenFiles(self.form.domain, tuple(self.deliveries), self.rows, records, self.planted)


def write_month(city: City, domain: str, month: int) -> WrittenFiles:
    """Write a monthly domain's file of one month; every third month part of it late, every fourth put right later."""
    form, settings, rates = source_forms()[domain], city.settings, city.settings.rates
    rng, folder, since = city.rng(100, _number(domain), month), _Folder(city, form), month - settings.first_month
    room = month + 2 <= settings.last_month  # what comes later must come before the city's last day
    rows = blank_cells(rng, MONTHLY[domain](city, month), form, rates.missing)
    fates = draw_fates(rng, rates, len(rows), form)
    if not (room and since % _LATE_EVERY == 1):
        fates[fates == LATE] = CLEAN
    if not (room and since % _CORRECTED_EVERY == 2):
        fates[fates == CORRECTED] = CLEAN
    rows = write_codes(city, rows, form, "period", folder.planted)
    faulty, counts = plant_faults(city, rng, rows, fates, form, "period")
    folder.planted.add(counts)
    _count_closed(city, rows, folder.planted)
    name, received = month_name(month), _received(form, month)
    on_time = fates != LATE
    regular = repeat_rows(rng, faulty.filter(on_time), fates[on_time], rates.repeated)
    folder.planted.counts["repeated"] += len(regular) - int(on_time.sum())
    folder.write(regular, name, received)
    if (fates == LATE).any():
        again = (fates == CLEAN) & (rng.random(len(rows)) < rates.overlapping)
        folder.planted.counts["overlapping"] += int(again.sum())
        folder.write(rows.filter((fates == LATE) | again), f"{name}-late", received + _LATE_DAYS)
    folder.write(
        rows.filter(fates == CORRECTED),
        f"{name}-correction",
        received + _CORRECTED_DAYS,
        "correct",
        _SLIP,
    )
    return folder.finish(len(rows))


def write_events(city: City, domain: str) -> WrittenFiles:
    """Write all files of a domain of states or events: with history in the first, and news of earlier events later."""
    form, settings, rates = source_forms()[domain], city.settings, city.settings.rates
    source, rng, folder = EVENTS[domain], city.rng(100, _number(domain)), _Folder(city, form)
    table = source.make(city)
    rows = write_codes(city, blank_cells(rng, table.rows, form, rates.missing), form, table.start, folder.planted)
    fates = draw_fates(rng, rates, len(rows), form)
    fates[fates == CORRECTED] = CLEAN  # news of events are corrections enough
    fates[(fates == LATE) & ~_may_be_late(city, rows[table.start], source.every)] = CLEAN
    table = EventTable(rows.with_columns(pl.Series(_FATE, fates)), table.start, table.later)
    _write_regular(city, rng, table, folder)
    if table.later:
        _write_news(city, table, folder)
    if domain == "penalties":
        known = _delivered_well(table, first_day(settings.last_month - 2))
        withdrawn = known.filter(pl.Series(rng.random(len(known)) < rates.withdrawn))
        folder.planted.counts["withdrawn"] += len(withdrawn)
        withdrawn = table.known(withdrawn, settings.end)
        folder.write(
            withdrawn,
            f"{month_name(settings.last_month)}-withdrawn",
            _received(form, settings.last_month) + 2,
            "delete",
            _REVOKED,
        )
    return folder.finish(len(rows))


def _write_regular(city: City, rng: np.random.Generator, table: EventTable, folder: _Folder) -> None:
    """The regular files; the first has all history, and each has the rows that were late for the one before."""
    settings, form, every = city.settings, folder.form, EVENTS[folder.form.domain].every
    first = True
    for month in _delivery_months(city, every):
        begin = _BEFORE_ALL if first else first_day(month - every + 1)
        late = pl.col(_FATE) == LATE
        rows = table.between(begin, first_day(month + 1)).filter(~late)
        if not first:
            rows = pl.concat([table.between(first_day(month - every), begin).filter(late), rows])
        fates = rows[_FATE].to_numpy()
        faulty, counts = plant_faults(city, rng, table.known(rows, first_day(month + 1) - 1), fates, form, table.start)
        folder.planted.add(counts)
        written = repeat_rows(rng, faulty, fates, settings.rates.repeated)
        folder.planted.counts["repeated"] += len(written) - len(rows)
        folder.write(written, month_name(month), _received(form, month))
        first = False


def _write_news(city: City, table: EventTable, folder: _Folder) -> None:
    """What became of events that an earlier file had, every third month, as corrections."""
    settings, every = city.settings, EVENTS[folder.form.domain].every
    months = list(_delivery_months(city, every))
    for before, month in _pairs([month for month in months if (month - settings.last_month) % _UPDATED_EVERY == 0]):
        since, until = first_day(before + 1), first_day(month + 1)
        rows = table.changed(since, since, until).filter(pl.col(_FATE).is_in([CLEAN, LATE]))
        rows = table.known(rows, until - 1)
        folder.planted.counts["news"] += len(rows)
        received = _received(folder.form, month) + 1
        folder.write(rows, f"{month_name(month)}-news", received, "correct", _NEWS)


def _delivered_well(table: EventTable, before: int) -> pl.DataFrame:
    """Rows that regular files had as they should be."""
    return table.rows.filter((pl.col(_FATE) == CLEAN) & (pl.col(table.start) < as_date(before)))


def _may_be_late(city: City, starts: pl.Series, every: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Whether each event is of the last month of a delivery that another one follows."""
    months = (starts.dt.year() * 12 + starts.dt.month().cast(pl.Int32) - 1).to_numpy()
    return np.isin(months, [month for month in _delivery_months(city, every) if month < city.settings.last_month])


def _delivery_months(city: City, every: int) -> Iterator[int]:
    """The months whose end an office's regular files reach: the last month, and every so many before it."""
    first, last = city.settings.first_month, city.settings.last_month
    return iter(sorted(range(last, first - 1, -every)))


def _pairs(months: list[int]) -> Iterator[tuple[int, int]]:
    return pairwise(months)


def _received(form: SourceForm, month: int) -> int:
    return first_day(month + 1) + form.received - 1


def _number(domain: str) -> int:
    return list(source_forms()).index(domain)


def _count_closed(city: City, rows: pl.DataFrame, planted: PlantedCounts) -> None:
    closed: Integers = city.enterprises.closed[rows[AT].to_numpy()]
    periods = rows["period"].to_physical().to_numpy()
    planted.counts["after_closing"] += int((closed <= periods).sum())


def write_deliveries(deliveries: list[SourceDelivery], path: Path) -> None:
    """Write ``deliveries.toml``, in the order in which the bureau received the files."""
    order = list(source_forms())
    ordered = sorted(deliveries, key=lambda one: (one.received, order.index(one.domain), one.file))
    head = "# 虚构城市的数据交付清单 Deliveries of a made-up city, in the order of their receipt\n\n"
    path.write_text(head + "\n".join(one.as_toml() for one in ordered), encoding="utf-8")


def add_counts(written: list[WrittenFiles]) -> dict[str, dict[str, object]]:
    """Rows, records and planted counts of each domain, in the order of domains."""
    found: dict[str, dict[str, object]] = {}
    for domain in source_forms():
        parts = [one for one in written if one.domain == domain]
        planted = PlantedCounts()
        for one in parts:
            planted.add(one.planted)
        found[domain] = {
            "files": sum(len(one.deliveries) for one in parts),
            "rows": sum(one.rows for one in parts),
            "records": sum(one.records for one in parts),
            "planted": dict(sorted(Counter(planted.counts).items())),
            "missing_cells": dict(sorted(planted.missing.items())),
        }
    return found
