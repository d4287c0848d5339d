"""Whether the register that a model would score with is still like the one it was trained on.

Every pair of model and register version is compared once, at import, at publication or when it is first asked for, and
the result is kept. What is too far is refused, unless a person at the bureau accepted it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from lab.bureau.data.quality import DriftFinding, compare_with_model
from lab.bureau.data.quality.column_report import SAMPLE_ROWS
from lab.bureau.data.quality.drift_records import find_drift, refuse_drift, require_acceptable_register, save_drift
from lab.bureau.data.register import Snapshot, SnapshotReader
from lab.bureau.ledger import LOCAL_ACTOR, Fact, record
from lab.bureau.model_registry.registry import PUBLISHED, ModelCache, ModelVersion, find_model
from lab.bureau.store import Database
from lab.bureau.store.tables import ModelRow
from lab.terms.names import ModelRef
from models.bureau.model import Model


class ModelDriftChecks:
    """Compares models with register versions. Safe to use from several threads."""

    def __init__(self, store: Database, models: ModelCache, snapshots: SnapshotReader) -> None:
        self._store, self._models, self._snapshots = store, models, snapshots
        self._lock, self._measuring = threading.Lock(), threading.Lock()
        self._passed: dict[tuple[ModelRef, str, int], list[str]] = {}

    def published(self, register: str) -> list[Model]:
        """The published models that read a register."""
        query = select(ModelRow.name, ModelRow.version).where(
            ModelRow.register == register, ModelRow.state == PUBLISHED
        )
        with self._store.begin_read() as session:
            versions = [find_model(session, name, version) for name, version in session.execute(query).all()]
        return [self._models.load(version) for version in versions]

    def compare(self, version: ModelVersion, snapshot: Snapshot, *, accept: bool = False) -> Sequence[DriftFinding]:
        """Compare a model with a register version, and keep what was found. What was accepted before stays accepted.

        Raises ``InvalidInput`` if it is too far and not accepted; that is kept as well, so that nobody scores with it.
        """
        findings = self._measure(version, snapshot)
        model, register = version.ref, (snapshot.name, snapshot.version)
        far = sum(finding.level == "stop" for finding in findings)
        with self._store.begin() as session:
            before = find_drift(session, register, model)
            known = before is not None and before.accepted
            accept = accept or known
            save_drift(session, register, model, findings, accepted=accept)
            if far and accept and not known:
                facts: dict[str, Fact] = {"model": model.name, "version": version.version}
                facts |= {"register": snapshot.name, "register_version": snapshot.version, "columns": far}
                record(session, "model.drift-accepted", None, facts, by=LOCAL_ACTOR)
        refuse_drift(findings, f"the training of model {version}", accepted=accept)
        return findings

    def require(self, version: ModelVersion, snapshot: Snapshot) -> list[str]:
        """The codes of the items that moved since the training, if the model may score with this register version.

        Raises ``NotAllowed`` if the register is too far and nobody accepted that.
        """
        model, register = version.ref, (snapshot.name, snapshot.version)
        key = (model, *register)
        with self._lock:
            if key in self._passed:
                return self._passed[key]
        with self._measuring:  # one at a time: the first batches of several banks may come together
            self._compare_once(version, snapshot)
        with self._store.begin_read() as session:
            moved = require_acceptable_register(session, register, model)
        with self._lock:
            self._passed[key] = moved
        return moved

    def _compare_once(self, version: ModelVersion, snapshot: Snapshot) -> None:
        """Compare and keep what was found, unless that was done before, here or in another process."""
        model, register = version.ref, (snapshot.name, snapshot.version)
        with self._store.begin_read() as session:
            if find_drift(session, register, model) is not None:
                return
        findings = self._measure(version, snapshot)
        try:
            with self._store.begin() as session:
                if find_drift(session, register, model) is None:
                    save_drift(session, register, model, findings, accepted=False)
        except IntegrityError:
            return  # another process kept the same at the same time

    def _measure(self, version: ModelVersion, snapshot: Snapshot) -> Sequence[DriftFinding]:
        model = self._models.load(version)
        columns = [feature.name for feature in model.public_features]
        return compare_with_model(self._snapshots.sample(snapshot, columns, SAMPLE_ROWS), model)
