"""The fifteen domains of a made-up city: what each office writes down of the same enterprises."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from lab.simulation.city.domains.conduct import make_environment, make_procurement, make_public_credit
from lab.simulation.city.domains.event_table import AT, EventTable
from lab.simulation.city.domains.holdings import (
    make_honours,
    make_intellectual_property,
    make_permits,
    make_real_estate,
)
from lab.simulation.city.domains.justice import make_courts, make_penalties
from lab.simulation.city.domains.registration import make_registration
from lab.simulation.city.domains.staff_and_utilities import make_housing_fund, make_social_insurance, make_utilities
from lab.simulation.city.domains.tax_and_trade import make_customs, make_tax
from lab.simulation.city.enterprises import City

MONTHLY: Final[Mapping[str, Callable[[City, int], pl.DataFrame]]] = {
    "tax": make_tax,
    "social_insurance": make_social_insurance,
    "housing_fund": make_housing_fund,
    "utilities": make_utilities,
    "customs": make_customs,
}
"""Domains whose records are of a month: what makes one month's rows."""


@dataclass(frozen=True)
class EventSource:
    """A domain whose records begin on a day; its office delivers every ``every`` months."""

    make: Callable[[City], EventTable]
    every: int = 1


EVENTS: Final[Mapping[str, EventSource]] = {
    "registration": EventSource(make_registration),
    "courts": EventSource(make_courts),
    "penalties": EventSource(make_penalties),
    "permits": EventSource(make_permits),
    "real_estate": EventSource(make_real_estate, every=3),
    "intellectual_property": EventSource(make_intellectual_property, every=3),
    "environment": EventSource(make_environment, every=3),
    "procurement": EventSource(make_procurement),
    "honours": EventSource(make_honours, every=12),
    "public_credit": EventSource(make_public_credit),
}
"""Domains whose records are states and events."""

DOMAINS: Final = (
    "registration", "tax", "social_insurance", "housing_fund", "courts", "penalties", "permits", "utilities",
    "real_estate", "customs", "intellectual_property", "environment", "procurement", "honours", "public_credit",
)  # fmt: skip

__all__ = ["AT", "DOMAINS", "EVENTS", "MONTHLY", "EventSource", "EventTable"]
