"""Monthly records of social insurance, of the housing fund, and of electricity, water and gas."""

from __future__ import annotations

import numpy as np
import polars as pl

from lab.simulation.city.domains.event_table import AT
from lab.simulation.city.domains.tax_and_trade import season
from lab.simulation.city.draws import (
    Flags,
    Floats,
    Integers,
    as_amounts,
    as_codes,
    as_counts,
    as_dates,
    as_flags,
    happens,
    logistic,
)
from lab.simulation.city.enterprises import MANUFACTURING, City
from lab.simulation.city.settings import first_day

_INSURED_SHARE, _FUND_SHARE = 0.262, 0.08  # the employer's part of the base
_ACCOUNT_STATES = ("normal", "sealed", "closed")
_WARMTH = np.array([0.9, 0.85, 0.85, 0.9, 1.0, 1.15, 1.3, 1.3, 1.1, 0.95, 0.9, 0.95])  # air conditioning


def make_social_insurance(city: City, month: int) -> pl.DataFrame:
    """The month's contributions of employers who insure their staff."""
    rng, one, day = city.rng(50, month), city.enterprises, first_day(month)
    at = np.flatnonzero(_insures(city) & one.alive(day))
    strain = one.strain(day, at)
    staff = _staff(city, at, month)
    base = staff * 5_200.0 * np.exp(0.12 * one.size[at] + rng.normal(scale=0.08, size=len(at)))
    due = base * _INSURED_SHARE
    behind = happens(rng, logistic(-3.7 + 1.5 * strain), len(at))
    paid = np.where(behind, due * rng.random(len(at)), due)
    months = np.where(behind, 1 + rng.poisson(np.exp(-0.3 + 0.4 * strain)), 0)
    return pl.DataFrame(
        {
            AT: pl.Series(at),
            "period": as_dates(np.full(len(at), day)),
            "insured_staff": as_counts(staff),
            "contribution_base": as_amounts(base),
            "contribution_due": as_amounts(due),
            "contribution_paid": as_amounts(paid),
            "arrears": as_amounts((due - paid) * np.maximum(1, months)),
            "months_overdue": as_counts(months),
            "paid_on": as_dates(first_day(month + 1) + rng.integers(1, 15, size=len(at)), behind & (paid < due * 0.2)),
        }
    )


def make_housing_fund(city: City, month: int) -> pl.DataFrame:
    """The month's deposits of employers who have joined the housing fund."""
    rng, one, day = city.rng(51, month), city.enterprises, first_day(month)
    joined = _insures(city) & (city.rng(52).random(len(one)) < logistic(-0.9 + 0.5 * one.size - 0.2 * one.risk))
    at = np.flatnonzero(joined & one.alive(day))
    strain = one.strain(day, at)
    people = np.maximum(1, (_staff(city, at, month) * 0.8).astype(np.int64))
    base = people * 6_000.0 * np.exp(0.15 * one.size[at] + rng.normal(scale=0.08, size=len(at)))
    sealed = happens(rng, logistic(-5.6 + 1.5 * strain), len(at))
    behind = sealed | happens(rng, logistic(-3.9 + 1.4 * strain), len(at))
    due = base * _FUND_SHARE
    paid = np.where(sealed, 0.0, np.where(behind, due * rng.random(len(at)), due))
    return pl.DataFrame(
        {
            AT: pl.Series(at),
            "period": as_dates(np.full(len(at), day)),
            "contributors": as_counts(people),
            "contribution_base": as_amounts(base),
            "contribution_paid": as_amounts(paid),
            "arrears": as_amounts(due - paid),
            "paid_on": as_dates(first_day(month + 1) + rng.integers(1, 15, size=len(at)), sealed),
            "account_status": as_codes(sealed.astype(np.int64), _ACCOUNT_STATES),
        }
    )


def make_utilities(city: City, month: int) -> pl.DataFrame:
    """The month's use of electricity, water and gas of those who have meters of their own."""
    rng, one, day = city.rng(53, month), city.enterprises, first_day(month)
    makes = one.section == MANUFACTURING
    metered = city.rng(54).random(len(one)) < logistic(-2.15 + 0.7 * one.size + 1.0 * makes)
    at = np.flatnonzero(metered & one.alive(day))
    strain, work = one.strain(day, at), 1 - 0.5 * one.decline(day, at)
    level = 6.6 + 0.95 * one.size[at] + 1.1 * makes[at] + rng.normal(scale=0.25, size=len(at))
    power = np.exp(level) * season(one.section[at], month) * _WARMTH[month % 12] * work
    charge = power * 0.68
    behind = happens(rng, logistic(-3.6 + 1.4 * strain), len(at))
    gas = np.where(city.rng(55).random(len(one))[at] < 0.35, power * 0.02 * rng.gamma(4.0, 0.25, len(at)), np.nan)
    return pl.DataFrame(
        {
            AT: pl.Series(at),
            "period": as_dates(np.full(len(at), day)),
            "electricity_kwh": pl.Series(np.round(power, 1)),
            "electricity_charge": as_amounts(charge),
            "water_m3": pl.Series(np.round(power * 0.03 * rng.gamma(4.0, 0.25, len(at)), 1)),
            "gas_m3": pl.Series(np.round(gas, 1), nan_to_null=True),
            "arrears": as_amounts(np.where(behind, charge * (1 + rng.gamma(1.2, 1.0, len(at))), 0.0)),
            "cut_off": as_flags(behind & happens(rng, 0.12 * np.exp(0.3 * np.minimum(strain, 4.0)), len(at))),
        }
    )


def _insures(city: City) -> Flags:
    one = city.enterprises
    chance = np.where(one.is_individual, 0.02, logistic(-1.2 + 1.0 * one.size))
    return np.asarray(city.rng(56).random(len(one)) < chance)


def _staff(city: City, at: Integers, month: int) -> Integers:
    """Insured staff: steady, growing with luck, fewer in distress."""
    one = city.enterprises
    trend = city.rng(57).normal(0.03, 0.1, len(one))[at] - 0.05 * one.risk[at]
    level: Floats = 1.5 + 0.95 * one.size[at] + trend * (month - city.settings.first_month) / 12
    staff = np.rint(np.exp(level) * (1 - 0.5 * one.decline(first_day(month), at))).astype(np.int64)
    return np.asarray(np.maximum(1, staff))
