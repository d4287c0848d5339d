"""The packs of a bureau: which there are, making them, and removing the segments that they hold.

Packs are merged when they grow (each at least as large as all that is younger together), so a row is written again
about as often as the number of segments can be halved, and a domain of thousands of segments is a dozen files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.data.records.files.record_files import REPAIR_HINT, RecordFiles
from lab.bureau.data.records.manifest import Manifest, Segment
from lab.bureau.data.records.packs.pack_list import COMPACTED, Pack, PackList, needed_files, parse_packs
from lab.bureau.data.records.packs.pack_writing import differing_segments, write_pack
from lab.bureau.data.records.packs.stored_rows import StoredRows
from lab.bureau.ledger import Fact, record
from lab.bureau.store import Database
from lab.bureau.store.tables import LedgerEntryRow
from lab.disk.checked_files import DamagedFile
from lab.terms.progress import SILENT, Progress

MOST_LOOSE = 64
"""Segments of a domain without a pack, beyond which an import packs them by itself."""


NEWEST_PACKS = (
    select(LedgerEntryRow.body).where(LedgerEntryRow.kind == COMPACTED).order_by(LedgerEntryRow.seq.desc()).limit(1)
)
"""The newest ledger entry that names a list of packs."""


def packs_named(body: str) -> str:
    """The SHA-256 of the list that a ledger entry of ``NEWEST_PACKS`` names."""
    return str(json.loads(body)["facts"]["packs"])


@dataclass(frozen=True, slots=True)
class Compaction:
    """What a compaction did: packs written, segments in them, rows, and segments whose own files were removed."""

    packs: int
    segments: int
    rows: int
    removed: int


class PackStore:
    """The packs of one bureau; call what changes them within the lock of imports."""

    def __init__(self, files: RecordFiles, store: Database) -> None:
        self._files, self._store = files, store
        self._newest = PackList()

    def read(self, session: Session | None = None) -> PackList:
        """The packs that there are; none if nothing was ever packed.

        Raises ``DamagedFile`` if the list is missing or not the one that the newest ledger entry names.
        """
        if session is None:
            with self._store.begin_read() as own:
                return self.read(own)
        body = session.scalar(NEWEST_PACKS)
        sha256 = packs_named(body) if body is not None else ""
        newest = self._newest
        if newest.sha256 != sha256:
            try:
                newest = parse_packs(self._files.read_manifest(sha256)) if sha256 else PackList()
            except (ValueError, TypeError, KeyError):
                raise DamagedFile(
                    Path(f"{sha256}.json"),
                    detail="Expected a list of packs of this version; found another form.",
                    next_step="use the version of the program that wrote it, or a later one",
                ) from None
            self._newest = newest
        return newest

    def compact(
        self, manifest: Manifest, *, by: str, domains: Sequence[str], least: int = 0, progress: Progress = SILENT
    ) -> Compaction:
        """Pack the segments of ``domains`` that no pack holds, where they are ``least`` or more, merge what packs are
        to be merged then, and enter it; nothing is entered if nothing was written."""
        before = self.read()
        after, written = before, list[Pack]()
        with progress.stage("compact-records", len(domains)) as stage:
            for domain in domains:
                listed = manifest.of_domain(domain)
                if len(StoredRows.find(listed, before).loose) >= least:
                    packs = self._pack_domain(listed, before)
                    written += [one for one in packs if one not in before.packs]
                    after = after.replace(domain, packs)
                stage.advance()
        done = Compaction(len(written), sum(len(one.segments) for one in written), sum(one.rows for one in written), 0)
        if written:
            self._enter(after, done, by)
        return done

    def remove_packed(
        self, manifest: Manifest, *, by: str, domains: Sequence[str], progress: Progress = SILENT
    ) -> Compaction:
        """Remove the files of the ``domains``' segments that a pack holds, after each row was compared with the pack.

        Raises ``DamagedFile`` for a segment that differs; nothing is removed then.
        """
        before = self.read()
        going = [one for one in before.packs if one.domain in domains and not one.removed]
        with progress.stage("compact-records", len(going)) as stage:
            for pack in going:
                segments = manifest.of_domain(pack.domain)[pack.first : pack.end]
                different = differing_segments(self._files, pack, segments)
                if different:
                    raise DamagedFile(
                        Path(pack.name),
                        detail=f"Expected the rows of the segments in {pack.name}; {len(different)} segments differ.",
                        next_step=REPAIR_HINT,
                    )
                stage.advance()
        gone = sum(len(one.segments) for one in going)
        done = Compaction(0, 0, 0, gone)
        if gone:
            marked = tuple(replace(one, removed=True) if one in going else one for one in before.packs)
            self._enter(PackList(marked), done, by)
            self._sweep_removed(manifest)
        return done

    def _sweep_removed(self, manifest: Manifest) -> None:
        needed = needed_files(manifest.segments, self.read())
        for segment in manifest.segments:
            for name in segment.files:
                if name not in needed:
                    self._files.remove(name)

    def _enter(self, packs: PackList, done: Compaction, by: str) -> None:
        self._files.write_manifest(packs.sha256, packs.content)
        with self._store.begin() as session:
            facts: dict[str, Fact] = {
                "packs": packs.sha256,
                "files": len(packs.packs),
                "written": done.packs,
                "segments": done.segments,
                "rows": done.rows,
                "removed": done.removed,
            }
            record(session, COMPACTED, None, facts, by=by)
        self._newest = packs

    def _pack_domain(self, listed: Sequence[Segment], before: PackList) -> list[Pack]:
        rows = StoredRows.find(listed, before)
        known = {(one.first, one.end): one for one in rows.packs}
        found: list[Pack] = []
        for first, end in _runs(rows):
            if (first, end) in known:
                found.append(known[first, end])
            elif end - first > 1:
                packs = [one for one in rows.packs if first <= one.first < end]
                loose = [pair for pair in rows.loose if first <= pair[0] < end]
                made = write_pack(self._files, rows.chosen(packs, loose), listed[first:end], first)
                found.append(replace(made, removed=bool(packs) and packs[0].removed))
        return found


@dataclass(frozen=True, slots=True)
class _Run:
    """Neighbouring places. ``kind``: their catalogue, and whether the segments' own files are gone; only runs of one
    kind are merged, so no file goes that was not compared."""

    first: int
    end: int
    rows: int
    kind: tuple[str, bool]

    def with_next(self, later: _Run) -> _Run:
        return _Run(self.first, later.end, self.rows + later.rows, self.kind)


def _runs(rows: StoredRows) -> Iterator[tuple[int, int]]:
    """The places from and to which files are merged: all young segments, and older packs that are not larger."""
    merged: list[_Run] = []
    loose = [_Run(place, place + 1, one.rows, (one.catalogue_sha256, False)) for place, one in rows.loose]
    for run in loose:
        if merged and merged[-1].end == run.first and merged[-1].kind == run.kind:
            merged[-1] = merged[-1].with_next(run)
        else:
            merged.append(run)
    packed = [_Run(one.first, one.end, one.rows, (one.catalogue_sha256, one.removed)) for one in rows.packs]
    stack: list[_Run] = []
    for run in sorted([*packed, *merged], key=lambda one: one.first):
        newest = run
        while stack and stack[-1].kind == newest.kind and stack[-1].rows <= newest.rows:
            newest = stack.pop().with_next(newest)
        stack.append(newest)
    return ((one.first, one.end) for one in stack)
