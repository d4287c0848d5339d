"""A snapshot of all records as of a day, written out: a Parquet file for each domain, and what they are with hashes.

The same records, catalogue and version of DuckDB give the same bytes: rows are sorted, and one thread writes them.
Personal items are not in it.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path

import duckdb
import rfc8785

from lab.bureau.data.catalogue.item_definition import Catalogue
from lab.bureau.data.records.confined_connection import QueryLimits, refused_by_disk
from lab.bureau.data.records.manifest import Manifest
from lab.bureau.data.records.record_store import RecordStore
from lab.bureau.data.records.record_views import open_records
from lab.bureau.ledger import Fact, record
from lab.bureau.store import Database
from lab.disk.private_files import write_private
from lab.tables.table_reader import hash_file
from lab.terms.errors import Conflict, NotFound
from lab.terms.progress import SILENT, Progress

SNAPSHOT_FORMAT = "shulab-record-snapshot/1"
EXPORTED = "records.exported"
MANIFEST_NAME = "snapshot.json"
_LIMITS = QueryLimits(memory_mib=1024, threads=1)
_ROW_GROUP = 122_880


@dataclass(frozen=True, slots=True)
class SnapshotExport:
    """A written snapshot: its folder, the manifest's hash, the SHA-256 of its ``snapshot.json``, which has those of the
    other files, rows by domain, and bytes of all files."""

    folder: Path
    records: str
    sha256: str
    rows: dict[str, int]
    bytes: int


def export_snapshot(
    records: RecordStore,
    store: Database,
    catalogue: Catalogue,
    folder: Path,
    *,
    day: date,
    by: str,
    progress: Progress = SILENT,
) -> SnapshotExport:
    """Write what was known at the end of ``day`` to the new folder, and enter it in the ledger before the folder is
    there under its name. Raises ``Conflict`` if it exists, ``NotFound`` without the folder above it, ``MachineFault``
    for a full disk, and what ``open_records`` raises."""
    with store.begin_read() as session:
        manifest = records.manifest_as_of(session, day)
    partial = _make_folder(folder)
    try:
        rows = _write_domains(records, manifest, catalogue, partial, progress)
        listed = [_describe(partial / f"{domain}.parquet", count) for domain, count in rows.items()]
        content = rfc8785.dumps(
            {
                "format": SNAPSHOT_FORMAT,
                "as_of": str(day),
                "records": manifest.sha256,
                "catalogue": catalogue.sha256,
                "duckdb": duckdb.__version__,
                "domains": listed,
            }
        )
        write_private(partial / MANIFEST_NAME, content)
        size = sum(path.stat().st_size for path in partial.iterdir())
        made = SnapshotExport(folder, manifest.sha256, sha256(content).hexdigest(), rows, size)
        with store.begin() as session:
            facts: dict[str, Fact] = {
                "snapshot": made.sha256,
                "manifest": manifest.sha256,
                "catalogue": catalogue.sha256,
                "as_of": str(day),
                "rows": sum(rows.values()),
            }
            record(session, EXPORTED, None, facts, by=by)
        partial.rename(folder)
    except OSError:
        raise refused_by_disk() from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return made


def _make_folder(folder: Path) -> Path:
    """A private folder beside the one to be made; one that an interrupted export left goes."""
    if folder.exists():
        raise Conflict(f"Expected to make the folder {folder.name}; it exists.", next_step="give --out another name")
    if not folder.parent.is_dir():
        raise NotFound(
            f"Expected a folder in which {folder.name} is made; there is none.", next_step="make it, or correct --out"
        )
    partial = folder.with_name(f".{folder.name}.partial")
    with suppress(FileNotFoundError):
        shutil.rmtree(partial)
    partial.mkdir(mode=0o700)
    return partial


def _write_domains(
    records: RecordStore, manifest: Manifest, catalogue: Catalogue, folder: Path, progress: Progress
) -> dict[str, int]:
    rows: dict[str, int] = {}
    with (
        open_records(records, manifest, catalogue, limits=_LIMITS) as connection,
        progress.stage("export-records", len(catalogue.domains)) as stage,
    ):
        for domain in catalogue.domains:
            rows[domain.code] = _write_domain(connection, domain.code, folder / f"{domain.code}.parquet")
            stage.advance()
    return rows


def _describe(path: Path, rows: int) -> dict[str, str | int]:
    facts: dict[str, str | int] = {"domain": path.stem, "file": path.name, "rows": rows}
    return facts | {"bytes": path.stat().st_size, "sha256": hash_file(path)}


def _write_domain(connection: duckdb.DuckDBPyConnection, domain: str, path: Path) -> int:
    """Write a domain's records, sorted; how many there are."""
    (scratch,) = connection.execute("SELECT current_setting('temp_directory')").fetchone() or ("",)
    written = Path(scratch) / "exported.parquet"
    found = connection.execute(
        f"COPY (SELECT * FROM \"{domain}\" ORDER BY enterprise, held_from, record) TO '{written}' "
        f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ROW_GROUP})"
    ).fetchone()
    shutil.move(written, path)
    path.chmod(0o600)
    return int(found[0]) if found is not None else 0
