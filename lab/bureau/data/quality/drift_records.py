"""What was found when a register version was compared, and whether a person accepted it: kept, and asked at scoring.

A version is compared when it is imported, with the version before it and every published model that reads it, and a
model when it is published. A model does not score with a version that is far from its pilot sample, unless a person
accepted that, and not with one that it was never compared with.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import delete
from sqlalchemy.orm import Session

from lab.bureau.data.quality.register_drift import DriftFinding, worst_level
from lab.bureau.store.tables import DriftCheckRow
from lab.terms.errors import InvalidInput, NotAllowed
from lab.terms.names import ModelRef

ACCEPT_HINT = (
    "write the file as before (spelling, unit, blanks, rows), because models read it as they were trained; if it is "
    "written as before and the data moved, say --accept-drift"
)


def refuse_drift(findings: Sequence[DriftFinding], against: str, *, accepted: bool) -> None:
    """Raise ``InvalidInput`` naming what is too far from ``against``, unless a person accepted it."""
    far = [finding for finding in findings if finding.level == "stop"]
    if far and not accepted:
        listed = "; ".join(f"{finding.column or 'register'}: {finding.en}" for finding in far[:10])
        raise InvalidInput(
            f"Expected data like those of {against}; found {len(far)} differences too large to be chance ({listed}).",
            next_step=ACCEPT_HINT,
        )


def save_drift(
    session: Session,
    register: tuple[str, int],
    model: ModelRef | None,
    findings: Sequence[DriftFinding],
    *,
    accepted: bool,
) -> None:
    """Keep what was found for a register version, beside ``model`` (None: the previous version), in place of before."""
    name, version = register
    key = {"register": name, "register_version": version, "model": "", "model_version": 0}
    if model is not None:
        key |= {"model": model.name, "model_version": model.version or 0}
    session.execute(delete(DriftCheckRow).filter_by(**key))
    session.add(
        DriftCheckRow(
            **key,
            level=worst_level(findings),
            accepted=accepted and worst_level(findings) == "stop",
            findings=json.dumps([asdict(finding) for finding in findings], ensure_ascii=False),
        )
    )
    session.flush()


def find_drift(session: Session, register: tuple[str, int], model: ModelRef) -> DriftCheckRow | None:
    """What was found when this model was compared with this register version; None if it was not."""
    return session.get(DriftCheckRow, (*register, model.name, model.version or 0), populate_existing=True)


def require_acceptable_register(session: Session, register: tuple[str, int], model: ModelRef) -> list[str]:
    """The codes of the items that moved since the model was trained, which its banks may know.

    Raises ``NotAllowed`` if the register is too far from what the model was trained on and nobody accepted that, or if
    the two were never compared. The message has no name and no figure of the bureau's data.
    """
    row = find_drift(session, register, model)
    if row is None or (row.level == "stop" and not row.accepted):
        raise NotAllowed(
            "The bureau's present data are too far from those that the model was trained on, or were not compared.",
            next_step="ask the bureau to correct its register, or to accept it (lab model compare --accept-drift)",
        )
    found = json.loads(row.findings)
    return sorted({finding["item"] or "?" for finding in found if finding["level"] != "stable"})
