"""Monthly records of the tax office and the customs: seasonal sales, taxes on them, arrears, imports and exports."""

from __future__ import annotations

import numpy as np
import polars as pl

from lab.simulation.city.domains.event_table import AT
from lab.simulation.city.draws import (
    Floats,
    Integers,
    as_amounts,
    as_codes,
    as_counts,
    as_dates,
    happens,
    logistic,
)
from lab.simulation.city.enterprises import CONSTRUCTION, MANUFACTURING, WHOLESALE, City
from lab.simulation.city.settings import first_day

_SEASONS = np.array(
    [
        # January to December: by default, in manufacturing, in construction, in trade
        [1.00, 0.72, 1.02, 0.98, 1.00, 1.05, 0.97, 0.97, 1.05, 0.98, 1.05, 1.21],
        [0.95, 0.60, 1.05, 1.02, 1.04, 1.08, 0.98, 0.98, 1.06, 1.00, 1.08, 1.16],
        [0.80, 0.45, 0.90, 1.00, 1.05, 1.15, 1.00, 1.00, 1.10, 1.10, 1.15, 1.30],
        [1.30, 0.85, 0.90, 0.92, 1.00, 1.05, 0.90, 0.92, 1.02, 1.05, 1.12, 0.97],
    ]
)
_RATINGS = ("A", "B", "M", "C", "D")
_CUSTOMS_RATINGS = ("AEO", "general", "dishonest")


def make_tax(city: City, month: int) -> pl.DataFrame:
    """The tax records that are filed for a month: of monthly filers, and at a quarter's end of quarterly ones."""
    rng, one, day = city.rng(40, month), city.enterprises, first_day(month)
    at, months = _filers(city, month)
    strain = one.strain(day, at)
    sales: Floats = np.exp(9.7 + 1.2 * one.size[at] + rng.normal(scale=0.35, size=len(at))) * months
    sales *= season(one.section[at], month) * _growth(city, at, month) * (1 - 0.55 * one.decline(day, at))
    sales[happens(rng, logistic(-3.2 + 0.35 * strain), len(at))] = 0.0
    vat = sales * np.where(months == 1, 0.035, 0.01) * rng.gamma(4.0, 0.25, len(at))
    owing = happens(rng, logistic(-3.7 + 1.5 * strain), len(at))
    late = happens(rng, logistic(-3.9 + 1.4 * strain), len(at))
    filed = first_day(month + 1) + rng.integers(1, 16, size=len(at))
    invoices = np.rint(np.sqrt(sales) * 0.3 * rng.gamma(4.0, 0.25, len(at))).astype(np.int64)
    return pl.DataFrame(
        {
            AT: pl.Series(at),
            "period": as_dates(_first_day_of_period(month, months)),
            "sales": as_amounts(sales),
            "vat_paid": as_amounts(np.where(owing, vat * 0.3, vat)),
            "income_tax_paid": as_amounts(0.012 * sales * rng.gamma(1.5, 1 / 1.5, len(at))),
            "arrears": as_amounts(np.where(owing, 200 + vat * rng.gamma(2.0, 1.0, len(at)), 0.0)),
            "filed_on": as_dates(filed, late),
            "credit_rating": as_codes(_tax_rating(city, at, day), _RATINGS),
            "invoices_issued": as_counts(invoices),
            "invoices_voided": as_counts(rng.binomial(invoices, np.clip(0.01 * np.exp(0.5 * strain), 0, 0.5))),
        }
    )


def make_customs(city: City, month: int) -> pl.DataFrame:
    """The month's declarations of those who trade abroad."""
    rng, one, day = city.rng(41, month), city.enterprises, first_day(month)
    chance = np.where((one.section == MANUFACTURING) | (one.section == WHOLESALE), 0.028, 0.004)
    trades = (city.rng(42).random(len(one)) < chance * np.exp(0.6 * one.size)) & one.alive(day)
    at = np.flatnonzero(trades & (rng.random(len(one)) < 0.85))
    strain, size = one.strain(day, at), one.size[at]
    level = np.exp(9.3 + 1.2 * size + rng.normal(scale=0.5, size=len(at))) * season(one.section[at], month)
    level *= 1 - 0.5 * one.decline(day, at)
    exporter = city.rng(43).random(len(one))[at]
    declarations = 1 + rng.poisson(np.exp(1.0 + 0.5 * size))
    rating = np.where(strain > 2.4, 2, np.where((size > 1.3) & (strain < 0.3), 0, 1))
    return pl.DataFrame(
        {
            AT: pl.Series(at),
            "period": as_dates(np.full(len(at), day)),
            "exports": as_amounts(level * exporter),
            "imports": as_amounts(level * (1 - exporter) * 0.7),
            "declarations": as_counts(declarations),
            "rejected_declarations": as_counts(
                rng.binomial(declarations, np.clip(0.012 * np.exp(0.6 * strain), 0, 0.6))
            ),
            "customs_rating": as_codes(rating, _CUSTOMS_RATINGS),
        }
    )


def season(sections: Integers, month: int) -> Floats:
    """How a month compares with the year's mean, by industry."""
    kinds = np.select([sections == MANUFACTURING, sections == CONSTRUCTION, sections == WHOLESALE], [1, 2, 3], 0)
    return np.asarray(_SEASONS[kinds, month % 12])


def _filers(city: City, month: int) -> tuple[Integers, Integers]:
    """The places of those who file, and the months each files for: 1 or 3."""
    one, day = city.enterprises, first_day(month)
    drawn = city.rng(44).random(len(one))
    monthly = drawn < np.where(one.is_individual, 0.01, 0.19 * np.exp(0.6 * one.size - 0.18))
    quarterly = ~monthly & (drawn < np.where(one.is_individual, 0.2, 0.7))
    # A fault of registers that a consistency check finds: a few go on filing after they were struck off.
    open_books = one.alive(day) | (
        (one.founded <= day) & (city.rng(45).random(len(one)) < city.settings.rates.still_taxed)
    )
    files = open_books & (monthly | (quarterly if month % 3 == 2 else False))
    at = np.flatnonzero(files)
    return at, np.where(monthly[at], 1, 3)


def _first_day_of_period(month: int, months: Integers) -> Integers:
    return np.where(months == 1, first_day(month), first_day(month - 2))


def _growth(city: City, at: Integers, month: int) -> Floats:
    """Growth of each since the first month; risk slows it."""
    yearly = city.rng(46).normal(0.05, 0.12, len(city.enterprises))[at] - 0.06 * city.enterprises.risk[at]
    return np.asarray(np.exp(yearly * (month - city.settings.first_month) / 12))


def _tax_rating(city: City, at: Integers, day: int) -> Integers:
    """The tax office's credit rating: the same for a year, M for the young."""
    one = city.enterprises
    year = day - day % 365
    level = -1.1 * one.strain(year, at) + city.rng(47, year).normal(scale=0.8, size=len(one))[at]
    rating = np.select([level > 1.0, level > -0.6, level > -2.2], [0, 1, 3], 4)
    return np.where(day - one.founded[at] < 365, 2, rating)
