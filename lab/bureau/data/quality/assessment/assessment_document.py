"""The document of an assessment: canonical JSON, counts and scores, no value of a record.

Shares are from 0 to 1, scores from 0 to 100 with two decimals. ``None`` for a score: nothing was there to check.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.shared.canonical_json import parse_strict

_LARGEST_DOCUMENT = 64 << 20
CheckLevel = Literal["pass", "warn", "block", "failed", "not-applicable"]
"""``failed``: the check did not run, which blocks publication as ``block`` does."""
Verdict = Literal["pass", "warn", "block"]
Scores = dict[str, float]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check: ``faults`` of ``checked``. ``code``: the kind, or the rule's code; ``items``: those it is charged to,
    none for the domain as a whole. ``measure``: what is compared with the limits where it is no share (stability).
    ``reason``: why it did not run; ``periods``: the periods that are meant, for deliveries.
    """

    code: str
    domain: str
    items: tuple[str, ...]
    dimension: str
    zh: str
    en: str
    checked: int
    faults: int
    level: CheckLevel
    score: float | None
    warn_above: float
    block_above: float
    measure: float | None = None
    reason: str = ""
    periods: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What names the check in messages: ``CODE:DOMAIN`` or ``CODE:DOMAIN.ITEM``."""
        item = f".{self.items[0]}" if len(self.items) == 1 else ""
        return f"{self.code}:{self.domain}{item}"

    @property
    def blocks(self) -> bool:
        """Whether nothing may be published because of it."""
        return self.level in ("block", "failed")


@dataclass(frozen=True, slots=True)
class ItemScore:
    """The score of one item. ``sealed``: a personal item, which is encrypted and was not assessed."""

    name: str
    zh: str
    en: str
    required: bool
    sealed: bool
    score: float | None
    dimensions: Scores


@dataclass(frozen=True, slots=True)
class DomainScore:
    """The score of one domain. Days are ISO text, empty without a delivery. ``late_days``: the most of any period."""

    code: str
    zh: str
    en: str
    owner_zh: str
    owner_en: str
    frequency: str
    records: int
    score: float | None
    level: Verdict
    dimensions: Scores
    items: tuple[ItemScore, ...]
    first_known_on: str
    last_known_on: str
    late_days: int
    late_periods: tuple[str, ...]
    missing_periods: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DepartmentScore:
    """The score of one owner department: the mean of its domains' scores."""

    zh: str
    en: str
    domains: tuple[str, ...]
    records: int
    score: float | None
    dimensions: Scores
    late_days: int
    late_periods: int
    missing_periods: int
    warnings: int
    blocks: int


@dataclass(frozen=True, slots=True)
class Assessment:
    """A whole assessment. ``manifest``, ``catalogue``, ``rules``: SHA-256 of what it depends on. ``baseline``: the day
    that parts the records known before from those that came since, for stability; empty without one."""

    format: Literal["shulab-quality/1"]
    day: str
    baseline: str
    manifest: str
    catalogue: str
    rules: str
    records: int
    score: float | None
    verdict: Verdict
    warn_below: float
    block_below: float
    weights: Scores
    check_weights: Scores
    domains: tuple[DomainScore, ...]
    departments: tuple[DepartmentScore, ...]
    checks: tuple[CheckResult, ...]

    @property
    def blocking(self) -> tuple[str, ...]:
        """What blocks publication: names of checks, and ``score:DOMAIN`` of domains whose score is too low."""
        low = [f"score:{one.code}" for one in self.domains if one.score is not None and one.score < self.block_below]
        return (*(check.name for check in self.checks if check.blocks), *low)

    @property
    def failed(self) -> tuple[CheckResult, ...]:
        """The checks that did not run."""
        return tuple(check for check in self.checks if check.level == "failed")

    @property
    def warnings(self) -> tuple[str, ...]:
        """What warns: names of checks, and ``score:DOMAIN``."""
        low = [
            f"score:{one.code}"
            for one in self.domains
            if one.score is not None and self.block_below <= one.score < self.warn_below
        ]
        return (*(check.name for check in self.checks if check.level == "warn"), *low)


def parse_assessment(data: bytes) -> Assessment:
    """The assessment of a kept file; raises ``InvalidInput`` naming the parts that do not fit."""
    return parse_strict(Assessment, data, what="an assessment of quality", max_bytes=_LARGEST_DOCUMENT)
