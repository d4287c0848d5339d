"""Reading one delivery: from a department's file to records, in one step that can be repeated.

The order of writing makes a kill harmless at any moment. First the file of rows set aside, then the segment with its
manifest and ledger entry (one transaction), then the delivery's own entry. A delivery that was stored and not yet
entered is read once more, and all its rows are unchanged then.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Final

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.catalogue import Catalogue, current_catalogue
from lab.bureau.data.catalogue.item_definition import Domain
from lab.bureau.data.ingestion.amounts import AmountCheck
from lab.bureau.data.ingestion.comparison.held_records import HeldRecords
from lab.bureau.data.ingestion.delivery_blocks import DeliveryBlocks
from lab.bureau.data.ingestion.delivery_history import (
    DeliveryCounts,
    DeliveryIdentity,
    DeliveryOrigin,
    Operation,
    delivery_facts,
    find_delivery,
    save_delivery,
)
from lab.bureau.data.ingestion.department_delivery import (
    DeliveryResult,
    DepartmentDelivery,
    check_reason,
    check_received,
)
from lab.bureau.data.ingestion.enterprises import LegacyCodes, current_legacy_codes
from lab.bureau.data.ingestion.mapping import MappingFile, check_header, check_mapping
from lab.bureau.data.ingestion.reasons import SetAsideReason, is_reason
from lab.bureau.data.ingestion.row_reading import RowReader
from lab.bureau.data.ingestion.set_aside import SetAsideFile, save_unmapped, set_aside_path, unmapped_path
from lab.bureau.data.ingestion.sources import DeliverySource, FileSource, copy_sql_table
from lab.bureau.data.ingestion.used_records import check_use
from lab.bureau.data.publication.record_usage import find_use
from lab.bureau.data.records import ADD, CORRECT, DELETE, Manifest, RecordStore, SegmentSource
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
class _Bureau:
    """What the bureau has when a delivery arrives."""

    catalogue: Catalogue
    legacy: LegacyCodes
    manifest: Manifest
    domain: Domain


class DeliveryReader:
    """Reads deliveries into the records of a bureau, one after another."""

    def __init__(self, home: BureauHome, store: Database, records: RecordStore) -> None:
        self._home, self._store, self._records = home, store, records

    def read(self, delivery: DepartmentDelivery, progress: Progress = SILENT) -> DeliveryResult:
        """Read one delivery; one that was read before, by the same mapping, changes nothing.

        Raises ``InvalidInput`` if the mapping does not fit the catalogue or the source's header, before a row is read,
        or if a change has no reason; ``NotFound`` without a file; and what reading the source raises.
        """
        check_reason(delivery)
        with self._records.importing(), ExitStack() as stack:
            bureau = self._look(delivery)
            source = self._find_source(delivery, stack, progress)
            identity = self._identify(delivery, bureau, source.sha256())
            with self._store.begin_read() as session:
                before = find_delivery(session, identity)
            if before is not None and not _again(delivery, before):
                return self._known(delivery, identity, source, before)
            check_received(bureau.manifest, delivery)
            source.open(delivery.mapping.document.encoding)
            warnings = check_header(delivery.mapping, bureau.domain, source.name, source.columns)
            self._keep_mapping(delivery.mapping)
            result = self._store_rows(delivery, bureau, identity, source, progress)
            return replace(result, warnings=(*warnings, *result.warnings))

    def _look(self, delivery: DepartmentDelivery) -> _Bureau:
        with self._store.begin_read() as session:
            catalogue = current_catalogue(self._home, session)
            legacy = current_legacy_codes(self._home, session)
            manifest = self._records.head(session)
        domain = check_mapping(delivery.mapping, catalogue, partial=delivery.operation != ADD)
        return _Bureau(catalogue, legacy, manifest, domain)

    def _find_source(self, delivery: DepartmentDelivery, stack: ExitStack, progress: Progress) -> DeliverySource:
        stated = delivery.mapping.document.source
        if delivery.file is not None:
            return FileSource(delivery.file)
        if stated is None:
            raise InvalidInput(
                f"Expected a file, or a [source] with url and table in {delivery.mapping.name}; found neither.",
                next_step="name the file to import",
            )
        folder = stack.enter_context(self._records.files.staged_folder())
        return copy_sql_table(stated, tuple(delivery.mapping.columns()), folder, progress)

    def _identify(self, delivery: DepartmentDelivery, bureau: _Bureau, source: str) -> DeliveryIdentity:
        mapping = delivery.mapping.sha256
        return DeliveryIdentity(
            bureau.domain.code, delivery.operation, source, mapping, bureau.catalogue.sha256, bureau.legacy.sha256
        )

    def _known(
        self, delivery: DepartmentDelivery, identity: DeliveryIdentity, source: DeliverySource, counts: DeliveryCounts
    ) -> DeliveryResult:
        """The result of a delivery that was read before."""
        files = [set_aside_path(self._home, file_name(identity)), unmapped_path(self._home, file_name(identity))]
        rejected, unmapped = (path if path.exists() else None for path in files)
        return DeliveryResult(source.name, identity, counts, known=True, rejected_file=rejected, unmapped_file=unmapped)

    def _store_rows(
        self,
        delivery: DepartmentDelivery,
        bureau: _Bureau,
        identity: DeliveryIdentity,
        source: DeliverySource,
        progress: Progress,
    ) -> DeliveryResult:
        domain, stated = bureau.domain, frozenset(delivery.mapping.items)
        reader = RowReader(
            domain, delivery.mapping, bureau.legacy, delivery.received, partial=delivery.operation != ADD
        )
        held = HeldRecords(self._records, bureau.manifest, domain)
        origin = SegmentSource(
            delivery.received, source.name, identity.source_sha256, identity.mapping_sha256, bureau.catalogue.sha256
        )
        with SetAsideFile(self._home, file_name(identity)) as aside, self._records.writer(domain, origin) as writer:
            amounts = self._amount_check(delivery, bureau, source)
            blocks = DeliveryBlocks(domain, held, delivery.operation, stated, aside, writer, amounts)
            for chunk in _with_progress(source, progress):
                blocks.add(reader.read(chunk), chunk.blank_lines)
            counts = blocks.finish()
            with self._store.begin_read() as session:
                use = find_use(session, self._records, bureau.catalogue, domain.code, blocks.changed, bureau.manifest)
            check_use(use, delivery)
            rejected = aside.finish()
            unmapped = save_unmapped(self._home, file_name(identity), blocks.unmapped())
            finished = writer.finish()
            manifest = ""
            if finished is not None:
                facts = delivery_facts(identity, counts, delivery.why)
                if delivery.operation == DELETE:
                    facts |= use.facts()
                kind = _KINDS[delivery.operation]
                after = self._records.append([finished], kind=kind, facts=facts, by=delivery.by, base=bureau.manifest)
                manifest = after.sha256
        with self._store.begin() as session:
            save_delivery(session, identity, counts, delivery_origin(delivery, source))
        return DeliveryResult(
            source.name,
            identity,
            counts,
            legacy=blocks.mapped,
            rejected_file=rejected,
            unmapped_file=unmapped,
            warnings=(
                *source.warnings(blocks.blank, {}),
                *note_sentences(blocks.notes),
                *(amounts.notes() if amounts else ()),
            ),
            manifest=manifest,
            use=use,
        )

    def _amount_check(
        self, delivery: DepartmentDelivery, bureau: _Bureau, source: DeliverySource
    ) -> AmountCheck | None:
        if delivery.accept_amounts or delivery.operation == DELETE:
            return None
        stated, correct = frozenset(delivery.mapping.items), delivery.operation == CORRECT
        return AmountCheck(self._records, bureau.manifest, bureau.domain, stated, source.name, correct=correct)

    def _keep_mapping(self, mapping: MappingFile) -> None:
        """Keep the mapping under its hash, which the segment names."""
        folder = self._home.path(MAPPINGS_FOLDER)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{mapping.sha256}.toml"
        if not path.exists():
            write_private(path, mapping.content)


def file_name(identity: DeliveryIdentity) -> str:
    """The name of the files beside a delivery, without an ending."""
    return f"{identity.domain}-{identity.operation}-{identity.source_sha256[:16]}-{identity.mapping_sha256[:8]}"


def delivery_origin(delivery: DepartmentDelivery, source: DeliverySource) -> DeliveryOrigin:
    """Where a delivery came from, for the database."""
    return DeliveryOrigin(source.name, delivery.received, delivery.why, delivery.by)


def _again(delivery: DepartmentDelivery, before: DeliveryCounts) -> bool:
    """Whether a delivery that was read before is read again: its amounts were in doubt, and are taken now."""
    return delivery.accept_amounts and any(is_reason(one, SetAsideReason.OTHER_SCALE) for one in before.reasons)


def _with_progress(source: DeliverySource, progress: Progress) -> Iterator[TableChunk]:
    done = 0
    with progress.stage("read-records", source.units) as stage:
        for chunk in source.chunks():
            yield chunk
            stage.advance(chunk.bytes_read - done)
            done = chunk.bytes_read
