"""Checking all that is stored: each file against the manifest, and each row of the manifest against the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.records.manifest import Manifest, ManifestBeginnings
from lab.bureau.data.records.packs.pack_list import Pack, needed_files
from lab.bureau.data.records.packs.pack_writing import differing_segments
from lab.bureau.data.records.record_store import RECORD_KINDS, RecordStore
from lab.bureau.store import open_database
from lab.bureau.store.migrate import check_schema
from lab.bureau.store.tables import LedgerEntryRow
from lab.disk.checked_files import DamagedFile
from lab.terms.progress import SILENT, Progress


@dataclass(frozen=True, slots=True)
class RecordFinding:
    """Something that is not as it was stored: the file or the ledger entry, and what about it."""

    place: str
    zh: str
    en: str

    def as_dict(self) -> dict[str, str]:
        """For JSON."""
        return {"place": self.place, "zh": self.zh, "en": self.en}


@dataclass(frozen=True, slots=True)
class RecordVerification:
    """How many files and ledger entries were checked, how many files nothing names, and what is wrong.

    ``left_over``: files of an interrupted import; the next import removes them.
    """

    segments: int
    files: int
    entries: int
    left_over: int
    findings: tuple[RecordFinding, ...]


def verify_records(records: RecordStore, session: Session, progress: Progress = SILENT) -> RecordVerification:
    """Read every file, also those of packs, and compare packs with the segments in them.

    What a remote store has is read as well as the folder that is its cache. Raises ``DamagedFile`` for a head, manifest
    or list of packs that does not fit; other findings are listed.
    """
    manifest, packs = records.head(session), records.packs.read(session)
    entries = _entries(session)
    findings = [*_compare_entries(manifest, entries)]
    files = needed_files(manifest.segments, packs) | packs.files
    right = list[Path]()
    with progress.stage("verify-records", len(files) + len(packs.packs)) as stage:
        for name, sha256 in files.items():
            try:
                path = records.files.checked(name, sha256, again=True)
                kept = records.files.is_remote_right(name, sha256)
            except DamagedFile:
                kept = False
                if records.is_cache and not (records.files.segments / name).exists():
                    stage.advance()
                    continue
            if kept:
                right.append(path)
            else:
                findings.append(RecordFinding(name, "缺失或与存入时不同", "missing, or not as it was stored"))
            stage.advance()
        for pack in packs.packs:
            findings += _compare_pack(records, manifest, pack)
            stage.advance()
    if records.has_keys:
        records.files.checks.add(right, anew=True)
    left = len(records.files.list_names() - set(files))
    return RecordVerification(len(manifest.segments), len(files), len(entries), left, tuple(findings))


def verify_folder(folder: Path, progress: Progress = SILENT) -> RecordVerification:
    """``verify_records`` of the bureau in ``folder`` without its keys: no secret is opened, and no remote store asked;
    where the folder is a cache of one, a file that it lacks is no finding. Raises what opening the database raises."""
    home = BureauHome.open(folder)
    store = open_database(home.database_url, existing=True)
    try:
        check_schema(store.engine)
        records = RecordStore(home, store, None)
        with store.begin_read() as session:
            return verify_records(records, session, progress)
    finally:
        store.close()


def _compare_pack(records: RecordStore, manifest: Manifest, pack: Pack) -> Iterator[RecordFinding]:
    """A pack has the rows of the segments that it names, in the manifest's order."""
    listed = manifest.of_domain(pack.domain)
    if not pack.holds(listed) or pack.end > len(listed):
        yield RecordFinding(pack.name, "合并文件与清单不符", "a pack of other segments than the manifest's")
        return
    try:
        different = differing_segments(records.files, pack, listed[pack.first : pack.end])
    except DamagedFile:
        return  # the file itself is among the findings
    for one in different:
        yield RecordFinding(
            f"{pack.name} {one.sha256}", "合并文件中的行与片段不同", "its rows in the pack are not those of the segment"
        )


def _entries(session: Session) -> list[tuple[int, dict[str, object]]]:
    found = session.execute(
        select(LedgerEntryRow.seq, LedgerEntryRow.body)
        .where(LedgerEntryRow.kind.in_(RECORD_KINDS))
        .order_by(LedgerEntryRow.seq)
    )
    return [(seq, dict(json.loads(body)["facts"])) for seq, body in found]


def _compare_entries(manifest: Manifest, entries: Sequence[tuple[int, dict[str, object]]]) -> Iterator[RecordFinding]:
    """Each entry names the rows that it added and the manifest that they made; together they are the manifest."""
    place, beginning = 0, ManifestBeginnings()
    for seq, facts in entries:
        added = facts.get("added")
        named = [str(one) for one in added] if isinstance(added, list) else []
        rows = manifest.segments[place : place + len(named)]
        place += len(named)
        made = beginning.add(rows)
        if [one.row_sha256 for one in rows] != named or made != facts.get("manifest"):
            yield RecordFinding(
                f"ledger {seq}", "台账条目与清单不符", "the ledger entry names other segments than the manifest"
            )
    if place < len(manifest.segments):
        unnamed = len(manifest.segments) - place
        yield RecordFinding(
            f"manifest {place + 1}–{len(manifest.segments)}",
            f"{unnamed} 个片段没有台账条目",
            f"{unnamed} segments have no ledger entry",
        )
