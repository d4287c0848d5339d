"""Courts and administrative penalties: cases and decisions, and how they end."""

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
from lab.simulation.city.enterprises import NEVER, City

_CASE_KINDS = ("civil", "commercial", "labour", "enforcement", "bankruptcy")
_CASE_WORDS = ("民初", "商初", "劳初", "执", "破")
_ROLES = ("plaintiff", "defendant", "executed")
_OUTCOMES = ("won", "lost", "settled", "withdrawn", "pending")
_PENALTY_KINDS = ("warning", "fine", "confiscation", "suspension", "licence_revoked")
_SERIOUSNESS = ("minor", "ordinary", "serious")
_AUTHORITIES = (
    "市场监督管理局",
    "应急管理局",
    "城市管理执法局",
    "交通运输局",
    "卫生健康委员会",
    "生态环境局",
    "税务局",
)
_CAUSES = ("虚假宣传", "未按规定公示信息", "安全生产违规", "占道经营", "超限运输", "价格违法", "产品质量不合格")


def make_courts(city: City) -> EventTable:
    """Cases: enterprises under strain are sued and executed, others sue."""
    rng, one = city.rng(70), city.enterprises
    yearly = 0.040 * np.exp(0.75 * one.risk + 0.3 * one.size)
    at, days = place_events(city, rng, yearly, years=3, adverse=True)
    rows, strain = len(at), one.risk[at]
    troubled = logistic(-0.3 + 0.8 * strain)
    draw = rng.random(rows)
    role = np.where(draw < 0.55 * troubled, 2, np.where(draw < 0.3 + 0.6 * troubled, 1, 0))
    kind = np.where(role == 2, 3, pick(rng, (4, 4.5, 1.5), rows))
    kind = np.where((role > 0) & happens(rng, 0.012 * np.exp(np.clip(strain, -3, 2)), rows), 4, kind)
    decided = some_days_later(rng, days, 120, 0.92)
    closed = np.where(decided < NEVER, some_days_later(rng, np.minimum(decided, 40_000), 60, 0.8), NEVER)
    lost = happens(rng, np.where(role == 0, 0.25, 0.65), rows)
    outcome = np.where(lost, 1, pick(rng, (5, 0, 3, 2), rows))
    claimed = np.exp(10.8 + 0.6 * one.size[at] + rng.normal(scale=1.2, size=rows))
    executed = role == 2
    unfulfilled = np.where(happens(rng, logistic(-0.8 + 0.9 * strain), rows), claimed * rng.random(rows), 0.0)
    frame = pl.DataFrame(
        {
            AT: pl.Series(at),
            "case_number": numbered(
                "（{}）示01{}{}号",
                year=years_of(days),
                word=as_text(kind, _CASE_WORDS),
                number=np.arange(1, rows + 1),
            ),
            "case_kind": as_codes(kind, _CASE_KINDS),
            "filed_on": as_dates(days),
            "role": as_codes(role, _ROLES),
            "claimed_amount": as_amounts(claimed),
            "decided_on": as_dates(decided, decided == NEVER),
            "outcome": as_codes(outcome, _OUTCOMES),
            "enforced_amount": as_amounts(claimed, ~executed),
            "unfulfilled_amount": as_amounts(unfulfilled, ~executed),
            "dishonest_listed": as_flags(executed & (unfulfilled > 0) & happens(rng, 0.35, rows)),
            "closed_on": as_dates(closed, closed == NEVER),
        }
    )
    open_case: dict[str, str | bool | float | None] = {
        "outcome": "pending",
        "enforced_amount": None,
        "unfulfilled_amount": None,
        "dishonest_listed": False,
    }
    return EventTable(frame, "filed_on", (LaterFact("decided_on", open_case), LaterFact("closed_on")))


def make_penalties(city: City) -> EventTable:
    """Penalties of seven authorities: decided, published, paid and corrected, or not."""
    rng, one = city.rng(71), city.enterprises
    yearly = 0.022 * np.exp(0.7 * one.risk + 0.2 * one.size)
    at, days = place_events(city, rng, yearly, years=3, adverse=True)
    rows, strain = len(at), one.risk[at]
    level = 0.5 * strain + rng.normal(size=rows)
    seriousness = np.digitize(level, (0.0, 1.7))
    kind = np.where(seriousness == 0, pick(rng, (6, 4), rows), pick(rng, (0.5, 6, 1.5, 1), rows))
    kind = np.where((seriousness == 2) & happens(rng, 0.08, rows), 4, kind)
    fined = (kind == 1) | (kind == 2)
    good = logistic(1.4 - 0.8 * strain)
    paid = some_days_later(rng, days, 25, fined * np.minimum(0.97, good + 0.2))
    corrected = some_days_later(rng, days, 60, good)
    office = rng.integers(len(_AUTHORITIES), size=rows)
    frame = pl.DataFrame(
        {
            AT: pl.Series(at),
            "decision_number": numbered("示罚决字〔{}〕{}号", year=years_of(days), number=np.arange(1, rows + 1)),
            "authority": as_text(office, _AUTHORITIES),
            "kind": as_codes(kind, _PENALTY_KINDS),
            "seriousness": as_codes(seriousness, _SERIOUSNESS),
            "cause": as_text(rng.integers(len(_CAUSES), size=rows), _CAUSES),
            "decided_on": as_dates(days),
            "fine_amount": as_amounts(
                np.round(np.exp(7.5 + 1.1 * seriousness + 0.3 * one.size[at] + rng.normal(scale=0.8, size=rows)), -2),
                ~fined,
            ),
            "paid_on": as_dates(paid, paid == NEVER),
            "corrected_on": as_dates(corrected, corrected == NEVER),
            "published_on": as_dates(days + rng.integers(1, 8, size=rows)),
        }
    )
    later = tuple(LaterFact(item) for item in ("paid_on", "corrected_on", "published_on"))
    return EventTable(frame, "decided_on", later)
