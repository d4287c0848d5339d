"""Reading one delivery: from a department's file to records, in one step that can be repeated.

The order of writing makes a kill harmless at any moment. First the file of rows set aside, then the segment with its
manifest and ledger entry (one transaction), then the delivery's own entry. A delivery that was stored and not yet
entered is read once more, and all its rows are unchanged then.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Final

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.catalogue import Catalogue, current_catalogue
from lab.bureau.data.catalogue.item_definition import Domain
from lab.bureau.data.ingestion.delivery_blocks import DeliveryBlocks
from lab.bureau.data.ingestion.delivery_history import (
    DeliveryCounts,
    DeliveryIdentity,
    delivery_facts,
    find_delivery,
    save_delivery,
)
from lab.bureau.data.ingestion.enterprises import LegacyCodes, current_legacy_codes
from lab.bureau.data.ingestion.held_records import HeldRecords
from lab.bureau.data.ingestion.judging import Operation
from lab.bureau.data.ingestion.mapping import MappingFile, check_header, check_mapping
from lab.bureau.data.ingestion.row_reading import RowReader
from lab.bureau.data.ingestion.set_aside import SetAsideFile, save_unmapped
from lab.bureau.data.ingestion.sources import DeliverySource, copy_sql_table, open_file_source
from lab.bureau.data.records import ADD, Manifest, RecordStore, SegmentSource
from lab.bureau.ledger import LOCAL_ACTOR
from lab.bureau.store import Database
from lab.disk.private_files import write_private
from lab.tables.table_file import TableChunk
from lab.terms.errors import InvalidInput
from lab.terms.identifiers import note_sentences
from lab.terms.progress import SILENT, Progress

MAPPINGS_FOLDER: Final = "deliveries/mappings"
_KINDS: Final[dict[Operation, str]] = {
    "add": "records.imported",
    "correct": "records.corrected",
    "delete": "records.deleted",
}


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is to be read: ``file``, or None for the database table that the mapping states. ``received``: the day on
    which the bureau got it. ``why``: the reason of a correction or deletion. ``by``: the actor in the ledger."""

    file: Path | None
    mapping: MappingFile
    received: date
    operation: Operation = "add"
    why: str = ""
    by: str = LOCAL_ACTOR


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """What became of a delivery. ``known``: it was read before, and nothing was done. ``legacy``: rows whose legacy
    code was mapped. ``manifest``: the head after it, empty if nothing was stored."""

    domain: str
    source: str
    operation: Operation
    identity: DeliveryIdentity
    counts: DeliveryCounts
    known: bool = False
    legacy: int = 0
    rejected_file: Path | None = None
    unmapped_file: Path | None = None
    warnings: tuple[str, ...] = ()
    manifest: str = ""


@dataclass(frozen=True, slots=True)
class _Scene:
    """What is the same for a delivery from start to end."""

    catalogue: Catalogue
    legacy: LegacyCodes
    manifest: Manifest
    domain: Domain
    source: DeliverySource
    identity: DeliveryIdentity
    warnings: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        """The name of the files beside this delivery."""
        one = self.identity
        return f"{one.domain}-{one.operation}-{one.source_sha256[:16]}-{one.mapping_sha256[:8]}"


