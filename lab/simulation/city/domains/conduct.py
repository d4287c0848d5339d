"""How enterprises behave towards environment, public buyers and the public credit lists."""

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
from lab.simulation.city.enterprises import CONSTRUCTION, MANUFACTURING, NEVER, City

_INSPECTIONS = ("inspection", "assessment", "discharge_permit", "incident")
_COLOURS = ("green", "blue", "yellow", "red", "black")
_BUYERS = (
    "市第一中学",
    "市人民医院",
    "市交通运输局",
    "市公安局",
    "高新区管委会",
    "市图书馆",
    "市政工程中心",
    "市水务局",
)
_MARKS = ("excellent", "good", "fair", "poor")
_LISTS = ("red", "focus", "dishonest", "anomaly")
_REASONS = (
    "纳税信用A级",
    "通过登记的住所无法联系",
    "未按期公示年报",
    "拖欠劳动者工资",
    "拒不履行生效文书",
    "行政处罚较多",
)
_LISTERS = ("税务局", "市场监督管理局", "人力资源和社会保障局", "中级人民法院", "发展和改革委员会")


def make_environment(city: City) -> EventTable:
    """Inspections, yearly assessments, discharge permits and incidents, mostly of manufacturers."""
    rng, one = city.rng(90), city.enterprises
    dirty = (one.section == MANUFACTURING) | (one.section == CONSTRUCTION)
    at, days = place_events(city, rng, np.where(dirty, 0.055, 0.003) * np.exp(0.4 * one.size), years=3)
    rows = len(at)
    strain = one.risk[at] + rng.normal(size=rows)
    kind = pick(rng, (6, 3, 1.5, 0.2), rows)
    rating = np.digitize(strain, (-0.8, 0.8, 1.9, 3.0))
    exceeded = happens(rng, logistic(-2.6 + 0.7 * strain), rows) | (kind == 3)
    rectified = some_days_later(rng, days, 45, exceeded * logistic(1.5 - 0.5 * strain))
    frame = pl.DataFrame(
        {
            AT: pl.Series(at),
            "record_number": numbered("示环〔{}〕{}号", year=years_of(days), number=np.arange(1, rows + 1)),
            "kind": as_codes(kind, _INSPECTIONS),
            "assessed_on": as_dates(days),
            "rating": as_codes(rating, _COLOURS, kind != 1),
            "exceeded": as_flags(exceeded),
            "rectified_on": as_dates(rectified, rectified == NEVER),
        }
    )
    return EventTable(frame, "assessed_on", (LaterFact("rectified_on"),))


def make_procurement(city: City) -> EventTable:
    """Contracts with public buyers, and how they were fulfilled."""
    rng, one = city.rng(91), city.enterprises
    sells = np.minimum(2.0, 0.010 * np.exp(0.8 * one.size - 0.15 * one.risk)) * ~one.is_individual
    at, days = place_events(city, rng, sells, years=3)
    rows, strain = len(at), one.risk[at]
    delivered = some_days_later(rng, days, 110, 0.95)
    mark = np.digitize(strain + rng.normal(size=rows), (-0.5, 1.2, 2.4))
    frame = pl.DataFrame(
        {
            AT: pl.Series(at),
            "contract_number": numbered("SSCG-{}-{}", year=years_of(days), number=100_000 + np.arange(rows)),
            "buyer": as_text(rng.integers(len(_BUYERS), size=rows), _BUYERS),
            "awarded_on": as_dates(days),
            "amount": as_amounts(np.exp(11.3 + 0.6 * one.size[at] + rng.normal(scale=1.0, size=rows))),
            "delivered_on": as_dates(delivered, delivered == NEVER),
            "on_time": as_flags(~happens(rng, logistic(-2.0 + 0.7 * strain), rows), delivered == NEVER),
            "rating": as_codes(mark, _MARKS, delivered == NEVER),
        }
    )
    open_contract: dict[str, str | bool | float | None] = {"on_time": None, "rating": None}
    return EventTable(frame, "awarded_on", (LaterFact("delivered_on", open_contract),))


def make_public_credit(city: City) -> EventTable:
    """Entries of the red list, the focus list, the list of the dishonest and the list of anomalies."""
    rng, one = city.rng(92), city.enterprises
    yearly = 0.022 * np.exp(0.75 * one.risk) + 0.004 * np.exp(0.5 * one.size - 0.6 * one.risk)
    at, days = place_events(city, rng, yearly, years=3, adverse=True)
    rows, strain = len(at), one.risk[at]
    praised = happens(rng, logistic(-0.6 - 1.3 * strain), rows)
    listed = np.where(praised, 0, 1 + pick(rng, (2, 1, 5), rows))
    coin = rng.integers(2, size=(2, rows))
    reason = np.select([praised, listed == 3, listed == 2], [0, 1 + coin[0], 4], 3 + 2 * coin[1])
    lister = np.select([listed == 0, listed == 3, listed == 2], [0, 1, 3], 4)
    removed = some_days_later(rng, days, 200, np.where(praised, 0.1, logistic(0.6 - 0.7 * strain)))
    frame = pl.DataFrame(
        {
            AT: pl.Series(at),
            "entry_number": numbered("SSXY{}{}", year=years_of(days), number=1_000_000 + np.arange(rows)),
            "list": as_codes(listed, _LISTS),
            "reason": as_text(reason, _REASONS),
            "authority": as_text(lister, _LISTERS),
            "listed_on": as_dates(days),
            "removed_on": as_dates(removed, removed == NEVER),
            "repaired": as_flags((removed < NEVER) & ~praised),
        }
    )
    return EventTable(frame, "listed_on", (LaterFact("removed_on", {"repaired": False}),))
