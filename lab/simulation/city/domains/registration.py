"""Business registration: the state of each enterprise from a day on, and who represents it."""

from __future__ import annotations

import numpy as np
import polars as pl

from lab.simulation.city.domains.event_table import AT, EventTable
from lab.simulation.city.draws import Integers, as_amounts, as_codes, as_dates, as_flags, as_text, happens, logistic
from lab.simulation.city.enterprises import ENTERPRISE_TYPES, NEVER, SECTIONS, City
from lab.simulation.city.representatives import DISTRICTS, DIVISION

_STATES = ("active", "suspended", "revoked", "struck_off")
_SIZES = ("micro", "small", "medium", "large")
_PLACES = ("示例", "东湖", "云岭", "青川", "南浦", "北辰", "西岗", "临江", "凤台", "高新", "开平", "安和")
_FIRST = "华恒鑫瑞宏天金安东泰德盛嘉润永兴博远诚信通达新创科联众鸿福祥"
_TRADES = (
    "农业", "矿业", "制造", "能源", "建设", "贸易", "物流", "餐饮", "信息技术", "投资", "置业", "商务服务", "科技",
    "环境", "生活服务", "教育咨询", "健康", "文化传媒", "社会服务", "国际事务",
)  # fmt: skip
_FORMS = ("有限公司", "股份有限公司", "厂", "合伙企业（有限合伙）", "经营部", "有限公司分公司", "专业合作社")


def make_registration(city: City) -> EventTable:
    """All states: one an enterprise has at first, one from another representative on, one from its end on."""
    one, settings, rng = city.enterprises, city.settings, city.rng(60)
    everyone = np.arange(len(one))
    suspended = happens(rng, logistic(-4.6 + 0.6 * one.risk), len(one))
    # Some of the old ones changed something before the first month; their state holds from that day.
    moved = np.maximum(one.founded, settings.start - rng.integers(1, 900, size=len(one)))
    since = np.where((one.founded < settings.start) & happens(rng, 0.3, len(one)), moved, one.founded)
    since = np.minimum(since, np.minimum(one.changed, one.closed) - 1)
    end = np.where(one.revoked, 2, 3)
    states = [
        (everyone, since, np.where(suspended, 1, 0), one.person),
        *(
            (at, days[at], state[at], person[at])
            for at, days, state, person in (
                (np.flatnonzero(one.changed < NEVER), one.changed, np.where(suspended, 1, 0), one.successor),
                (
                    np.flatnonzero(one.closed < NEVER),
                    one.closed,
                    end,
                    np.where(one.changed < one.closed, one.successor, one.person),
                ),
            )
        ),
    ]
    at, days, state, person = (np.concatenate(parts) for parts in zip(*states, strict=True))
    return EventTable(_describe(city, rng, at, days, state, person), "status_changed_on")


def _describe(
    city: City, rng: np.random.Generator, at: Integers, days: Integers, state: Integers, person: Integers
) -> pl.DataFrame:
    order = np.argsort(days, kind="stable")
    at, days, state, person = at[order], days[order], state[order], person[order]
    one, people = city.enterprises, city.representatives
    fixed = city.rng(61)
    capital = np.exp(12.6 + 1.1 * one.size + fixed.normal(scale=0.9, size=len(one)))
    capital = np.where(one.is_individual, capital / 20, np.ceil(capital / 1e5) * 1e5)
    paid = logistic(0.4 - 0.8 * one.risk + fixed.normal(scale=1.0, size=len(one)))
    size = np.digitize(one.size, (0.6, 1.7, 2.6))
    filed = ~happens(rng, logistic(-3.0 + 1.2 * one.risk[at]), len(at))
    unpaid = fixed.random(len(one)) < 0.2
    districts = [str(DIVISION + 1 + place) for place in range(DISTRICTS)]
    return pl.DataFrame(
        {
            AT: pl.Series(at),
            "name": _names(city)[at],
            "enterprise_type": as_codes(one.kind[at], ENTERPRISE_TYPES),
            "industry": as_codes(one.section[at], SECTIONS),
            "region": as_text(one.district[at], districts),
            "established_on": as_dates(one.founded[at]),
            "registered_capital": as_amounts(capital[at]),
            "paid_in_capital": as_amounts((capital * paid)[at], unpaid[at]),
            "status": as_codes(state, _STATES),
            "status_changed_on": as_dates(days),
            "legal_representative": people.names[person],
            "legal_representative_id": people.numbers[person],
            "employees_size": as_codes(size[at], _SIZES),
            "annual_report_filed": as_flags(filed),
        }
    )


def _names(city: City) -> pl.Series:
    """Names that sound real; several enterprises may share one."""
    one, rng = city.enterprises, city.rng(62)
    words = rng.integers(len(_FIRST), size=(2, len(one)))
    places = np.where(happens(rng, 0.5, len(one)), one.district % len(_PLACES), 0)
    return pl.DataFrame(
        {
            "place": as_text(places, _PLACES),
            "first": as_text(words[0], list(_FIRST)),
            "second": as_text(words[1], list(_FIRST)),
            "trade": as_text(one.section, _TRADES),
            "form": as_text(one.kind, _FORMS),
        }
    ).select(pl.concat_str("place", "first", "second", "trade", "form").alias("name"))["name"]
