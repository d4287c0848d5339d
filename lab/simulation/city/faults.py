"""Faults that are planted in the rows of a file: each row has at most one, and each is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import polars as pl

from lab.simulation.city.domains import AT
from lab.simulation.city.draws import Integers, blanked, happens
from lab.simulation.city.enterprises import City
from lab.simulation.city.identifier_codes import LEGAL_FORM_PAIRS, make_credit_codes, organisation_codes
from lab.simulation.city.settings import FaultRates, as_day
from lab.simulation.city.source_form import ENTERPRISE, WRITTEN, SourceForm
from lab.simulation.synthetic.credit_codes import misspell_codes

FATES: Final = ("clean", "late", "misspelt", "unknown", "impossible_date", "unreadable", "own_unit", "corrected")
CLEAN, LATE, MISSPELT, UNKNOWN, IMPOSSIBLE, UNREADABLE, OWN_UNIT, CORRECTED = range(len(FATES))
LEGACY_UNTIL: Final = as_day(2021, 1, 1)
"""Some offices went on writing old numbers for years after there were unified codes."""
_STAND_INS = (as_day(1899, 12, 30), as_day(9999, 12, 31), as_day(2089, 1, 1))
_NO_DIVISION = 990_199  # no enterprise of the city is registered there
_UNREADABLE = ("待核实", "见附件", "约数", "待补录")


@dataclass
class PlantedCounts:
    """What was planted in the files of one domain: rows by fate, missing cells by item, and more by name."""

    counts: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)

    def add(self, other: PlantedCounts) -> None:
        """Add the counts of another file."""
        self.counts.update(other.counts)
        self.missing.update(other.missing)


def draw_fates(rng: np.random.Generator, rates: FaultRates, rows: int, form: SourceForm) -> Integers:
    """The index in ``FATES`` of each row, [rows]; some faults need an item or other enterprises to be about."""
    chances = {
        LATE: rates.late,
        MISSPELT: rates.misspelt,
        UNKNOWN: rates.unknown if form.domain != "registration" else 0.0,
        IMPOSSIBLE: rates.impossible_date,
        UNREADABLE: rates.unreadable if form.faulty else 0.0,
        OWN_UNIT: rates.own_unit if form.own_unit else 0.0,
        CORRECTED: rates.corrected if form.faulty else 0.0,
    }
    bounds = np.cumsum(list(chances.values()))
    place = np.searchsorted(bounds, rng.random(rows), side="right")
    return np.array([*chances, CLEAN], dtype=np.int64)[place]


def write_codes(city: City, rows: pl.DataFrame, form: SourceForm, start: str, counts: PlantedCounts) -> pl.DataFrame:
    """Rows with the code by which the office knows the enterprise: in some offices' old rows an old number."""
    one, at = city.enterprises, rows[AT].to_numpy()
    codes = one.codes[at]
    if form.legacy and len(rows):
        old = one.has_legacy_numbers[at] & (rows[start].to_physical().to_numpy() < LEGACY_UNTIL)
        numbers = one.registration_numbers[at] if form.legacy == "registration-15" else organisation_codes(codes)
        codes = numbers.zip_with(pl.Series(old), codes)
        counts.counts["legacy"] += int(old.sum())
        counts.counts["legacy_unmapped"] += int((old & unmapped(city)[at]).sum())
    return rows.with_columns(codes.alias(ENTERPRISE))


def unmapped(city: City) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Enterprises whose old numbers nobody entered in the table of legacy codes, [enterprises]."""
    return np.asarray(city.rng(31).random(len(city.enterprises)) < city.settings.rates.unmapped)


def blank_cells(rng: np.random.Generator, rows: pl.DataFrame, form: SourceForm, rate: float) -> pl.DataFrame:
    """Rows in which cells of the optional items are missing."""
    return rows.with_columns(blanked(rows[item], happens(rng, rate, len(rows))).alias(item) for item in form.optional)


def plant_faults(
    city: City, rng: np.random.Generator, rows: pl.DataFrame, fates: Integers, form: SourceForm, start: str
) -> tuple[pl.DataFrame, PlantedCounts]:
    """Rows that have ``ENTERPRISE``, each with the fault of its fate; and their counts.

    ``start``: the date item that makes a row impossible. Late rows are as they should be.
    """
    counts = PlantedCounts(Counter({name: int((fates == place).sum()) for place, name in enumerate(FATES)}))
    for item in form.optional:
        counts.missing[item] = rows[item].null_count()
    rows = _plant_codes(city, rng, rows, fates, counts)
    bad = np.flatnonzero(fates == IMPOSSIBLE)
    days = np.array(_STAND_INS)[rng.integers(len(_STAND_INS), size=len(bad))]
    rows = rows.with_columns(rows[start].scatter(bad, pl.Series(days.astype(np.int32)).cast(pl.Date)))
    rows = _write_instead(rows, form.faulty, np.flatnonzero(fates == UNREADABLE), lambda _: _UNREADABLE, rng)
    rows = _write_instead(rows, form.own_unit, np.flatnonzero(fates == OWN_UNIT), _in_ten_thousands, rng)
    slips = np.flatnonzero(fates == CORRECTED)
    if len(slips):  # a digit too much, which a correction takes back
        column = rows[form.faulty]
        rows = rows.with_columns(column.scatter(slips, column.gather(slips).fill_null(100.0) * 10 + 1))
    return rows, counts


def repeat_rows(rng: np.random.Generator, rows: pl.DataFrame, fates: Integers, rate: float) -> pl.DataFrame:
    """Rows with some clean ones twice, at the end."""
    again = np.flatnonzero((fates == CLEAN) & happens(rng, rate, len(rows)))
    return pl.concat([rows, rows[again]]) if len(again) else rows


def _plant_codes(
    city: City, rng: np.random.Generator, rows: pl.DataFrame, fates: Integers, counts: PlantedCounts
) -> pl.DataFrame:
    codes = rows[ENTERPRISE]
    wrong, strange = np.flatnonzero(fates == MISSPELT), np.flatnonzero(fates == UNKNOWN)
    bad, kinds = misspell_codes(city.enterprises.codes[rows[AT].to_numpy()[wrong]].to_list(), rng)
    counts.counts.update(f"misspelt {kind}" for kind in kinds)
    usual = np.full(len(strange), LEGAL_FORM_PAIRS.index("91"))
    outside = make_credit_codes(
        usual, np.full(len(strange), _NO_DIVISION), usual < 0, seed=int(rng.integers(1 << 30)), outside=True
    )
    codes = codes.scatter(wrong, pl.Series(bad, dtype=pl.String)).scatter(strange, outside)
    return rows.with_columns(codes.alias(ENTERPRISE))


def _write_instead(
    rows: pl.DataFrame,
    item: str,
    places: Integers,
    words: Callable[[pl.Series], tuple[str, ...] | list[str]],
    rng: np.random.Generator,
) -> pl.DataFrame:
    """Rows with other cells written for an item at ``places``: the word for each, or drawn from the words."""
    if not len(places):
        return rows
    name = item + WRITTEN
    column = rows[name] if name in rows.columns else pl.Series([None], dtype=pl.String).new_from_index(0, len(rows))
    given = words(rows[item].gather(places))
    if isinstance(given, tuple):
        given = [given[place] for place in rng.integers(len(given), size=len(places))]
    return rows.with_columns(column.scatter(places, pl.Series(given, dtype=pl.String)).alias(name))


def _in_ten_thousands(yuan: pl.Series) -> list[str]:
    return [f"{value / 10_000:.4f}万元" for value in yuan.fill_null(0.0).to_list()]
