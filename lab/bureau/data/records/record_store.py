"""The records of a bureau: what is stored now, what was on a day, and adding to it.

Files are written first, then one transaction changes the head and writes the ledger entry that names it. A process that
dies before leaves files that nothing names; the next import sweeps them.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.catalogue.item_definition import Domain
from lab.bureau.data.records.confined_connection import LastingConnection, QueryLimits
from lab.bureau.data.records.files.record_files import FOLDER, REPAIR_HINT, STAGING, RecordFiles
from lab.bureau.data.records.files.remote_files import RemoteFiles
from lab.bureau.data.records.manifest import Manifest, Segment, parse_manifest
from lab.bureau.data.records.operation_check import check_operations
from lab.bureau.data.records.packs.pack_list import needed_files
from lab.bureau.data.records.packs.pack_store import MOST_LOOSE, PackStore
from lab.bureau.data.records.segments.segment_writer import FinishedSegment, SegmentSource, SegmentWriter
from lab.bureau.key_management.keys import FIRST_RECORDS_KEY, BureauKeys
from lab.bureau.ledger import Fact, record
from lab.bureau.store import Database
from lab.bureau.store.tables import LedgerEntryRow, RecordHeadRow
from lab.disk.checked_files import DamagedFile
from lab.terms.errors import Conflict, InvalidInput, MachineFault, NotFound

RECORD_KINDS = ("records.imported", "records.corrected", "records.deleted")
"""The kinds of ledger entries that change the head."""
_HEAD = 1
_SWEEP_SECONDS = 60.0
_LOG = logging.getLogger(__name__)
_AGAIN = "import again: nothing was changed"


class RecordStore:
    """The records of one bureau. Safe to use from several threads and processes."""

    def __init__(self, home: BureauHome, store: Database, keys: BureauKeys | None) -> None:
        """``keys``: None for a look at the files of this folder alone, which opens no secret and no remote store."""
        url = home.settings.records_url
        remote = RemoteFiles(url, keys.public_key_hex) if url and keys is not None else None
        self.files = RecordFiles(home.folder / FOLDER, home.folder / STAGING, self._lend, remote)
        self.is_cache, self.has_keys = bool(url) and keys is None, keys is not None
        """``is_cache``: whether the folder may lack files, because a remote store keeps them that is not asked."""
        self.lookups = LastingConnection(
            (self.files.segments,), QueryLimits(memory_mib=256, threads=1), keep_footers=True
        )
        """For looks at one enterprise."""
        self._keys, self._store = keys, store
        self._held = threading.local()
        self._manifest = Manifest()
        self._next_sweep = 0.0
        self.packs = PackStore(self.files, store)

    @property
    def keys(self) -> BureauKeys:
        """The bureau's keys; raises ``NotFound`` if it was opened without them."""
        if self._keys is None:
            raise NotFound("The records were opened without the bureau's keys.", next_step="open the bureau")
        return self._keys

    def _lend(self, use: Callable[[bytes], bytes]) -> bytes:
        return self.keys.with_records_key(FIRST_RECORDS_KEY, use)

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
            check_operations(self.files, before, self.packs.read(), segments)
            self._sweep(before, segments)
            for one in segments:
                for name, path in one.files.items():
                    self.files.keep(path, name)
                self.files.checks.add(self.files.segments / name for name in one.files)
            self.files.write_manifest(after.sha256, after.content)
            with self._store.begin() as session:
                self._replace_head(session, before, after)
                record(session, kind, None, dict(facts) | _facts(after, added), by=by)
            self._manifest = after
            self._pack_grown(after, sorted({one.domain for one in added}), by)
        return after

    def _pack_grown(self, manifest: Manifest, domains: Sequence[str], by: str) -> None:
        """Pack the domains that have become many segments. The import is done already, and stays done if this fails:
        what is not packed is read as it is, and the next import tries again."""
        try:
            self.packs.compact(manifest, by=by, domains=domains, least=MOST_LOOSE + 1)
        except (MachineFault, OSError) as error:
            _LOG.warning("records were imported, and could not be compacted: %s", type(error).__name__)

    def _sweep(self, head: Manifest, segments: Sequence[FinishedSegment]) -> None:
        """Now and then, as a look at every file costs more than a small delivery."""
        now = time.monotonic()
        if now < self._next_sweep:
            return
        packs = self.packs.read()
        kept = packs.files
        kept |= needed_files(head.segments, packs)
        kept |= {name: sha256 for one in segments for name, sha256 in one.segment.files.items()}
        self.files.sweep(kept, {head.sha256, packs.sha256})
        self._next_sweep = now + _SWEEP_SECONDS

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
