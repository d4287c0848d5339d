"""The records of a bureau: what is stored now, what was on a day, and adding to it.

Files are written first, then one transaction changes the head and writes the ledger entry that names it. A process that
dies before leaves files that nothing names; the next import sweeps them.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.catalogue.item_definition import Domain
from lab.bureau.data.records.confined_connection import LookupConnection, QueryLimits
from lab.bureau.data.records.manifest import Manifest, Segment, parse_manifest
from lab.bureau.data.records.operation_check import check_operations
from lab.bureau.data.records.record_files import FOLDER, REPAIR_HINT, STAGING, RecordFiles
from lab.bureau.data.records.remote_files import RemoteFiles
from lab.bureau.data.records.segments.segment_writer import FinishedSegment, SegmentSource, SegmentWriter
from lab.bureau.key_management.keys import FIRST_RECORDS_KEY, BureauKeys
from lab.bureau.ledger import Fact, record
from lab.bureau.store import Database
from lab.bureau.store.tables import LedgerEntryRow, RecordHeadRow
from lab.disk.checked_files import DamagedFile
from lab.terms.errors import Conflict, InvalidInput

RECORD_KINDS = ("records.imported", "records.corrected", "records.deleted")
"""The kinds of ledger entries that change the head."""
_HEAD = 1
_AGAIN = "import again: nothing was changed"


class RecordStore:
    """The records of one bureau. Safe to use from several threads and processes."""

    def __init__(self, home: BureauHome, store: Database, keys: BureauKeys) -> None:
        url = home.settings.records_url
        remote = RemoteFiles(url, keys.public_key_hex) if url else None
        self.files = RecordFiles(home.folder / FOLDER, home.folder / STAGING, remote)
        self.lookups = LookupConnection(self.files.segments, QueryLimits(memory_mib=256, threads=1))
        """For looks at one enterprise."""
        self.keys, self._store = keys, store
        self._held = threading.local()
        self._manifest = Manifest()

    def head(self, session: Session) -> Manifest:
        """What is stored now; empty if nothing was imported.

        Raises ``DamagedFile`` if the manifest is not the one stored, or if the newest ledger entry names another.
        """
        row = session.get(RecordHeadRow, _HEAD)
        sha256 = "" if row is None else row.manifest_sha256
        self._check_entry(session, sha256)
        if not sha256:
            return Manifest()
        if self._manifest.sha256 != sha256:
            try:
                self._manifest = parse_manifest(self.files.read_manifest(sha256))
            except (ValueError, TypeError, KeyError):
                raise DamagedFile(
                    self.files.manifests / f"{sha256}.json",
                    detail="Expected a manifest of records of this version; found another form.",
                    next_step="use the version of the program that wrote it, or a later one",
                ) from None
        return self._manifest

    def manifest_as_of(self, session: Session, day: date | None) -> Manifest:
        """What was known at the end of ``day`` (None: now); raises what ``head`` raises."""
        return self.head(session).as_of(day)

    @contextmanager
    def importing(self) -> Iterator[None]:
        """Hold the lock of imports from reading the head to ``append``; waits while another import runs."""
        if getattr(self._held, "here", False):
            yield
            return
        with self.files.lock():
            self._held.here = True
            try:
                yield
            finally:
                self._held.here = False

    def writer(self, domain: Domain, source: SegmentSource) -> SegmentWriter:
        """A writer of one segment; use it as a context manager, with ``append`` in its block."""
        self.keys.make_records_key()
        return SegmentWriter(self.files, domain, source, self.keys.with_records_key, FIRST_RECORDS_KEY)

    def append(
        self,
        segments: Sequence[FinishedSegment],
        *,
        kind: str,
        facts: Mapping[str, Fact],
        by: str,
        base: Manifest | None = None,
    ) -> Manifest:
        """Add segments, all or none, and record it as a ledger entry of ``kind`` with ``facts``; the new head.

        ``base``: what the caller worked from; raises ``Conflict`` if another import changed it meanwhile, or if a row
        adds a record that is held, or corrects or deletes one that is not. Raises ``InvalidInput`` for segments that
        became known in the future or before the newest one.
        """
        if kind not in RECORD_KINDS:
            raise ValueError(f"{kind!r} is no kind of entry that changes records")
        if not segments:
            raise ValueError("nothing to add")
        with self.importing():
            with self._store.begin_read() as session:
                before = self.head(session)
            if base is not None and base.sha256 != before.sha256:
                raise _changed()
            added = tuple(one.segment for one in segments)
            _check_days(before, added)
            after = Manifest((*before.segments, *added))
            check_operations(self.files, before, segments)
            self._sweep(before, segments)
            for one in segments:
                for name, path in one.files.items():
                    self.files.keep(path, name)
            self.files.write_manifest(after.sha256, after.content)
            with self._store.begin() as session:
                self._replace_head(session, before, after)
                record(session, kind, None, dict(facts) | _facts(after, added), by=by)
        return after

    def _sweep(self, head: Manifest, segments: Sequence[FinishedSegment]) -> None:
        kept = {name: sha256 for segment in head.segments for name, sha256 in segment.files.items()}
        kept |= {name: sha256 for one in segments for name, sha256 in one.segment.files.items()}
        self.files.sweep(kept, head.sha256)

    def _replace_head(self, session: Session, before: Manifest, after: Manifest) -> None:
        row = session.get(RecordHeadRow, _HEAD, with_for_update=True)
        if (row.manifest_sha256 if row is not None else "") != (before.sha256 if before.segments else ""):
            raise _changed()
        if row is None:
            row = RecordHeadRow(id=_HEAD)
            session.add(row)
        row.manifest_sha256, row.segments = after.sha256, len(after.segments)
        row.known_on, row.changed_at = str(after.known_on), datetime.now(UTC)

    def _check_entry(self, session: Session, sha256: str) -> None:
        newest = session.scalar(
            select(LedgerEntryRow.body)
            .where(LedgerEntryRow.kind.in_(RECORD_KINDS))
            .order_by(LedgerEntryRow.seq.desc())
            .limit(1)
        )
        named = json.loads(newest)["facts"].get("manifest", "") if newest is not None else ""
        if named != sha256:
            raise DamagedFile(
                Path(f"{sha256}.json"),
                detail="The head of the records in the database is not the one that the newest ledger entry names.",
                next_step=REPAIR_HINT,
            )


def _check_days(before: Manifest, added: Sequence[Segment]) -> None:
    newest, latest = before.known_on, (datetime.now(UTC) + timedelta(hours=14)).date()
    for segment in added:
        if newest is not None and segment.known_on < newest:
            raise InvalidInput(
                f"Expected a delivery received on {newest} or later; this one says {segment.known_on}.",
                next_step="import deliveries in the order in which they were received",
            )
        if segment.known_on > latest:
            raise InvalidInput(
                f"Expected a delivery that was received already; this one says {segment.known_on}.",
                next_step="correct the day with --received",
            )
        newest = segment.known_on


def _facts(after: Manifest, added: Sequence[Segment]) -> dict[str, Fact]:
    return {
        "manifest": after.sha256,
        "segments": len(after.segments),
        "added": [one.row_sha256 for one in added],
        "domains": sorted({one.domain for one in added}),
        "rows": sum(one.rows for one in added),
        "known_on": str(after.known_on),
    }


def _changed() -> Conflict:
    return Conflict("Another import changed the records just now.", next_step=_AGAIN)
