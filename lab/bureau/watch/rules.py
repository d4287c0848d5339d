"""The rules of the watch: one table, and the comparison of counts with it.

Every rule is a count that further queries can only raise within its days. A share would be simpler to read, but a
prober dilutes a share with queries that cost nothing. Reaching a ceiling is not a finding: a contract is meant to be as
tight as its use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from lab.terms.text.known_names import check_known_names


class RecommendedStep(StrEnum):
    """What an officer should do first about a finding."""

    LOOK = "look"
    """Look at the contract, and ask the bank what it was for."""
    SUSPEND = "suspend"
    """Suspend the contract, then ask the bank: honest use rarely looks like this."""


@dataclass(frozen=True, slots=True)
class MonitoringRule:
    """A count that is a finding above ``limit``, within ``days`` (None: ever); ``counts`` says what is counted."""

    code: str
    zh: str
    en: str
    counts: str
    limit: int
    days: int | None
    step: RecommendedStep


REPEATED_SCORES = 5
"""Scores of one enterprise within ``MONTH_DAYS`` in weekly use; the rule ``many-again`` counts more."""
OVERLAP_THRESHOLD = 0.9
"""The Jaccard overlap (common enterprises over all of both) from which two batches count as the same set."""
MIN_SET_ROWS = 10
"""The smallest batch compared as a set; smaller ones coincide by chance."""
SMALL_BATCH_ROWS = 16
"""A batch of fewer enterprises is small: a ciphertext has room for thousands at the same cost."""
MIN_EXHAUSTED_ENTERPRISES = 3
"""With a ceiling below this, using a period's scores of an enterprise in one day says nothing."""
MONTH_DAYS = 30

MONITORING_RULES: Mapping[str, MonitoringRule] = {
    rule.code: rule
    for rule in (
        MonitoringRule(
            "one-enterprise",
            "一户反复评分",
            "one enterprise scored over and over",
            "scores of the enterprise that the bank scored most, under all its contracts",
            limit=8,
            days=MONTH_DAYS,
            step=RecommendedStep.SUSPEND,
        ),
        MonitoringRule(
            "many-again",
            "多户反复评分",
            "many enterprises scored again",
            f"enterprises that the bank scored more than {REPEATED_SCORES} times, under all its contracts",
            limit=20,
            days=MONTH_DAYS,
            step=RecommendedStep.LOOK,
        ),
        MonitoringRule(
            "same-set",
            "同一组企业反复评分",
            "one set of enterprises scored again and again",
            f"batches of the bank, under all its contracts, that are one set ({OVERLAP_THRESHOLD:.0%} alike)",
            limit=5,
            days=MONTH_DAYS,
            step=RecommendedStep.LOOK,
        ),
        MonitoringRule(
            "shared-set",
            "他行评过同一组企业",
            "another bank scores the same set",
            f"batches of other banks that are one set with a batch of the contract ({OVERLAP_THRESHOLD:.0%} alike)",
            limit=2,
            days=MONTH_DAYS,
            step=RecommendedStep.LOOK,
        ),
        MonitoringRule(
            "small-batches",
            "零星小批过多",
            "many small batches",
            f"batches of fewer than {SMALL_BATCH_ROWS} enterprises",
            limit=200,
            days=MONTH_DAYS,
            step=RecommendedStep.LOOK,
        ),
        MonitoringRule(
            "whole-allowance",
            "一日用尽周期额度",
            "a period's scores used in one day",
            f"enterprises scored within 24 hours as often as the contract allows in its period "
            f"(if that is {MIN_EXHAUSTED_ENTERPRISES} or more)",
            limit=10,
            days=1,
            step=RecommendedStep.SUSPEND,
        ),
        MonitoringRule(
            "returned",
            "退回的批次过多",
            "many batches returned",
            "batches whose evaluation failed or was stopped, so that their charge was refunded",
            limit=20,
            days=MONTH_DAYS,
            step=RecommendedStep.LOOK,
        ),
        MonitoringRule(
            "refused",
            "屡遭拒绝",
            "refused again and again",
            "requests of the bank that were refused: past a ceiling, outside the terms, or about unknown enterprises",
            limit=100,
            days=MONTH_DAYS,
            step=RecommendedStep.LOOK,
        ),
        MonitoringRule(
            "replies",
            "答复数接近噪声所能掩护的上限",
            "replies near what the flood hides",
            "percent used of what the noise of a model's replies may reveal to the bank; past 100 they are refused",
            limit=80,
            days=None,
            step=RecommendedStep.LOOK,
        ),
    )
}


@dataclass(frozen=True, slots=True)
class UsageFinding:
    """A rule that a contract's use has broken: at most ``limit`` expected, ``found`` found. It names no enterprise.

    ``since``: when it was first recorded within the rule's days, in ledger entry ``entry``; None: it is new, and the
    next sweep records it.
    """

    contract: str
    bank: str
    rule: MonitoringRule
    found: int
    limit: int
    since: datetime | None = None
    entry: int | None = None

    @property
    def next_step(self) -> str:
        """The command to run first."""
        if self.rule.step is RecommendedStep.SUSPEND:
            return f"lab officer suspend {self.contract} --reason …, then ask the bank"
        return f"lab officer show {self.contract}; ask the bank what it was for"

    def as_dict(self) -> dict[str, Any]:
        """The finding as the service's JSON."""
        return {
            "contract": self.contract,
            "bank": self.bank,
            "rule": self.rule.code,
            "zh": self.rule.zh,
            "en": self.rule.en,
            "found": self.found,
            "limit": self.limit,
            "days": self.rule.days,
            "since": self.since.isoformat(timespec="seconds") if self.since else None,
            "entry": self.entry,
            "step": self.rule.step.value,
            "next_step": self.next_step,
        }


def merge_limits(changed: Mapping[str, int]) -> dict[str, int]:
    """The limit of every rule, with a bureau's changes; raises ``InvalidInput`` for an unknown rule."""
    rules = ", ".join(MONITORING_RULES)
    check_known_names(changed, MONITORING_RULES, where="watch_limits", next_step=f"name rules of the watch: {rules}")
    return {code: changed.get(code, rule.limit) for code, rule in MONITORING_RULES.items()}


def find_violations(
    contract: str, bank: str, counts: Mapping[str, int], limits: Mapping[str, int] | None = None
) -> list[UsageFinding]:
    """The findings for these counts by rule (a missing count is 0), in the table's order."""
    chosen = merge_limits({}) if limits is None else limits
    return [
        UsageFinding(contract, bank, rule, counts.get(code, 0), chosen[code])
        for code, rule in MONITORING_RULES.items()
        if counts.get(code, 0) > chosen[code]
    ]


def rules_table() -> str:
    """The table as Markdown, for the page on the watch."""
    lines = ["| rule | | counts | more than | within | first |", "|---|---|---|---|---|---|"]
    for rule in MONITORING_RULES.values():
        within = "ever" if rule.days is None else f"{rule.days} d"
        lines.append(f"| `{rule.code}` | {rule.zh} | {rule.counts} | {rule.limit} | {within} | {rule.step} |")
    return "\n".join(lines)


def rules_list(limits: Mapping[str, int]) -> list[dict[str, Any]]:
    """The table with a bureau's own limits, as the service's JSON."""
    return [asdict(rule) | {"limit": limits[code], "step": rule.step.value} for code, rule in MONITORING_RULES.items()]
