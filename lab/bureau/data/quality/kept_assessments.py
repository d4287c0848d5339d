"""Assessments that are kept: a checked file in ``quality/``; a row with its hash and a ledger entry in one transaction.

The file is written before the row that names it, so a crash leaves at most a file that nothing names; the same
assessment then names it. The same question again (manifest, catalogue, rules, day, baseline) has the same answer, and
is not recorded again, unless checks had not run: then a new answer replaces that one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.quality.assessment import Assessment, parse_assessment
from lab.bureau.ledger import Fact, record
from lab.bureau.store.tables import QualityAssessmentRow
from lab.disk.checked_files import DamagedFile, pack_checked, read_checked
from lab.disk.private_files import replace_private
from lab.terms.errors import NotFound
from models.shared.canonical_json import dump_canonical

FOLDER = "quality"
DAMAGED_HINT = "assess again with `lab bureau quality assess`: the same records give the same file"


@dataclass(frozen=True, slots=True)
class KeptAssessment:
    """One row of the history. ``score``: 0 to 100; None without a record."""

    sha256: str
    manifest: str
    catalogue: str
    rules: str
    day: str
    baseline: str
    file: str
    records: int
    score: float | None
    verdict: str
    checks: int
    warnings: int
    blocks: int
    failed: int
    assessed_at: datetime


@dataclass(frozen=True, slots=True)
class AssessedQuestion:
    """What an assessment depends on."""

    manifest: str
    catalogue: str
    rules: str
    day: str
    baseline: str


def find_kept(session: Session, question: AssessedQuestion) -> KeptAssessment | None:
    """The kept assessment of this question; None if there is none."""
    row = _find_row(session, question)
    return None if row is None else _describe(row)


def kept_of_latest_day(session: Session, manifest: str, catalogue: str, rules: str) -> Sequence[KeptAssessment]:
    """The assessments of this state for the latest day that there is, the newest first; of several baselines."""
    found = (
        select(QualityAssessmentRow)
        .filter_by(manifest=manifest, catalogue=catalogue, rules=rules)
        .order_by(QualityAssessmentRow.assessed_at.desc(), QualityAssessmentRow.id.desc())
    )
    rows = [_describe(row) for row in session.scalars(found)]
    latest = max((row.day for row in rows), default="")
    return [row for row in rows if row.day == latest]


def list_kept(session: Session) -> Sequence[KeptAssessment]:
    """All assessments, by day, then as they were made; the newest last."""
    order = (QualityAssessmentRow.day, QualityAssessmentRow.assessed_at, QualityAssessmentRow.id)
    return [_describe(row) for row in session.scalars(select(QualityAssessmentRow).order_by(*order))]


def newest_scores(home: BureauHome, session: Session) -> tuple[str | None, dict[str, float]]:
    """The latest day for which there is an assessment, and the score of each domain in it (0 to 100; domains without
    one are left out); of several of that day, the last made. ``(None, {})`` without an assessment.

    Raises ``DamagedFile``.
    """
    order = (QualityAssessmentRow.day, QualityAssessmentRow.assessed_at, QualityAssessmentRow.id)
    row = session.scalars(select(QualityAssessmentRow).order_by(*(one.desc() for one in order)).limit(1)).first()
    if row is None:
        return None, {}
    found = read_kept(home, _describe(row))
    return found.day, {one.code: one.score for one in found.domains if one.score is not None}


def choose_kept(session: Session, prefix: str) -> KeptAssessment:
    """The assessment whose hash begins with ``prefix``; empty: the last one made. Raises ``NotFound``."""
    kept = list_kept(session)
    if not prefix:
        found = sorted(kept, key=lambda one: one.assessed_at)[-1:]
    else:
        found = [one for one in kept if one.sha256.startswith(prefix.lower())]
    if len(found) != 1:
        raise NotFound(
            f"Expected one assessment of quality; found {len(found)}.",
            next_step="assess with `lab bureau quality assess`; `lab bureau quality history` lists them",
        )
    return found[0]


def read_kept(home: BureauHome, kept: KeptAssessment) -> Assessment:
    """The document of a kept assessment; raises ``DamagedFile`` unless it is the one that was recorded."""
    path = home.path(kept.file)
    try:
        content = read_checked(path, identity=kept.file, next_step=DAMAGED_HINT)
    except FileNotFoundError:
        raise DamagedFile(
            path, detail=f"Expected the assessment {path.name}; there is none.", next_step=DAMAGED_HINT
        ) from None
    if hashlib.sha256(content).hexdigest() != kept.sha256:
        raise DamagedFile(path, next_step=DAMAGED_HINT)
    return parse_assessment(content)


def keep_assessment(home: BureauHome, session: Session, found: Assessment, *, now: datetime, by: str) -> KeptAssessment:
    """Keep an assessment in ``session``'s transaction, and record it; the same one is kept once."""
    content = dump_canonical(found)
    sha256 = hashlib.sha256(content).hexdigest()
    file = f"{FOLDER}/{sha256}.json"
    packed = pack_checked(content, file)
    question = AssessedQuestion(found.manifest, found.catalogue, found.rules, found.day, found.baseline)
    row = _find_row(session, question)
    replace_private(home.path(file), packed)  # also mends a file that was lost
    if row is not None and row.sha256 == sha256:
        return _describe(row)
    if row is None:
        row = QualityAssessmentRow(
            manifest=found.manifest,
            catalogue=found.catalogue,
            rules=found.rules,
            day=found.day,
            baseline=found.baseline,
        )
        session.add(row)
    row.sha256, row.file, row.file_sha256 = sha256, file, hashlib.sha256(packed).hexdigest()
    row.records, row.score = found.records, None if found.score is None else round(found.score * 100)
    row.verdict, row.checks, row.assessed_at = found.verdict, len(found.checks), now
    row.failed = len(found.failed)
    row.warnings, row.blocks = len(found.warnings), len(found.blocking)
    session.flush()
    record(session, "quality.assessed", None, _facts(row), by=by)
    return _describe(row)


def _find_row(session: Session, question: AssessedQuestion) -> QualityAssessmentRow | None:
    wanted = select(QualityAssessmentRow).filter_by(
        manifest=question.manifest,
        catalogue=question.catalogue,
        rules=question.rules,
        day=question.day,
        baseline=question.baseline,
    )
    return session.scalars(wanted).one_or_none()


def _facts(row: QualityAssessmentRow) -> dict[str, Fact]:
    return {
        "sha256": row.sha256,
        "manifest": row.manifest,
        "catalogue": row.catalogue,
        "rules": row.rules,
        "day": row.day,
        "baseline": row.baseline,
        "records": row.records,
        "score_hundredths": row.score,
        "verdict": row.verdict,
        "checks": row.checks,
        "warnings": row.warnings,
        "blocks": row.blocks,
        "failed": row.failed,
    }


def _describe(row: QualityAssessmentRow) -> KeptAssessment:
    return KeptAssessment(
        sha256=row.sha256,
        manifest=row.manifest,
        catalogue=row.catalogue,
        rules=row.rules,
        day=row.day,
        baseline=row.baseline,
        file=row.file,
        records=row.records,
        score=None if row.score is None else row.score / 100,
        verdict=row.verdict,
        checks=row.checks,
        warnings=row.warnings,
        blocks=row.blocks,
        failed=row.failed,
        assessed_at=row.assessed_at,
    )
