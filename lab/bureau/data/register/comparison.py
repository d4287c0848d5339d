"""Comparing a prepared register with its previous version and with models, before it becomes a version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.catalogue import CatalogueItem, save_items
from lab.bureau.data.quality import (
    ColumnReport,
    DriftFinding,
    compare_with_model,
    compare_with_version,
    load_column_reports,
    measure_columns,
    save_drift,
)
from lab.bureau.data.quality.column_report import SAMPLE_ROWS
from lab.bureau.data.quality.drift_records import refuse_drift
from lab.bureau.data.register.preparation import PreparedRegister
from lab.bureau.data.register.snapshot import spread_rows
from lab.bureau.store import Database
from lab.bureau.store.tables import RegisterRow
from lab.terms.errors import InvalidInput
from lab.terms.names import ModelRef
from models.bureau.model import Model


@dataclass(frozen=True)
class DriftPolicy:
    """With which published models a new version is compared, and whether a person accepts what is too far from them."""

    models: Sequence[Model] = ()
    accept: bool = False


@dataclass(frozen=True)
class RegisterComparison:
    """The items of the new version, the report of each column, and what changed. ``accepted``: as the policy says.

    ``models``: what changed since each was trained; ``previous``: since the previous version, None for a first one.
    """

    items: Sequence[CatalogueItem]
    reports: Mapping[str, ColumnReport]
    models: Mapping[ModelRef, Sequence[DriftFinding]]
    previous: Sequence[DriftFinding] | None
    accepted: bool

    @property
    def findings(self) -> dict[str, Sequence[DriftFinding]]:
        """What changed, by the name of what the version was compared with; without what did not change."""
        found: dict[str, Sequence[DriftFinding]] = {"previous version": self.previous or ()}
        found |= {f"model {model}": findings for model, findings in self.models.items()}
        return {name: findings for name, findings in found.items() if findings}

    @property
    def accepted_count(self) -> int:
        """How many differences a person accepted that would have stopped the import."""
        return sum(finding.level == "stop" for findings in self.findings.values() for finding in findings)


def compare_register(
    store: Database,
    home: BureauHome,
    name: str,
    found: PreparedRegister,
    items: Sequence[CatalogueItem],
    policy: DriftPolicy,
) -> RegisterComparison:
    """Compare; raises ``InvalidInput`` for what is too far from the previous version or a model, unless accepted."""
    columns = [item.column for item in items]
    sample = spread_rows(found.file, columns, SAMPLE_ROWS)
    descriptions = {item.column: item.as_feature_words for item in items}
    reports = measure_columns(sample, found.summaries, descriptions)
    with store.begin_read() as session:
        newest = session.scalars(
            select(RegisterRow).where(RegisterRow.name == name).order_by(RegisterRow.version.desc()).limit(1)
        ).first()
        before, unreadable = _reports_before(session, home, name, newest)
        rows_before = newest.rows if newest is not None else 0
    previous = None
    if newest is not None:
        previous = [*unreadable, *compare_with_version(sample, found.rows, before, rows_before)]
    models = {ModelRef(model.name, model.version): compare_with_model(sample, model) for model in policy.models}
    refuse_drift(previous or (), "the previous version", accepted=policy.accept)
    for model, findings in models.items():
        refuse_drift(findings, f"the training of model {model}", accepted=policy.accept)
    return RegisterComparison(items, reports, models, previous, policy.accept)


def _reports_before(
    session: Session, home: BureauHome, name: str, newest: RegisterRow | None
) -> tuple[dict[str, ColumnReport], list[DriftFinding]]:
    """The reports of the newest version; if they are lost or altered, a finding that a person must accept."""
    if newest is None:
        return {}, []
    try:
        return load_column_reports(session, home, name, newest.version), []
    except InvalidInput:
        zh, en = "上一版的列报告缺失或被改动，无法比较", "the previous version's column report is lost or altered"
        return {}, [DriftFinding("", "stop", zh, en)]


def save_comparison(session: Session, name: str, version: int, comparison: RegisterComparison) -> None:
    """Store items and what changed, in the import's transaction."""
    save_items(session, name, version, comparison.items)
    if comparison.previous is not None:
        save_drift(session, (name, version), None, comparison.previous, accepted=comparison.accepted)
    for model, findings in comparison.models.items():
        save_drift(session, (name, version), model, findings, accepted=comparison.accepted)
