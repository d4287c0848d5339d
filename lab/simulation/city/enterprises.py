"""The enterprises of a made-up city: kind, industry, district, size, life cycle, representative, and latent risk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from lab.simulation.city.draws import Flags, Floats, Integers, happens, logistic, pick
from lab.simulation.city.identifier_codes import LEGAL_FORM_PAIRS, make_credit_codes, make_registration_numbers
from lab.simulation.city.representatives import (
    DIVISION,
    Representatives,
    assign_representatives,
    make_representatives,
)
from lab.simulation.city.settings import CitySettings, as_day

ENTERPRISE_TYPES = (
    "limited", "joint_stock", "sole_investment", "partnership", "individual_business", "branch", "cooperative",
)  # fmt: skip
INDIVIDUAL, COOPERATIVE = ENTERPRISE_TYPES.index("individual_business"), ENTERPRISE_TYPES.index("cooperative")
_TYPE_SHARES = (0.50, 0.012, 0.04, 0.03, 0.37, 0.03, 0.018)
SECTIONS = "ABCDEFGHIJKLMNOPQRST"  # of GB/T 4754-2017
MANUFACTURING, CONSTRUCTION, WHOLESALE = SECTIONS.index("C"), SECTIONS.index("E"), SECTIONS.index("F")
_SECTION_SHARES = (
    3, 0.4, 13, 0.5, 8, 33, 5, 7, 5.5, 0.3, 3, 10, 5, 0.5, 4, 0.6, 0.4, 1.5, 0.2, 0.1,
)  # fmt: skip
_SECTION_RISK = (
    0.0, 0.2, -0.15, -0.4, 0.3, 0.05, 0.1, 0.35, -0.2, -0.1, 0.4, 0.0, -0.25, -0.3, 0.1, 0.1, -0.3, 0.2, -0.3, -0.3,
)  # fmt: skip
_DISTRICT_SHARES = (16, 14, 12, 11, 10, 9, 8, 7, 5, 4, 2.5, 1.5)
_DISTRICT_RISK = (-0.1, -0.05, 0.0, 0.0, 0.05, -0.1, 0.1, 0.0, 0.1, 0.15, 0.2, 0.1)
UNIFIED_SINCE = as_day(2015, 10, 1)  # one code for one licence: earlier enterprises had other numbers
NEVER = as_day(2999, 12, 31)


@dataclass(frozen=True)
class Enterprises:
    """All enterprises, one place of each array for each; days since 1970-01-01.

    ``risk``: latent and fixed. ``distress``: the day from which it grows worse, within half a year; ``NEVER`` for most.
    ``closed``: the day it was struck off or revoked, or ``NEVER``. ``changed``: the day another representative took
    over from ``person``, who is then ``successor``; ``NEVER`` for most.
    """

    codes: pl.Series
    registration_numbers: pl.Series
    kind: Integers
    section: Integers
    district: Integers
    size: Floats
    risk: Floats
    founded: Integers
    closed: Integers
    revoked: Flags
    changed: Integers
    person: Integers
    successor: Integers
    distress: Integers

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def is_individual(self) -> Flags:
        """Whether each is an individual business, which is a natural person in trade."""
        return np.asarray(self.kind == INDIVIDUAL)

    @property
    def has_legacy_numbers(self) -> Flags:
        """Whether each had a registration number and an organisation code before unified codes."""
        return np.asarray((self.founded < UNIFIED_SINCE) & ~self.is_individual)

    def alive(self, day: int) -> Flags:
        """Whether each was founded and not yet closed on a day."""
        return np.asarray((self.founded <= day) & (self.closed > day))

    def decline(self, day: int, rows: Integers) -> Floats:
        """How far distress has gone on a day: 0 before it, 1 half a year after its first day; for ``rows``."""
        return np.asarray(np.clip((day - self.distress[rows]) / 180.0, 0.0, 1.0))

    def strain(self, day: int, rows: Integers) -> Floats:
        """Latent risk as it shows in behaviour on a day; for ``rows``."""
        return np.asarray(self.risk[rows] + 1.4 * self.decline(day, rows))


@dataclass(frozen=True)
class City:
    """What all source files are about."""

    settings: CitySettings
    enterprises: Enterprises
    representatives: Representatives

    def rng(self, *place: int) -> np.random.Generator:
        """The random numbers of one file or one step, which no other draws from."""
        return np.random.default_rng([self.settings.seed, *place])


def make_city(settings: CitySettings) -> City:
    """Draw the city's enterprises and persons."""
    rows = settings.enterprises
    rng = np.random.default_rng([settings.seed, 21])
    people = make_representatives(max(1, int(rows * 0.85)), settings.seed)
    person = assign_representatives(rows, len(people.names), rng)
    kind, section = pick(rng, _TYPE_SHARES, rows), pick(rng, _SECTION_SHARES, rows)
    district = pick(rng, _DISTRICT_SHARES, rows)
    section = np.where(kind == COOPERATIVE, 0, section)
    risk = 0.45 * people.risk[person] + 0.85 * rng.normal(size=rows)
    risk += np.asarray(_SECTION_RISK)[section] + np.asarray(_DISTRICT_RISK)[district]
    size = rng.normal(size=rows) - 0.8 * (kind == INDIVIDUAL) + 1.5 * (kind == 1)
    founded = _found(settings, kind, rng)
    distress = _distress(settings, risk, founded, rng)
    closed = _close(settings, risk, founded, distress, rng)
    changed = np.where(
        happens(rng, 0.05 * np.exp(0.3 * risk) * (kind != INDIVIDUAL), rows),
        np.maximum(founded + 60, rng.integers(settings.start - 200, settings.end, size=rows)),
        NEVER,
    )
    changed = np.where((changed < settings.end) & (changed < closed), changed, NEVER)
    # A chain: whoever takes over already represents another enterprise.
    successor = person[(np.arange(rows) + 1 + rng.integers(max(1, rows // 50), size=rows)) % rows]
    divisions = DIVISION + 1 + district
    old = (founded < UNIFIED_SINCE) & (kind != INDIVIDUAL)
    enterprises = Enterprises(
        codes=make_credit_codes(_pairs(kind, rng), divisions, old, seed=settings.seed),
        registration_numbers=make_registration_numbers(divisions, seed=settings.seed),
        kind=kind,
        section=section,
        district=district,
        size=size,
        risk=risk,
        founded=founded,
        closed=closed,
        revoked=happens(rng, 0.3, rows),
        changed=changed,
        person=person,
        successor=successor,
        distress=distress,
    )
    return City(settings, enterprises, people)


def _found(settings: CitySettings, kind: Integers, rng: np.random.Generator) -> Integers:
    """The day each was founded; in a growing city most are young, and individual businesses younger."""
    rows = len(kind)
    age = np.clip(rng.gamma(1.6, 4.6, rows) * np.where(kind == INDIVIDUAL, 0.7, 1.0), 0.02, 44.0)
    return np.asarray(settings.end - 1 - (age * 365.25).astype(np.int64))


def _distress(settings: CitySettings, risk: Floats, founded: Integers, rng: np.random.Generator) -> Integers:
    """The first day of distress: within two years before the end, for those whom it finds."""
    struck = happens(rng, logistic(-3.1 + 0.9 * risk), len(risk))
    day = settings.end - rng.integers(1, 730, size=len(risk))
    return np.where(struck, np.maximum(day, founded + 90), NEVER)


def _close(
    settings: CitySettings, risk: Floats, founded: Integers, distress: Integers, rng: np.random.Generator
) -> Integers:
    """The day each was closed: some before the first month, some in the months, mostly after distress."""
    rows = len(risk)
    long_gone = happens(rng, logistic(-3.1 + 0.4 * risk), rows)
    earlier = settings.start - rng.integers(1, 1500, size=rows)
    years = settings.months / 12
    gone = happens(rng, np.minimum(0.9, years * logistic(-3.9 + 0.6 * risk + 0.9 * (distress < settings.end))), rows)
    later = rng.integers(settings.start, settings.end, size=rows)
    later = np.where(distress < settings.end, np.maximum(later, distress + 120), later)
    day = np.where(long_gone, earlier, np.where(gone, later, NEVER))
    return np.where((day > founded + 200) & (day < settings.end), day, NEVER)


def _pairs(kind: Integers, rng: np.random.Generator) -> Integers:
    """Places 1 and 2 of each code: those of the kind, and for about one in eighty any other that the standard lists."""
    usual = np.array([LEGAL_FORM_PAIRS.index(pair) for pair in ("91", "91", "91", "91", "92", "91", "93")])
    other = rng.integers(len(LEGAL_FORM_PAIRS), size=len(kind))
    return np.where(happens(rng, 0.0125, len(kind)) & (kind != INDIVIDUAL), other, usual[kind])