class DeliveryReader:
    """Reads deliveries into the records of a bureau, one after another."""

    def __init__(self, home: BureauHome, store: Database, records: RecordStore) -> None:
        self._home, self._store, self._records = home, store, records

    def read(self, delivery: Delivery, progress: Progress = SILENT) -> DeliveryResult:
        """Read one delivery; one that was read before, by the same mapping, changes nothing.

        Raises ``InvalidInput`` if the mapping does not fit the catalogue or the source's header, before a row is read,
        or if a change has no reason; ``NotFound`` without a file; and what reading the source raises.
        """
        check_reason(delivery)
        with self._records.importing(), ExitStack() as stack:
            scene, before = self._prepare(delivery, stack, progress)
            if before is not None:
                return self._result(delivery, scene, before, known=True)
            self._keep_mapping(delivery.mapping)
            return self._store_rows(delivery, scene, stack, progress)

    def _prepare(
        self, delivery: Delivery, stack: ExitStack, progress: Progress
    ) -> tuple[_Scene, DeliveryCounts | None]:
        """The scene, and the counts of the same delivery if it was read before."""
        mapping, partial = delivery.mapping, delivery.operation != ADD
        with self._store.begin_read() as session:
            catalogue = current_catalogue(self._home, session)
            legacy = current_legacy_codes(self._home, session)
            manifest = self._records.head(session)
        domain = check_mapping(mapping, catalogue, partial=partial)
        check_received(manifest, delivery)
        source = self._open(delivery, stack, progress)
        warnings = check_header(mapping, domain, source.name, source.columns)
        identity = DeliveryIdentity(
            domain.code, delivery.operation, source.sha256(), mapping.sha256, catalogue.sha256, legacy.sha256
        )
        with self._store.begin_read() as session:
            before = find_delivery(session, identity)
        return _Scene(catalogue, legacy, manifest, domain, source, identity, warnings), before

    def _open(self, delivery: Delivery, stack: ExitStack, progress: Progress) -> DeliverySource:
        stated = delivery.mapping.document.source
        if delivery.file is not None:
            return open_file_source(delivery.file, delivery.mapping.document.encoding)
        if stated is None:
            raise InvalidInput(
                f"Expected a file, or a [source] with url and table in {delivery.mapping.name}; found neither.",
                next_step="name the file to import",
            )
        folder = stack.enter_context(self._records.files.staged_folder())
        return copy_sql_table(stated, tuple(delivery.mapping.columns()), folder, progress)

    def _store_rows(self, delivery: Delivery, scene: _Scene, stack: ExitStack, progress: Progress) -> DeliveryResult:
        reader = RowReader(
            scene.domain, delivery.mapping, scene.legacy, delivery.received, partial=delivery.operation != ADD
        )
        held = HeldRecords(self._records, scene.manifest, scene.domain)
        aside = stack.enter_context(SetAsideFile(self._home, scene.name))
        identity = scene.identity
        origin = SegmentSource(
            delivery.received,
            scene.source.name,
            identity.source_sha256,
            identity.mapping_sha256,
            scene.catalogue.sha256,
        )
        writer = stack.enter_context(self._records.writer(scene.domain, origin))
        blocks = DeliveryBlocks(
            scene.domain, held, delivery.operation, frozenset(delivery.mapping.items), aside, writer
        )
        for chunk in _with_progress(scene.source, progress):
            blocks.add(reader.read(chunk), chunk.blank_lines)
        counts = blocks.finish()
        rejected = aside.finish()
        unmapped = save_unmapped(self._home, scene.name, blocks.unmapped())
        finished = writer.finish()
        manifest = ""
        if finished is not None:
            facts = delivery_facts(identity, counts, delivery.why)
            kind = _KINDS[delivery.operation]
            after = self._records.append([finished], kind=kind, facts=facts, by=delivery.by, base=scene.manifest)
            manifest = after.sha256
        with self._store.begin() as session:
            save_delivery(
                session,
                identity,
                counts,
                source=scene.source.name,
                received=delivery.received,
                why=delivery.why,
                by=delivery.by,
            )
        warnings = (*scene.source.warnings(blocks.blank, {}), *note_sentences(blocks.notes))
        result = self._result(delivery, scene, counts)
        return replace(
            result,
            legacy=blocks.mapped,
            rejected_file=rejected,
            unmapped_file=unmapped,
            warnings=(*result.warnings, *warnings),
            manifest=manifest,
        )

    def _result(
        self, delivery: Delivery, scene: _Scene, counts: DeliveryCounts, *, known: bool = False
    ) -> DeliveryResult:
        return DeliveryResult(
            scene.domain.code,
            scene.source.name,
            delivery.operation,
            scene.identity,
            counts,
            known=known,
            warnings=scene.warnings,
        )

    def _keep_mapping(self, mapping: MappingFile) -> None:
        """Keep the mapping under its hash, which the segment names."""
        folder = self._home.path(MAPPINGS_FOLDER)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{mapping.sha256}.toml"
        if not path.exists():
            write_private(path, mapping.content)


def check_reason(delivery: Delivery) -> None:
    """Raise ``InvalidInput`` for a correction or deletion without a reason, or a regular delivery with one."""
    if delivery.operation != ADD and not delivery.why.strip():
        raise InvalidInput(
            "Expected the reason of a correction or deletion; found none.", next_step="state it with --reason"
        )


def check_received(manifest: Manifest, delivery: Delivery) -> None:
    """Raise ``InvalidInput`` for a day of receipt before that of the newest delivery: what was known on a day stays."""
    newest = manifest.known_on
    if newest is not None and delivery.received < newest:
        raise InvalidInput(
            f"Expected a delivery received on {newest} or later; this one says {delivery.received}.",
            next_step="import deliveries in the order in which they were received",
        )


def _with_progress(source: DeliverySource, progress: Progress) -> Iterator[TableChunk]:
    done = 0
    with progress.stage("import", source.units) as stage:
        for chunk in source.chunks():
            yield chunk
            stage.advance(chunk.bytes_read - done)
            done = chunk.bytes_read
