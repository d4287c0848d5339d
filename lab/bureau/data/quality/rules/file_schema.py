"""The form of the two rule files: every key is known, every number is in its range."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lab.bureau.data.quality.rules.rule_definition import (
    CheckLimits,
    JoinedTable,
    QualityDimension,
    QualityRule,
    QualityThresholds,
)

CHECK_KINDS = (
    "domain-empty",
    "required-missing",
    "optional-missing",
    "period-thin",
    "record-repeated",
    "code-unknown",
    "date-out-of-range",
    "date-in-future",
    "dates-reversed",
    "number-negative",
    "number-too-large",
    "period-not-first-day",
    "row-set-aside",
    "record-late",
    "delivery-late",
    "delivery-missing",
    "item-moved",
)
"""The kinds of checks that the program makes by itself; ``thresholds.toml`` has limits for each."""

Slug = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
ItemCode = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}\.[a-z][a-z0-9_]{0,62}$")]
LimitName = Annotated[str, Field(pattern=r"^[a-z-]{1,40}(:[a-z][a-z0-9_]{0,62}(\.[a-z][a-z0-9_]{0,62})?)?$")]
Words = Annotated[str, Field(min_length=1, max_length=300)]
Condition = Annotated[str, Field(min_length=1, max_length=2_000)]
Share = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, le=1_000, allow_inf_nan=False)]


class _StrictEntry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class JoinedTableEntry(_StrictEntry):
    """A ``[[tables]]`` entry."""

    name: Slug
    key: Annotated[tuple[Slug, ...], Field(min_length=1, max_length=4)]
    reads: Annotated[tuple[Slug, ...], Field(min_length=1, max_length=8)]
    sql: Annotated[str, Field(min_length=1, max_length=10_000)]

    def as_table(self) -> JoinedTable:
        """The entry as a table."""
        return JoinedTable(self.name, self.key, self.reads, self.sql.strip())


class QualityRuleEntry(_StrictEntry):
    """A ``[[rules]]`` entry."""

    code: Code
    dimension: Literal["completeness", "uniqueness", "validity", "timeliness", "consistency"]
    domains: Annotated[tuple[Slug, ...], Field(min_length=1, max_length=64)]
    zh: Words
    en: Words
    faulty: Condition
    applies: Annotated[str, Field(max_length=2_000)] = ""
    uses: Annotated[tuple[Slug, ...], Field(max_length=8)] = ()
    items: Annotated[tuple[Slug, ...], Field(max_length=32)] = ()
    warn_above: Share = 0.0
    block_above: Share = 1.0

    def as_rule(self) -> QualityRule:
        """The entry as a rule."""
        return QualityRule(
            code=self.code,
            dimension=QualityDimension(self.dimension),
            domains=self.domains,
            zh=self.zh,
            en=self.en,
            faulty=self.faulty.strip(),
            applies=self.applies.strip(),
            uses=self.uses,
            items=self.items,
            limits=CheckLimits(self.warn_above, self.block_above),
        )


class QualityRuleFile(_StrictEntry):
    """``rules.toml``."""

    format: Literal["shulab-quality-rules/1"]
    tables: tuple[JoinedTableEntry, ...] = ()
    rules: tuple[QualityRuleEntry, ...] = ()
    expected: dict[ItemCode, Condition] = {}
    due_from: dict[Slug, Condition] = {}
    may_be_future: tuple[ItemCode, ...] = ()
    may_be_negative: tuple[ItemCode, ...] = ()


class CheckLimitEntry(_StrictEntry):
    """The two limits of a kind of check."""

    warn_above: Share
    block_above: Share


class ScoreLimitEntry(_StrictEntry):
    """``[scores]``: limits of a domain's score, 0 to 100."""

    warn_below: Annotated[float, Field(ge=0, le=100)]
    block_below: Annotated[float, Field(ge=0, le=100)]


class ValueRangeEntry(_StrictEntry):
    """``[ranges]``: what a date, a number and a period's number of records may be."""

    earliest_date: date
    latest_date: date
    largest_number: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    thin_share: Annotated[float, Field(ge=0, le=1)]


class DimensionWeightsEntry(_StrictEntry):
    """``[weights]``: the weight of each dimension in a score."""

    completeness: Weight
    uniqueness: Weight
    validity: Weight
    timeliness: Weight
    consistency: Weight
    stability: Weight


class GraceDaysEntry(_StrictEntry):
    """``[grace_days]``: by frequency."""

    daily: Annotated[int, Field(ge=0, le=366)]
    weekly: Annotated[int, Field(ge=0, le=366)]
    monthly: Annotated[int, Field(ge=0, le=366)]
    quarterly: Annotated[int, Field(ge=0, le=366)]
    yearly: Annotated[int, Field(ge=0, le=732)]


class QualityThresholdFile(_StrictEntry):
    """``thresholds.toml``."""

    format: Literal["shulab-quality-thresholds/1"]
    weights: DimensionWeightsEntry
    check_weights: dict[Code, Weight] = {}
    scores: ScoreLimitEntry
    grace_days: GraceDaysEntry
    ranges: ValueRangeEntry
    limits: dict[LimitName, CheckLimitEntry]

    @model_validator(mode="after")
    def _every_kind_has_limits(self) -> QualityThresholdFile:
        named = {name.partition(":")[0] for name in self.limits}
        missing = set(CHECK_KINDS) - set(self.limits)
        if missing or not named <= set(CHECK_KINDS) or not set(self.check_weights) <= set(CHECK_KINDS):
            raise ValueError("limits and weights name every kind of check, and no other")
        return self

    def as_thresholds(self) -> QualityThresholds:
        """The file as thresholds."""
        return QualityThresholds(
            dimension_weights=self.weights.model_dump(),
            check_weights=dict(self.check_weights),
            limits={name: CheckLimits(one.warn_above, one.block_above) for name, one in self.limits.items()},
            warn_below=self.scores.warn_below,
            block_below=self.scores.block_below,
            grace_days=self.grace_days.model_dump(),
            earliest_date=self.ranges.earliest_date,
            latest_date=self.ranges.latest_date,
            largest_number=self.ranges.largest_number,
            thin_share=self.ranges.thin_share,
        )
