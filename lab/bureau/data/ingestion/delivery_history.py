"""The deliveries that were read, in the database: hashes and counts, never a row."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.ledger import Fact, record
from lab.bureau.store.tables import DeliveryRow

Operation = Literal["add", "correct", "delete"]


@dataclass(frozen=True, slots=True)
class DeliveryIdentity:
    """What makes two readings of a delivery the same: the bytes of the source, of the mapping, of the catalogue and of
    the table of legacy codes (empty for none), and the operation."""

    domain: str
    operation: Operation
    source_sha256: str
    mapping_sha256: str
    catalogue_sha256: str
    legacy_sha256: str


@dataclass(frozen=True, slots=True)
class DeliveryCounts:
    """What became of a delivery's rows; ``reasons``: rows set aside, by reason (one row may have several)."""

    rows: int = 0
    stored: int = 0
    unchanged: int = 0
    repeated: int = 0
    set_aside: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeliveryOrigin:
    """Which source, when the bureau received it, and who read it why (empty for a regular delivery)."""

    source: str
    received: date
    why: str
    by: str


def find_delivery(session: Session, wanted: DeliveryIdentity) -> DeliveryCounts | None:
    """The counts of the same reading if it was done before; None if not.

    A reading that set nothing aside for want of a legacy code is the same under every table of legacy codes.
    """
    rows = session.scalars(
        select(DeliveryRow)
        .where(
            DeliveryRow.source_sha256 == wanted.source_sha256,
            DeliveryRow.mapping_sha256 == wanted.mapping_sha256,
            DeliveryRow.catalogue_sha256 == wanted.catalogue_sha256,
            DeliveryRow.domain == wanted.domain,
            DeliveryRow.operation == wanted.operation,
        )
        .order_by(DeliveryRow.id.desc())
    )
    for row in rows:
        counts = _counts(row)
        if row.legacy_sha256 == wanted.legacy_sha256 or "unmapped" not in counts.reasons:
            return counts
    return None


def save_delivery(
    session: Session,
    identity: DeliveryIdentity,
    counts: DeliveryCounts,
    origin: DeliveryOrigin,
) -> None:
    """Keep what became of a delivery, with its ledger entry."""
    session.add(
        DeliveryRow(
            domain=identity.domain,
            operation=identity.operation,
            source=origin.source,
            source_sha256=identity.source_sha256,
            mapping_sha256=identity.mapping_sha256,
            catalogue_sha256=identity.catalogue_sha256,
            legacy_sha256=identity.legacy_sha256,
            received=origin.received,
            rows=counts.rows,
            stored=counts.stored,
            unchanged=counts.unchanged,
            repeated=counts.repeated,
            set_aside=counts.set_aside,
            reasons=json.dumps(dict(counts.reasons), sort_keys=True),
            why=origin.why,
            actor=origin.by,
            at=datetime.now(UTC),
        )
    )
    record(session, "delivery.read", None, delivery_facts(identity, counts, origin.why), by=origin.by)


def delivery_facts(identity: DeliveryIdentity, counts: DeliveryCounts, why: str) -> dict[str, Fact]:
    """What a ledger entry says of a delivery."""
    facts: dict[str, Fact] = {
        "domain": identity.domain,
        "operation": identity.operation,
        "source_sha256": identity.source_sha256,
        "mapping_sha256": identity.mapping_sha256,
        "delivered": counts.rows,
        "stored": counts.stored,
        "unchanged": counts.unchanged,
        "repeated": counts.repeated,
        "set_aside": counts.set_aside,
    }
    return facts | ({"why": why} if why else {})


def list_deliveries(session: Session, *, domain: str | None = None, limit: int = 1_000) -> Sequence[DeliveryRow]:
    """The newest deliveries first."""
    query = select(DeliveryRow).order_by(DeliveryRow.id.desc()).limit(limit)
    return list(session.scalars(query if domain is None else query.where(DeliveryRow.domain == domain)))


def _counts(row: DeliveryRow) -> DeliveryCounts:
    return DeliveryCounts(row.rows, row.stored, row.unchanged, row.repeated, row.set_aside, json.loads(row.reasons))
