"""What an operation presupposes: only a record that is not held is added, and only one that is held is corrected or
deleted. The views rely on it.

Imports set such rows aside with a reason; this check is the last one before the head changes, and it fails closed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from lab.bureau.data.records.confined_connection import QueryLimits, confined_connection
from lab.bureau.data.records.manifest import Manifest, Segment
from lab.bureau.data.records.record_files import RecordFiles
from lab.bureau.data.records.record_layout import ADD
from lab.bureau.data.records.segments.segment_writer import FinishedSegment
from lab.terms.errors import Conflict

_LIMITS = QueryLimits(memory_mib=512, threads=2)
_NEXT = "compare the delivery with the records as they are now, and import it again"
_HELD = """
    SELECT record FROM read_parquet(?) SEMI JOIN asked USING (record)
    GROUP BY record HAVING arg_max(operation, file_index) <> 'delete'
"""


def check_operations(files: RecordFiles, before: Manifest, added: Sequence[FinishedSegment]) -> None:
    """Raise ``Conflict`` if a row of ``added`` adds a record that is held, or corrects or deletes one that is not."""
    earlier: list[tuple[Segment, Path | None]] = [(one, None) for one in before.segments]
    for finished in added:
        segment, path = finished.segment, finished.files[f"{finished.segment.sha256}.parquet"]
        same = [pair for pair in earlier if pair[0].domain == segment.domain]
        if segment.operations != (ADD,) or any(_may_share(one, finished) for one, _ in same):
            paths = [staged or files.checked(f"{one.sha256}.parquet", one.sha256, one.bytes) for one, staged in same]
            with (
                files.staged_folder() as scratch,
                confined_connection(scratch, [path, *paths], _LIMITS) as connection,
            ):
                _check(connection, segment, path, paths)
        earlier.append((segment, path))


def _may_share(one: Segment, finished: FinishedSegment) -> bool:
    """Whether a record of both is possible: if the key has the day from which a record holds, only on a common day."""
    segment = finished.segment
    return not finished.dated_key or (one.held_first <= segment.held_last and segment.held_first <= one.held_last)


def _check(connection: duckdb.DuckDBPyConnection, segment: Segment, path: Path, earlier: Sequence[Path]) -> None:
    listed = [str(one) for one in earlier]
    for operation, held in (("= 'add'", True), ("<> 'add'", False)):
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE asked AS SELECT record FROM read_parquet(?) WHERE operation {operation}",
            [str(path)],
        )
        asked = _number(connection, "SELECT count(*) FROM asked")
        found = _number(connection, f"SELECT count(*) FROM ({_HELD})", listed) if asked and listed else 0
        if held and found:
            raise Conflict(
                f"Expected new records in {segment.source}; {found} of {asked} are held already.", next_step=_NEXT
            )
        if not held and found < asked:
            raise Conflict(
                f"Expected records that are held in {segment.source}; {asked - found} of {asked} are not.",
                next_step=_NEXT,
            )


def _number(connection: duckdb.DuckDBPyConnection, query: str, files: Sequence[str] | None = None) -> int:
    found = connection.execute(query, [list(files)] if files is not None else []).fetchone()
    return int(found[0]) if found is not None else 0
