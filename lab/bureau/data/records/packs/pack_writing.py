"""Writing a pack: the rows of several packs and segments sorted into one file, compared with what they came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import polars as pl

from lab.bureau.data.records.confined_connection import QueryLimits, confined_connection
from lab.bureau.data.records.files.record_files import REPAIR_HINT, RecordFiles
from lab.bureau.data.records.manifest import Segment
from lab.bureau.data.records.packs.pack_list import PLACE, ROW, Pack
from lab.bureau.data.records.packs.stored_rows import ChosenRows
from lab.bureau.data.records.segments.code_filter import make_code_filter
from lab.bureau.data.records.segments.segment_writer import ROW_GROUP
from lab.disk.checked_files import DamagedFile
from lab.disk.private_files import write_private
from lab.tables.table_reader import hash_file

_LIMITS = QueryLimits(memory_mib=512, threads=2)


def write_pack(files: RecordFiles, rows: ChosenRows, segments: Sequence[Segment], first: int) -> Pack:
    """Merge ``rows``, which are those of ``segments`` (the list's from the place ``first`` on), into one file that is
    kept among the others. Raises ``DamagedFile`` for a file that is not the one stored, ``MachineFault`` for a full
    disk."""
    with files.staged_folder() as folder:
        paths = checked_paths(files, rows)
        made, codes = folder / "pack", folder / "codes"
        with confined_connection(folder, list(paths.values()), _LIMITS) as connection:
            order = f"ORDER BY enterprise, held_from, record, {PLACE}"
            connection.execute(
                f"COPY (SELECT * FROM {rows.as_sql(paths)} {order}) TO '{made}' "
                f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP})"
            )
            _check_counts(connection, made, segments, first)
        made.chmod(0o600)
        scan = pl.scan_parquet(made).select(pl.col("enterprise").unique())
        write_private(codes, make_code_filter(scan.collect(engine="streaming")["enterprise"]))
        pack = Pack(
            domain=segments[0].domain,
            first=first,
            segments=tuple(one.sha256 for one in segments),
            sha256=hash_file(made),
            bytes=made.stat().st_size,
            rows=sum(one.rows for one in segments),
            codes_sha256=hash_file(codes),
            catalogue_sha256=segments[0].catalogue_sha256,
        )
        files.keep(made, pack.name)
        files.keep(codes, pack.codes_name)
        files.checks.add(files.segments / name for name in pack.files)
    return pack


def differing_segments(files: RecordFiles, pack: Pack, segments: Sequence[Segment]) -> list[Segment]:
    """Those of the pack's ``segments`` whose own rows are not, value for value and in their order, what the pack says.

    If the segments' own files are gone, their numbers of rows are compared with the manifest. Raises ``DamagedFile``.
    """
    path = files.checked(pack.name, pack.sha256, pack.bytes)
    paths = [] if pack.removed else [files.checked(f"{one.sha256}.parquet", one.sha256, one.bytes) for one in segments]
    found = []
    with files.staged_folder() as folder, confined_connection(folder, [path, *paths], _LIMITS) as connection:
        connection.execute(
            f"CREATE TEMP TABLE counts AS SELECT {PLACE} AS place, count(*) AS n FROM read_parquet(?) GROUP BY 1",
            [str(path)],
        )
        counts = dict(connection.execute("SELECT place, n FROM counts").fetchall())
        different = _differing_places(connection, pack, path, paths) if paths else frozenset[int]()
        for place, segment in enumerate(segments, start=pack.first):
            if counts.get(place) != segment.rows or place in different:
                found.append(segment)
    return found


def _differing_places(
    connection: duckdb.DuckDBPyConnection, pack: Pack, path: Path, paths: Sequence[Path]
) -> frozenset[int]:
    schema = pl.read_parquet_schema(path)
    columns = ", ".join(f'"{name}"' for name in schema if name not in (PLACE, ROW))
    own = (
        f"SELECT {columns}, CAST(file_index + {pack.first} AS INTEGER), CAST(file_row_number AS BIGINT) "
        "FROM read_parquet(?)"
    )
    packed = f"SELECT {columns}, {PLACE}, CAST({ROW} AS BIGINT) AS {ROW} FROM read_parquet(?)"
    listed = [str(one) for one in paths]
    rows = connection.execute(
        f"SELECT DISTINCT {PLACE} FROM (({packed} EXCEPT ALL {own}) UNION ALL ({own} EXCEPT ALL {packed}))",
        [str(path), listed, listed, str(path)],
    ).fetchall()
    return frozenset(int(place) for (place,) in rows)


def checked_paths(files: RecordFiles, *rows: ChosenRows) -> dict[str, Path]:
    """The files of rows by name, checked by their hashes; raises ``DamagedFile``."""
    return {name: files.checked(name, sha256, size) for one in rows for name, sha256, size in one.files}


def _check_counts(connection: duckdb.DuckDBPyConnection, made: Path, segments: Sequence[Segment], first: int) -> None:
    query = f"SELECT {PLACE}, count(*) FROM read_parquet(?) GROUP BY 1"
    counts: Mapping[int, int] = dict(connection.execute(query, [str(made)]).fetchall())
    if counts != {place: one.rows for place, one in enumerate(segments, start=first)}:
        raise DamagedFile(
            made,
            detail="Expected the rows of each segment in the merged file; found other numbers of rows.",
            next_step=REPAIR_HINT,
        )
