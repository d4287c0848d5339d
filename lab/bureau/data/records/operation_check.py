"""What an operation presupposes: only a record that is not held is added, and only one that is held is corrected or
deleted. The views rely on it.

Imports set such rows aside with a reason; this check is the last one before the head changes, and it fails closed.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import duckdb

from lab.bureau.data.records.confined_connection import QueryLimits, confined_connection
from lab.bureau.data.records.files.record_files import RecordFiles
from lab.bureau.data.records.manifest import Manifest, Segment
from lab.bureau.data.records.packs.pack_list import PLACE, PackList
from lab.bureau.data.records.packs.stored_rows import StoredRows
from lab.bureau.data.records.record_layout import ADD
from lab.bureau.data.records.segments.segment_writer import FinishedSegment
from lab.terms.errors import Conflict

SMALL_ROWS = 500_000
"""Rows that are compared without a connection of their own: some 50 MiB."""
_LIMITS = QueryLimits(memory_mib=512, threads=2)
_NEXT = "compare the delivery with the records as they are now, and import it again"


def check_operations(files: RecordFiles, before: Manifest, packs: PackList, added: Sequence[FinishedSegment]) -> None:
    """Raise ``Conflict`` if a row of ``added`` adds a record that is held, or corrects or deletes one that is not."""
    staged: dict[str, Path] = {}
    earlier = list(before.segments)
    for finished in added:
        segment, path = finished.segment, finished.files[f"{finished.segment.sha256}.parquet"]
        same = [one for one in earlier if one.domain == segment.domain]
        if segment.operations != (ADD,) or any(_may_share(one, finished) for one in same):
            rows = StoredRows.find(same, packs).all_rows
            paths = dict(staged)
            paths |= {
                name: files.checked(name, sha256, size) for name, sha256, size in rows.files if name not in staged
            }
            with ExitStack() as stack:
                if segment.rows + sum(one.rows for one in same) <= SMALL_ROWS:
                    connection = stack.enter_context(files.small_steps.cursor())
                else:
                    scratch = stack.enter_context(files.staged_folder())
                    read = [path, *paths.values()]
                    connection = stack.enter_context(confined_connection(scratch, read, _LIMITS))
                _check(connection, segment, path, "" if rows.empty else rows.as_sql(paths))
        staged[f"{segment.sha256}.parquet"] = path
        earlier.append(segment)


def _may_share(one: Segment, finished: FinishedSegment) -> bool:
    """Whether a record of both is possible: if the key has the day from which a record holds, only on a common day."""
    segment = finished.segment
    return not finished.dated_key or (one.held_first <= segment.held_last and segment.held_first <= one.held_last)


def _check(connection: duckdb.DuckDBPyConnection, segment: Segment, path: Path, earlier: str) -> None:
    """``earlier``: the rows of the domain that are stored, as a table of SQL; empty if there are none."""
    held_rows = (
        f"SELECT record FROM {earlier} SEMI JOIN asked USING (record) "
        f"GROUP BY record HAVING arg_max(operation, {PLACE}) <> 'delete'"
    )
    for operation, held in (("= 'add'", True), ("<> 'add'", False)):
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE asked AS SELECT record FROM read_parquet(?) WHERE operation {operation}",
            [str(path)],
        )
        asked = _number(connection, "SELECT count(*) FROM asked")
        found = _number(connection, f"SELECT count(*) FROM ({held_rows})") if asked and earlier else 0
        if held and found:
            raise Conflict(
                f"Expected new records in {segment.source}; {found} of {asked} are held already.", next_step=_NEXT
            )
        if not held and found < asked:
            raise Conflict(
                f"Expected records that are held in {segment.source}; {asked - found} of {asked} are not.",
                next_step=_NEXT,
            )


def _number(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    found = connection.execute(query).fetchone()
    return int(found[0]) if found is not None else 0
