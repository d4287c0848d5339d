"""Checking all that is stored: each file against the manifest, and each row of the manifest against the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.data.records.manifest import Manifest
from lab.bureau.data.records.record_store import RECORD_KINDS, RecordStore
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
    """Read every file. Raises ``DamagedFile`` for a head or manifest that does not fit; other findings are listed."""
    manifest = records.head(session)
    entries = _entries(session)
    findings = [*_compare_entries(manifest, entries)]
    files = [(name, sha256) for segment in manifest.segments for name, sha256 in segment.files.items()]
    with progress.stage("verify-records", len(files)) as stage:
        for name, sha256 in files:
            try:
                records.files.checked(name, sha256, again=True)
                right = records.files.is_remote_right(name, sha256)
            except DamagedFile:
                right = False
            if not right:
                findings.append(RecordFinding(name, "缺失或与存入时不同", "missing, or not as it was stored"))
            stage.advance()
    left = len(records.files.list_names() - {name for name, _ in files})
    return RecordVerification(len(manifest.segments), len(files), len(entries), left, tuple(findings))


def _entries(session: Session) -> list[tuple[int, dict[str, object]]]:
    found = session.execute(
        select(LedgerEntryRow.seq, LedgerEntryRow.body)
        .where(LedgerEntryRow.kind.in_(RECORD_KINDS))
        .order_by(LedgerEntryRow.seq)
    )
    return [(seq, dict(json.loads(body)["facts"])) for seq, body in found]


def _compare_entries(manifest: Manifest, entries: Sequence[tuple[int, dict[str, object]]]) -> Iterator[RecordFinding]:
    """Each entry names the rows that it added and the manifest that they made; together they are the manifest."""
    place = 0
    for seq, facts in entries:
        added = facts.get("added")
        named = [str(one) for one in added] if isinstance(added, list) else []
        rows = manifest.segments[place : place + len(named)]
        place += len(named)
        made = Manifest(manifest.segments[:place])
        if [one.row_sha256 for one in rows] != named or made.sha256 != facts.get("manifest"):
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
