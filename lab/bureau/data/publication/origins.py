"""What a register version that was published from features comes from, as the store knows it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.data.features.lineage import ColumnLineage, load_lineage
from lab.bureau.store.tables import RegisterOriginRow


@dataclass(frozen=True, slots=True)
class RegisterOrigin:
    """The day, the hashes of what the version was computed from, and the lineage of each column."""

    day: str
    manifest_sha256: str
    catalogue_sha256: str
    features_sha256: str
    left_out_sha256: str
    repair_rules_sha256: str | None
    quality_rules_sha256: str | None
    columns: tuple[ColumnLineage, ...]


def find_day(session: Session, register: str, version: int) -> str | None:
    """The ISO day as of which a version was computed; None for one that was imported from a file."""
    query = select(RegisterOriginRow.day)
    return session.scalar(query.where(RegisterOriginRow.register == register, RegisterOriginRow.version == version))


def find_origin(session: Session, register: str, version: int) -> RegisterOrigin | None:
    """What a version comes from; None for one that was imported from a file."""
    row = session.get(RegisterOriginRow, (register, version))
    if row is None:
        return None
    return RegisterOrigin(
        row.day,
        row.manifest_sha256,
        row.catalogue_sha256,
        row.features_sha256,
        row.left_out_sha256,
        row.repair_rules_sha256,
        row.quality_rules_sha256,
        load_lineage(row.lineage),
    )
