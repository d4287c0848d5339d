"""What enterprises hold: permits, real estate, intellectual property, honours."""

from __future__ import annotations

import numpy as np
import polars as pl

from lab.simulation.city.domains.event_table import AT, EventTable, LaterFact, place_events, some_days_later
from lab.simulation.city.draws import (
    as_amounts,
    as_codes,
    as_dates,
    as_flags,
    as_text,
    happens,
    logistic,
    numbered,
    pick,
    years_of,
)
from lab.simulation.city.enterprises import CONSTRUCTION, MANUFACTURING, NEVER, SECTIONS, City

_PERMIT_KINDS = ("food", "construction", "transport", "medical", "hazardous", "publishing", "other")
_PERMIT_OFFICES = (
    "市场监督管理局",
    "住房和城乡建设局",
    "交通运输局",
    "卫生健康委员会",
    "应急管理局",
    "新闻出版局",
    "行政审批局",
)
_PERMIT_STATES = ("valid", "suspended", "revoked", "lapsed")
_ESTATES = ("land", "workshop", "office", "dwelling")
_RIGHTS = ("invention", "utility", "design", "trademark", "software")
_RIGHT_YEARS = np.array([20, 10, 15, 10, 50])
_HONOURS = ("high_tech", "specialised", "little_giant", "quality_award", "trade_name")
_LEVELS = ("national", "provincial", "city")


def make_permits(city: City) -> EventTable:
    """Permits of three or five years; some are suspended or revoked."""
    rng, one = city.rng(80), city.enterprises
    regulated = np.isin(one.section, [SECTIONS.index(section) for section in "EGHQ"])
    at, days = place_events(city, rng, 0.034 * np.exp(0.3 * one.size) * np.where(regulated, 3.5, 1.0), years=8)
    rows, section = len(at), one.section[at]
    usual = np.select(
        [section == CONSTRUCTION, section == SECTIONS.index("G"), section == SECTIONS.index("Q")], [1, 2, 3], 0
    )
    kind = np.where(happens(rng, 0.75, rows), usual, pick(rng, (2, 0.5, 1, 0.5, 1, 1, 6), rows))
    until = days + np.where(happens(rng, 0.6, rows), 1826, 1096)
    revoked = some_days_later(rng, days, 500, np.minimum(0.5, 0.02 * np.exp(0.8 * one.risk[at])))
    frame = pl.DataFrame(
        {
            AT: pl.Series(at),
            "permit_number": numbered("示许字〔{}〕第{}号", year=years_of(days), number=1 + np.arange(rows)),
            "kind": as_codes(kind, _PERMIT_KINDS),
            "authority": as_text(kind, _PERMIT_OFFICES),
            "granted_on": as_dates(days),
            "valid_until": as_dates(until),
            "status": as_codes(
                np.where(revoked < until, 2, np.where(until < city.settings.start, 3, 0)), _PERMIT_STATES
            ),
            "revoked_on": as_dates(revoked, revoked >= until),
        }
    )
    return EventTable(frame, "granted_on", (LaterFact("revoked_on", {"status": "valid"}),))


def make_real_estate(city: City) -> EventTable:
    """Certificates of land, workshops, offices and dwellings; mortgages, and seizures of the troubled."""
    rng, one = city.rng(81), city.enterprises
    yearly = 0.0075 * np.exp(0.8 * one.size - 0.1 * one.risk) * np.where(one.is_individual, 0.2, 1.0)
    at, days = place_events(city, rng, yearly, years=15)
    rows, strain = len(at), one.strain(city.settings.start, at)
    kind = np.where(one.section[at] == MANUFACTURING, pick(rng, (3, 5, 2, 0.5), rows), pick(rng, (1, 1, 6, 2), rows))
    area = np.exp(np.array([8.5, 7.8, 5.8, 4.8])[kind] + 0.4 * one.size[at] + rng.normal(scale=0.6, size=rows))
    mortgaged = happens(rng, logistic(-0.4 + 0.35 * strain), rows)
    gone = some_days_later(rng, days, 2500, 0.15)
    frame = pl.DataFrame(
        {
            AT: pl.Series(at),
            "certificate_number": numbered(
                "示（{}）不动产权第{}号", year=years_of(days), number=np.arange(1, rows + 1)
            ),
            "kind": as_codes(kind, _ESTATES),
            "area_m2": pl.Series(np.round(area, 2)),
            "registered_on": as_dates(days),
            "mortgaged": as_flags(mortgaged),
            "mortgage_amount": as_amounts(area * 2_500 * rng.random(rows), ~mortgaged),
            "seized": as_flags(happens(rng, logistic(-4.2 + 0.9 * strain), rows)),
            "cancelled_on": as_dates(gone, gone == NEVER),
        }
    )
    return EventTable(frame, "registered_on", (LaterFact("cancelled_on"),))


def make_intellectual_property(city: City) -> EventTable:
    """Patents, trademarks and software of the few that have any, and most of those several."""
    rng, one = city.rng(82), city.enterprises
    inventive = np.isin(one.section, [SECTIONS.index(section) for section in "CIM"])
    has_any = city.rng(83).random(len(one)) < np.where(inventive, 0.09, 0.015)
    at, days = place_events(city, rng, has_any * 0.5 * np.exp(0.6 * one.size - 0.25 * one.risk), years=8)
    rows = len(at)
    kind = np.where(inventive[at], pick(rng, (2, 4, 1, 1.5, 3), rows), pick(rng, (0.2, 0.5, 1, 7, 1), rows))
    moved = some_days_later(rng, days, 900, 0.05)
    frame = pl.DataFrame(
        {
            AT: pl.Series(at),
            "right_number": numbered(
                "{}{}",
                letter=as_text(kind, ("ZLF", "ZLX", "ZLW", "TM", "SR")),
                number=10_000_000 + np.arange(rows),
            ),
            "kind": as_codes(kind, _RIGHTS),
            "applied_on": as_dates(days - rng.integers(150, 900, size=rows)),
            "granted_on": as_dates(days),
            "expires_on": as_dates(days + _RIGHT_YEARS[kind] * 365),
            "pledged": as_flags(happens(rng, logistic(-2.8 + 0.3 * one.risk[at]), rows)),
            "transferred_on": as_dates(moved, moved == NEVER),
        }
    )
    return EventTable(frame, "granted_on", (LaterFact("transferred_on"),))


def make_honours(city: City) -> EventTable:
    """Honours of the larger and sounder ones, for three years."""
    rng, one = city.rng(84), city.enterprises
    able = np.exp(0.9 * one.size - 0.5 * one.risk) * ~one.is_individual
    at, days = place_events(city, rng, np.minimum(1.0, 0.0045 * able), years=4)
    rows = len(at)
    withdrawn = some_days_later(rng, days, 500, np.minimum(0.5, 0.02 * np.exp(0.8 * one.risk[at])))
    frame = pl.DataFrame(
        {
            AT: pl.Series(at),
            "certificate_number": numbered("SH{}{}", year=years_of(days), number=100_000 + np.arange(rows)),
            "kind": as_codes(pick(rng, (5, 3, 0.4, 1, 1), rows), _HONOURS),
            "level": as_codes(pick(rng, (1, 3, 5), rows), _LEVELS),
            "granted_on": as_dates(days),
            "valid_until": as_dates(days + 1096),
            "withdrawn_on": as_dates(withdrawn, withdrawn == NEVER),
        }
    )
    return EventTable(frame, "granted_on", (LaterFact("withdrawn_on"),))
