"""Assesses the records of a bureau as of a manifest, and keeps the outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.catalogue import Catalogue, current_catalogue
from lab.bureau.data.quality.assessment import Assessment, AssessmentScope, ReceivedSegment, assess_records
from lab.bureau.data.quality.kept_assessments import (
    AssessedQuestion,
    KeptAssessment,
    find_kept,
    keep_assessment,
    read_kept,
)
from lab.bureau.data.quality.rules import QualityRules, current_rules
from lab.bureau.data.records import ADD, Manifest, RecordStore, open_records
from lab.bureau.store import Database
from lab.bureau.store.tables import DeliveryRow
from lab.disk.checked_files import DamagedFile
from lab.terms.errors import Conflict, InvalidInput, NotFound
from lab.terms.local_day import local_day
from lab.terms.progress import SILENT, Progress

BASELINE_DAYS = 31
"""Unless told otherwise, the records of the last 31 days before the newest delivery are compared with those before."""


@dataclass(frozen=True, slots=True)
class AssessmentOutcome:
    """``new``: whether it was recorded now; else it was kept before, as the same question has the same answer."""

    kept: KeptAssessment
    assessment: Assessment
    new: bool


@dataclass(frozen=True, slots=True)
class AssessmentRequest:
    """What to assess. ``as_of``: the records known at the end of that day; ``day``: for which deliveries are judged,
    the day of the newest delivery by default; ``baseline``: records known later are compared with those known by then,
    ``BASELINE_DAYS`` before the newest delivery by default."""

    as_of: date | None = None
    day: date | None = None
    baseline: date | None = None


class QualityService:
    """The quality of one bureau's records."""

    def __init__(self, home: BureauHome, store: Database, records: RecordStore, clock: Callable[[], datetime]) -> None:
        self._home, self._store, self._records, self._now = home, store, records, clock

    def assess(self, request: AssessmentRequest, *, by: str, progress: Progress = SILENT) -> AssessmentOutcome:
        """Assess and keep, or give what was kept of the same question.

        Raises ``NotFound`` without records, ``InvalidInput`` for days that do not fit or rules that do not fit,
        ``DamagedFile`` for records that are not as they were stored.
        """
        rules = current_rules(self._home)
        with self._store.begin_read() as session:
            catalogue = current_catalogue(self._home, session)
            manifest = self._records.manifest_as_of(session, request.as_of)
            scope = self._scope(session, manifest, request)
            question = _question(scope, catalogue, rules)
            before = find_kept(session, question)
        if before is not None and not before.failed:
            known = self._read(before)
            if known is not None:
                return AssessmentOutcome(before, known, new=False)
        with open_records(self._records, manifest, catalogue) as connection:
            found = assess_records(connection, catalogue, rules, scope, progress)
        return self._keep(found, before, by)

    def _keep(self, found: Assessment, before: KeptAssessment | None, by: str) -> AssessmentOutcome:
        try:
            with self._store.begin() as session:
                kept = keep_assessment(self._home, session, found, now=self._now(), by=by)
        except IntegrityError:
            raise Conflict(
                "The same records were assessed at the same time.",
                next_step="look at it with `lab bureau quality report`",
            ) from None
        return AssessmentOutcome(kept, found, new=before is None or before.sha256 != kept.sha256)

    def _read(self, kept: KeptAssessment) -> Assessment | None:
        """The kept document; None if its file is lost or damaged, so that it is made again."""
        try:
            return read_kept(self._home, kept)
        except DamagedFile:
            return None

    def _scope(self, session: Session, manifest: Manifest, request: AssessmentRequest) -> AssessmentScope:
        newest = max((one.known_on for one in manifest.segments), default=None)
        if newest is None:
            raise NotFound(
                "Expected records to assess; the bureau holds none.",
                next_step="import some with `lab bureau records import`",
            )
        day = request.day or newest
        if not newest <= day <= local_day(self._now()):
            raise InvalidInput(
                "Expected a day from that of the newest delivery to today; found another.", next_step="check --day"
            )
        first = min(one.known_on for one in manifest.segments)
        baseline = request.baseline or newest - timedelta(days=BASELINE_DAYS)
        if request.baseline is not None and not first <= baseline < newest:
            raise InvalidInput(
                "Expected a baseline from the day of the first delivery to before that of the newest; found another.",
                next_step="check --baseline",
            )
        return AssessmentScope(
            manifest=manifest.sha256,
            day=day,
            baseline=baseline if baseline >= first else None,
            received=_received(session, manifest),
        )


def _received(session: Session, manifest: Manifest) -> tuple[ReceivedSegment, ...]:
    """The segments with the rows of their deliveries. The first reading of a file counts; the same file again changed
    nothing."""
    rows: dict[tuple[str, str, str], DeliveryRow] = {}
    for row in session.scalars(select(DeliveryRow).order_by(DeliveryRow.id)):
        rows.setdefault((row.domain, row.source_sha256, row.mapping_sha256), row)
    found = []
    for segment in manifest.segments:
        delivery = rows.pop((segment.domain, segment.source_sha256, segment.mapping_sha256), None)
        counts = (delivery.rows, delivery.set_aside) if delivery is not None else (0, 0)
        adds = ADD in segment.operations
        found.append(ReceivedSegment(segment.domain, segment.known_on, *counts, adds=adds))
    return tuple(found)


def _question(scope: AssessmentScope, catalogue: Catalogue, rules: QualityRules) -> AssessedQuestion:
    baseline = scope.baseline.isoformat() if scope.baseline else ""
    return AssessedQuestion(scope.manifest, catalogue.sha256, rules.sha256, scope.day.isoformat(), baseline)
