"""Reckons a whole assessment: each domain in one pass, deliveries against what was promised, then the scores.

The same records, catalogue, rules, day and baseline give the same document, to the byte. A rule that names a domain
which the catalogue lacks did not run: it is a failure of the first domain that there is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import duckdb

from lab.bureau.data.catalogue.item_definition import Catalogue, Domain, Grain
from lab.bureau.data.quality.assessment.assessment_document import Assessment, CheckResult, DomainScore
from lab.bureau.data.quality.assessment.calendar_windows import sql_window_start
from lab.bureau.data.quality.assessment.delivery_checks import DeliveryFindings, WindowArrival, check_deliveries
from lab.bureau.data.quality.assessment.domain_pass import CheckCount, DomainCounts, DomainPass
from lab.bureau.data.quality.assessment.item_stability import count_since, measure_movement
from lab.bureau.data.quality.assessment.joined_tables import describe_failure, prepare_tables
from lab.bureau.data.quality.assessment.record_checks import (
    BoundValues,
    ReceivedDays,
    RecordCheck,
    list_record_checks,
    quote_name,
)
from lab.bureau.data.quality.assessment.scoring import (
    CheckIdentity,
    judge_count,
    judge_measure,
    mean_score,
    score_departments,
    score_domain,
)
from lab.bureau.data.quality.rules import CheckLimits, QualityDimension, QualityRules
from lab.terms.progress import Progress


@dataclass(frozen=True, slots=True)
class ReceivedSegment:
    """One segment of a manifest: its domain, and the day when the bureau received it.

    ``rows``: those of the delivery that it is from, ``set_aside`` of which could not be read as records. ``adds``:
    whether it has new records, not corrections and deletions alone.
    """

    domain: str
    known_on: date
    rows: int = 0
    set_aside: int = 0
    adds: bool = True


@dataclass(frozen=True, slots=True)
class AssessmentScope:
    """What is assessed. ``day``: for timeliness; ``baseline``: records known later are compared with those known by
    then, None for no comparison; ``manifest``: SHA-256 of the manifest
    of the segments ``received``."""

    manifest: str
    day: date
    baseline: date | None
    received: tuple[ReceivedSegment, ...]


@dataclass(frozen=True, slots=True)
class _Reckoning:
    connection: duckdb.DuckDBPyConnection
    catalogue: Catalogue
    rules: QualityRules
    scope: AssessmentScope


def assess_records(
    connection: duckdb.DuckDBPyConnection,
    catalogue: Catalogue,
    rules: QualityRules,
    scope: AssessmentScope,
    progress: Progress,
) -> Assessment:
    """The assessment of the records in ``connection``: a view or table for each domain, named by it, with columns
    enterprise, record, held_from, held_to, known_on and the items that are not personal.

    Temporary tables whose names begin with ``q_`` are made in it.
    """
    work = _Reckoning(connection, catalogue, rules, scope)
    domains: list[DomainScore] = []
    checks: list[CheckResult] = []
    with progress.stage("quality", len(catalogue.domains) + 1) as stage:
        used = {name for rule in rules.rules for name in rule.uses}
        failures = prepare_tables(connection, [table for table in rules.tables if table.name in used])
        stage.advance()
        for domain in catalogue.domains:
            score, found = _assess_domain(work, domain, dict(failures))
            domains.append(score)
            checks += found
            stage.advance()
    checks += _lost_rules(work)
    return _compose(work, domains, checks)


def _compose(work: _Reckoning, domains: Sequence[DomainScore], checks: Sequence[CheckResult]) -> Assessment:
    thresholds = work.rules.thresholds
    levels = {check.level for check in checks} | {domain.level for domain in domains}
    return Assessment(
        format="shulab-quality/1",
        day=work.scope.day.isoformat(),
        baseline=work.scope.baseline.isoformat() if work.scope.baseline else "",
        manifest=work.scope.manifest,
        catalogue=work.catalogue.sha256,
        rules=work.rules.sha256,
        records=sum(domain.records for domain in domains),
        score=mean_score(domain.score for domain in domains),
        verdict="block" if levels & {"block", "failed"} else "warn" if "warn" in levels else "pass",
        warn_below=float(thresholds.warn_below),
        block_below=float(thresholds.block_below),
        weights={name: float(weight) for name, weight in thresholds.dimension_weights.items()},
        check_weights={name: float(weight) for name, weight in thresholds.check_weights.items()},
        domains=tuple(domains),
        departments=score_departments(work.catalogue, domains, checks, thresholds),
        checks=tuple(checks),
    )


def _assess_domain(work: _Reckoning, domain: Domain, failures: dict[str, str]) -> tuple[DomainScore, list[CheckResult]]:
    segments = [one for one in work.scope.received if one.domain == domain.code]
    days = ReceivedDays.of((one.known_on, one.adds) for one in segments)
    received = days.added
    bound, thresholds = BoundValues(), work.rules.thresholds
    listed = list_record_checks(domain, work.rules, bound, days)
    tables = {table.name: table for table in work.rules.tables}
    counts = DomainPass(work.connection, tables, failures, bound, work.scope.baseline).count(domain, listed)
    checks = [judge_count(_identity_of(check), count) for check, count in zip(listed, counts.checks, strict=True)]
    findings, delivered = _check_deliveries(work, domain, received)
    checks += [*_check_whole_domain(work, domain, counts), *delivered, *_check_stability(work, domain, counts)]
    known = [day.isoformat() for day in received]
    return score_domain(domain, counts.records or 0, checks, findings, known, thresholds), checks


def _check_whole_domain(work: _Reckoning, domain: Domain, counts: DomainCounts) -> Iterator[CheckResult]:
    empty = _identity(work, "domain-empty", domain, QualityDimension.COMPLETENESS, ("没有记录", "no records"))
    reason = "the records could not be read" if counts.records is None else ""
    yield judge_count(empty, CheckCount(1, int(not counts.records), reason))
    words = ("同一记录重复", "the same record twice")
    repeated = _identity(work, "record-repeated", domain, QualityDimension.UNIQUENESS, words, domain.key)
    yield judge_count(repeated, counts.repeated)
    segments = [one for one in work.scope.received if one.domain == domain.code]
    rows, set_aside = sum(one.rows for one in segments), sum(one.set_aside for one in segments)
    words = ("来文行被搁置", "row of a delivery set aside")
    aside = _identity(work, "row-set-aside", domain, QualityDimension.VALIDITY, words)
    yield judge_count(aside, CheckCount(rows, set_aside))


def _check_deliveries(
    work: _Reckoning, domain: Domain, received: Sequence[date]
) -> tuple[DeliveryFindings, list[CheckResult]]:
    thresholds = work.rules.thresholds
    reason, arrivals = "", None
    if domain.grain is Grain.PERIOD:
        try:
            arrivals = _read_arrivals(work, domain)
        except duckdb.Error as error:
            reason, arrivals = describe_failure(error), {}
    grace = thresholds.grace_days[domain.frequency.value]
    found = check_deliveries(domain, received, work.scope.day, grace, arrivals, thresholds.thin_share)
    timeliness = QualityDimension.TIMELINESS
    missing = _identity(work, "delivery-missing", domain, timeliness, ("缺期", "period not delivered"))
    late = _identity(work, "delivery-late", domain, timeliness, ("迟送", "period delivered late"))
    checks = [
        judge_count(missing, CheckCount(found.due, len(found.missing), reason), found.missing),
        judge_count(late, CheckCount(found.delivered, len(found.late), reason), found.late),
    ]
    if domain.grain is Grain.PERIOD:
        words = ("某期记录明显偏少", "period with far fewer records than the one before")
        thin = _identity(work, "period-thin", domain, QualityDimension.COMPLETENESS, words)
        checks.append(judge_count(thin, CheckCount(found.closed, len(found.thin), reason), found.thin))
    return found, checks


def _read_arrivals(work: _Reckoning, domain: Domain) -> dict[date, WindowArrival]:
    start = sql_window_start("held_from", domain.frequency)
    # Dates that Python cannot hold, or that are out of range, are counted by the checks of dates.
    found = work.connection.execute(
        f"SELECT {start} AS start, count(*), min(known_on) FROM {quote_name(domain.code)} "
        "WHERE held_from BETWEEN $earliest AND $latest GROUP BY start",
        {"earliest": work.rules.thresholds.earliest_date, "latest": work.scope.day},
    ).fetchall()
    return {one: WindowArrival(records, known_on) for one, records, known_on in found}


def _check_stability(work: _Reckoning, domain: Domain, counts: DomainCounts) -> Iterator[CheckResult]:
    for item, bins in counts.bins.items():
        words = ("分布变化", "distribution moved")
        identity = _identity(work, "item-moved", domain, QualityDimension.STABILITY, words, (item,))
        if isinstance(bins, str):
            yield judge_measure(identity, 0, None, bins)
        else:
            yield judge_measure(identity, count_since(bins), measure_movement(bins))


def _lost_rules(work: _Reckoning) -> Iterator[CheckResult]:
    """Rules, expectations and limits that name what the catalogue lacks: they did not run."""
    known = {domain.code for domain in work.catalogue.domains}
    items = {item.code for item in work.catalogue.items}
    for rule in work.rules.rules:
        for code in rule.domains:
            absent = tuple(name for name in rule.items if f"{code}.{name}" not in items)
            if code not in known or (absent and len(rule.domains) == 1):
                yield _lost(rule.code, code, absent, rule.dimension, (rule.zh, rule.en))
    stated = {*work.rules.expected, *work.rules.due_from, *work.rules.may_be_future, *work.rules.may_be_negative}
    excepted = {name.partition(":")[2] for name in work.rules.thresholds.limits if ":" in name}
    for name in sorted((stated | excepted) - items - known):
        domain, _, item = name.partition(".")
        words = ("规则或阈值所指不在目录中", "the rules or limits name what the catalogue lacks")
        yield _lost("item-unknown", domain, (item,) if item else (), QualityDimension.VALIDITY, words)


def _lost(
    code: str, domain: str, items: tuple[str, ...], dimension: QualityDimension, words: tuple[str, str]
) -> CheckResult:
    identity = CheckIdentity(code, domain, items, dimension, *words, CheckLimits(0.0, 0.0))
    return judge_count(identity, CheckCount(reason="the catalogue has no such domain or item"))


def _identity(
    work: _Reckoning,
    kind: str,
    domain: Domain,
    dimension: QualityDimension,
    words: tuple[str, str],
    items: tuple[str, ...] = (),
) -> CheckIdentity:
    limits = work.rules.thresholds.limits_of(kind, domain.code, items[0] if len(items) == 1 else "")
    return CheckIdentity(kind, domain.code, items, dimension, *words, limits)


def _identity_of(check: RecordCheck) -> CheckIdentity:
    return CheckIdentity(check.code, check.domain, check.items, check.dimension, check.zh, check.en, check.limits)
