"""From checks to scores: one check, one item, one domain, one department, the whole.

A check's score is 100 times the share without a fault; for stability, 100 times one less the index. A check that did
not run scores 0. The score of a dimension is the mean of its checks, weighted by kind; that of an item or a domain is
the mean of its dimensions, weighted. A domain's dimension is over all its checks. A department's score is the mean of
its domains', and the whole is the mean of all domains with records.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lab.bureau.data.catalogue.item_definition import Catalogue, Domain
from lab.bureau.data.quality.assessment.assessment_document import (
    CheckLevel,
    CheckResult,
    DepartmentScore,
    DomainScore,
    ItemScore,
    Scores,
    Verdict,
)
from lab.bureau.data.quality.assessment.delivery_checks import DeliveryFindings
from lab.bureau.data.quality.assessment.domain_pass import CheckCount
from lab.bureau.data.quality.rules import CheckLimits, QualityDimension, QualityThresholds


@dataclass(frozen=True, slots=True)
class CheckIdentity:
    """What a check is, whatever it finds."""

    code: str
    domain: str
    items: tuple[str, ...]
    dimension: QualityDimension
    zh: str
    en: str
    limits: CheckLimits


def judge_count(identity: CheckIdentity, count: CheckCount, periods: tuple[str, ...] = ()) -> CheckResult:
    """The result of a check that counted faults."""
    if count.reason:
        return _result(identity, count, "failed", 0.0, periods)
    if not count.checked:
        return _result(identity, count, "not-applicable", None, periods)
    score = round(100 * (1 - count.faults / count.checked), 2)
    return _result(identity, count, _level(count.faults / count.checked, identity.limits), score, periods)


def judge_measure(identity: CheckIdentity, checked: int, measure: float | None, reason: str = "") -> CheckResult:
    """The result of a check of stability: ``measure`` is compared with the limits; None: too few records."""
    count = CheckCount(checked, 0, reason)
    if reason:
        return _result(identity, count, "failed", 0.0)
    if measure is None:
        return _result(identity, count, "not-applicable", None)
    score = round(100 * max(0.0, 1 - measure), 2)
    return _result(identity, count, _level(measure, identity.limits), score, measure=measure)


def score_domain(
    domain: Domain,
    records: int,
    checks: Sequence[CheckResult],
    found: DeliveryFindings,
    known: Sequence[str],
    thresholds: QualityThresholds,
) -> DomainScore:
    """The score of a domain and its items from all its checks; ``known``: days of its deliveries, in order."""
    dimensions = _dimensions(checks, thresholds) if records else {}
    score = _weighted(dimensions, thresholds) if records else None
    items = []
    for item in domain.items:
        own = _dimensions([check for check in checks if item.name in check.items], thresholds) if records else {}
        items.append(
            ItemScore(
                item.name, item.zh, item.en, item.required, item.personal,
                None if item.personal else _weighted(own, thresholds), own,
            )
        )  # fmt: skip
    return DomainScore(
        code=domain.code,
        zh=domain.zh,
        en=domain.en,
        owner_zh=domain.owner_zh,
        owner_en=domain.owner_en,
        frequency=domain.frequency.value,
        records=records,
        score=score,
        level=_domain_level(score, checks, thresholds),
        dimensions=dimensions,
        items=tuple(items),
        first_known_on=known[0] if known else "",
        last_known_on=known[-1] if known else "",
        late_days=found.late_days,
        late_periods=found.late,
        missing_periods=found.missing,
    )


def score_departments(
    catalogue: Catalogue, domains: Sequence[DomainScore], checks: Sequence[CheckResult], thresholds: QualityThresholds
) -> tuple[DepartmentScore, ...]:
    """The scores of the owner departments, in order of the catalogue."""
    owners = dict.fromkeys((domain.owner_zh, domain.owner_en) for domain in catalogue.domains)
    found = []
    for owner in owners:
        own = [one for one in domains if (one.owner_zh, one.owner_en) == owner]
        codes = {one.code for one in own}
        levels = [check.level for check in checks if check.domain in codes]
        names = dict.fromkeys(name for one in own for name in one.dimensions)
        found.append(
            DepartmentScore(
                zh=owner[0],
                en=owner[1],
                domains=tuple(one.code for one in own),
                records=sum(one.records for one in own),
                score=mean_score(one.score for one in own),
                dimensions={
                    name: round(sum(values) / len(values), 2)
                    for name in names
                    if (values := [one.dimensions[name] for one in own if name in one.dimensions])
                },
                late_days=max((one.late_days for one in own), default=0),
                late_periods=sum(len(one.late_periods) for one in own),
                missing_periods=sum(len(one.missing_periods) for one in own),
                warnings=levels.count("warn"),
                blocks=levels.count("block") + levels.count("failed"),
            )
        )
    return tuple(found)


def mean_score(scores: Iterable[float | None]) -> float | None:
    """The mean of the scores that there are; None for none."""
    there = [score for score in scores if score is not None]
    return round(sum(there) / len(there), 2) if there else None


def _level(share: float, limits: CheckLimits) -> CheckLevel:
    return "block" if share > limits.block_above else "warn" if share > limits.warn_above else "pass"


def _domain_level(score: float | None, checks: Sequence[CheckResult], thresholds: QualityThresholds) -> Verdict:
    low = score is not None and score < thresholds.block_below
    if low or any(check.blocks for check in checks):
        return "block"
    warned = score is not None and score < thresholds.warn_below
    return "warn" if warned or any(check.level == "warn" for check in checks) else "pass"


def _dimensions(checks: Sequence[CheckResult], thresholds: QualityThresholds) -> Scores:
    found = {}
    for dimension in QualityDimension:
        scored = [
            (check.score, thresholds.check_weights.get(check.code, 1.0))
            for check in checks
            if check.dimension == dimension.value and check.score is not None
        ]
        weight = sum(one for _, one in scored)
        if weight:
            found[dimension.value] = round(sum(score * one for score, one in scored) / weight, 2)
    return found


def _weighted(dimensions: Scores, thresholds: QualityThresholds) -> float | None:
    weights = {name: thresholds.dimension_weights[name] for name in dimensions}
    weight = sum(weights.values())
    return round(sum(dimensions[name] * one for name, one in weights.items()) / weight, 2) if weight else None


def _result(
    identity: CheckIdentity,
    count: CheckCount,
    level: CheckLevel,
    score: float | None,
    periods: tuple[str, ...] = (),
    measure: float | None = None,
) -> CheckResult:
    return CheckResult(
        code=identity.code,
        domain=identity.domain,
        items=identity.items,
        dimension=identity.dimension.value,
        zh=identity.zh,
        en=identity.en,
        checked=count.checked,
        faults=count.faults,
        level=level,
        score=score,
        warn_above=identity.limits.warn_above,
        block_above=identity.limits.block_above,
        measure=measure,
        reason=count.reason,
        periods=periods,
    )
