"""One delivery as it arrives, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from lab.bureau.data.ingestion.delivery_history import DeliveryCounts, DeliveryIdentity, Operation
from lab.bureau.data.ingestion.mapping import MappingFile
from lab.bureau.data.publication.record_usage import RecordUse
from lab.bureau.data.records import ADD, Manifest
from lab.bureau.ledger import LOCAL_ACTOR
from lab.terms.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class DepartmentDelivery:
    """What is to be read: ``file``, or None for the database table that the mapping states. ``received``: the day on
    which the bureau got it. ``why``: the reason of a correction or deletion. ``by``: the actor in the ledger.
    ``although_used``: delete records that a published register version counted. ``accept_amounts``: take amounts
    although they are ten thousand times, or a ten-thousandth of, what is held."""

    file: Path | None
    mapping: MappingFile
    received: date
    operation: Operation = "add"
    why: str = ""
    by: str = LOCAL_ACTOR
    although_used: bool = False
    accept_amounts: bool = False


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """What became of a delivery. ``known``: it was read before, and nothing was done. ``legacy``: rows whose legacy
    code was mapped. ``manifest``: the head after it, empty if nothing was stored. ``use``: what had counted the records
    that were corrected or deleted."""

    source: str
    identity: DeliveryIdentity
    counts: DeliveryCounts
    known: bool = False
    legacy: int = 0
    rejected_file: Path | None = None
    unmapped_file: Path | None = None
    warnings: tuple[str, ...] = ()
    manifest: str = ""
    use: RecordUse = field(default_factory=RecordUse)


def check_reason(delivery: DepartmentDelivery) -> None:
    """Raise ``InvalidInput`` for a correction or deletion without a reason, or a regular delivery with one."""
    if delivery.operation != ADD and not delivery.why.strip():
        raise InvalidInput(
            "Expected the reason of a correction or deletion; found none.", next_step="state it with --reason"
        )


def check_received(manifest: Manifest, delivery: DepartmentDelivery) -> None:
    """Raise ``InvalidInput`` for a day of receipt before that of the newest delivery: what was known on a day stays."""
    newest = manifest.known_on
    if newest is not None and delivery.received < newest:
        raise InvalidInput(
            f"Expected a delivery received on {newest} or later; this one says {delivery.received}.",
            next_step="import deliveries in the order in which they were received",
        )
