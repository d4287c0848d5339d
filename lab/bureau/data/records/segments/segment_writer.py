"""Writing a segment: rows come in chunks, and are sorted by enterprise at the end, in bounded memory.

Chunks are Parquet files in a private folder; DuckDB sorts them, on disk beyond its memory limit. Personal items never
touch the disk in plain form: each chunk of them is encrypted under a key that only this process has, and they are put
in the order of the sorted rows a stretch at a time.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb
import numpy as np
import polars as pl
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from polars.exceptions import PolarsError

from lab.bureau.data.catalogue.item_definition import Domain
from lab.bureau.data.records.confined_connection import QueryLimits, confined_connection, refused_by_disk
from lab.bureau.data.records.files.record_files import RecordFiles
from lab.bureau.data.records.manifest import Segment
from lab.bureau.data.records.record_layout import OPERATIONS, personal_schema, record_schema
from lab.bureau.data.records.segments.code_filter import make_code_filter
from lab.bureau.data.records.segments.sealed_rows import BLOCK_ROWS, LendKey, write_sealed_rows
from lab.disk.private_files import write_private
from lab.tables.table_reader import hash_file
from lab.terms.errors import Conflict, InvalidInput

CHUNK_BYTES = 32 << 20
"""Bytes of rows in memory before they are written as a chunk."""
ROW_GROUP = 16_384
"""Rows of a Parquet row group: what a look at one enterprise reads."""
STRETCH_ROWS = BLOCK_ROWS * 256
"""Rows whose personal items are in memory together."""
_SORTING = QueryLimits(memory_mib=512, threads=2)
_POSITION = "_position"


@dataclass(frozen=True, slots=True)
class SegmentSource:
    """Where a segment's rows come from. ``known_on``: the day on which the bureau received them."""

    known_on: date
    name: str
    sha256: str
    mapping_sha256: str
    catalogue_sha256: str


@dataclass(frozen=True, slots=True)
class FinishedSegment:
    """A written segment whose files still are in its writer's folder, by their names. ``dated_key``: the key of its
    domain has the day from which a record holds."""

    segment: Segment
    files: dict[str, Path]
    dated_key: bool


class SegmentWriter:
    """Writes one segment. Use it as a context manager: its folder is gone after the block, so ``RecordStore.append``
    goes into the block. ``RecordStore.writer`` makes one."""

    def __init__(
        self, files: RecordFiles, domain: Domain, source: SegmentSource, lend: LendKey, key_number: int
    ) -> None:
        self._files, self._domain, self._source = files, domain, source
        self._lend, self._key_number = lend, key_number
        self._schema, self._personal_schema = record_schema(domain), personal_schema(domain)
        self._stack = ExitStack()
        self._chunks: list[Path] = []
        self._personal: list[tuple[Path, int]] = []
        self._waiting: list[tuple[pl.DataFrame, pl.DataFrame | None]] = []
        self._bytes = self.rows = 0
        self._operations: set[str] = set()
        self._held: list[date] = []
        self._chunk_key = AESGCM(AESGCM.generate_key(256))

    def __enter__(self) -> Self:
        self._folder = self._stack.enter_context(self._files.staged_folder())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def write(self, rows: pl.DataFrame, personal: pl.DataFrame | None = None) -> None:
        """Add rows, in any order, with exactly the columns and types of ``record_schema``; ``personal``: their personal
        items, row for row, or None where there are none (deletions).

        Raises ``ValueError`` for other columns, and ``InvalidInput`` for rows without enterprise, record id,
        ``held_from`` or a known operation.
        """
        if dict(rows.schema) != self._schema:
            raise ValueError("rows of a segment need the columns of record_schema in order")
        if personal is not None and dict(personal.schema) != self._personal_schema:
            raise ValueError("personal items need the columns of personal_schema in order")
        if personal is not None and personal.height != rows.height:
            raise ValueError("personal items come row for row")
        if rows.height:
            self._check_rows(rows)
            self._waiting.append((rows, personal))
            self._bytes += int(rows.estimated_size())
            self.rows += rows.height
        if self._bytes >= CHUNK_BYTES:
            self._write_chunk()

    def finish(self) -> FinishedSegment | None:
        """Sort and close the segment; None if no row was written.

        Raises ``Conflict`` if a record comes twice.
        """
        self._write_chunk()
        if not self._chunks:
            return None
        sorted_rows, order = self._sort()
        sha256 = hash_file(sorted_rows)
        code_file, codes = self._folder / "codes", _distinct_codes(sorted_rows)
        write_private(code_file, make_code_filter(codes))
        segment = Segment(
            domain=self._domain.code,
            sha256=sha256,
            rows=self.rows,
            bytes=sorted_rows.stat().st_size,
            known_on=self._source.known_on,
            held_first=min(self._held),
            held_last=max(self._held),
            operations=tuple(one for one in OPERATIONS if one in self._operations),
            source=self._source.name,
            source_sha256=self._source.sha256,
            mapping_sha256=self._source.mapping_sha256,
            catalogue_sha256=self._source.catalogue_sha256,
            codes_sha256=hash_file(code_file),
        )
        files = {f"{sha256}.parquet": sorted_rows, f"{segment.codes_sha256}.codes": code_file}
        if order is not None:
            sealed = self._folder / "sealed"
            write_sealed_rows(sealed, self._personal_in_order(order), sha256, self._lend, self._key_number)
            segment = replace(segment, personal_sha256=hash_file(sealed))
            files[f"{segment.personal_sha256}.sealed"] = sealed
        return FinishedSegment(segment, files, self._domain.held_from in self._domain.key)

    def _write_chunk(self) -> None:
        if not self._waiting:
            return
        rows = pl.concat([rows for rows, _ in self._waiting])
        first = self.rows - rows.height
        path = self._folder / f"{len(self._chunks)}.parquet"
        try:
            rows.with_row_index(_POSITION, first).write_parquet(path, compression="lz4", statistics=False)
        except (PolarsError, OSError):  # polars has no error of its own for a full disk
            raise refused_by_disk() from None
        path.chmod(0o600)
        self._chunks.append(path)
        if self._personal_schema:
            parts = [
                pl.DataFrame(schema=self._personal_schema).clear(part.height) if personal is None else personal
                for part, personal in self._waiting
            ]
            self._seal_chunk(pl.concat(parts))
        self._waiting, self._bytes = [], 0

    def _seal_chunk(self, personal: pl.DataFrame) -> None:
        buffer, nonce = io.BytesIO(), os.urandom(12)
        personal.write_parquet(buffer, compression="lz4", statistics=False)
        path = self._folder / f"{len(self._personal)}.chunk"
        write_private(path, nonce + self._chunk_key.encrypt(nonce, buffer.getvalue(), None))
        self._personal.append((path, personal.height))

    def _sort(self) -> tuple[Path, pl.Series | None]:
        """Write the sorted rows. With personal items also the place of each row among the rows as they came, in sorted
        order."""
        columns = ", ".join(f'"{name}"' for name in self._schema)
        scratch = self._folder / "sorting"
        scratch.mkdir(mode=0o700)
        made, order = scratch / "sorted.parquet", scratch / "order.parquet"
        query = "FROM read_parquet(?) ORDER BY enterprise, held_from, record"
        listed = [str(path) for path in self._chunks]
        with self._connection(scratch) as connection:
            if self._personal_schema:
                connection.execute(f"CREATE OR REPLACE TEMP TABLE ordered AS SELECT * {query}", [listed])
                query, listed = "FROM ordered", []
                _copy(connection, f"SELECT {_POSITION} {query}", order, [])
            _copy(connection, f"SELECT {columns} {query}", made, [listed] if listed else [])
            self._check_once(connection, made)
        made.chmod(0o600)
        return made, pl.read_parquet(order)[_POSITION] if self._personal_schema else None

    @contextmanager
    def _connection(self, scratch: Path) -> Iterator[duckdb.DuckDBPyConnection]:
        """One that works on disk beyond its memory; for a single chunk, the one that is open already."""
        many = len(self._chunks) > 1
        opened = confined_connection(scratch, self._chunks, _SORTING) if many else self._files.small_steps.cursor()
        with opened as connection:
            yield connection

    def _check_once(self, connection: duckdb.DuckDBPyConnection, made: Path) -> None:
        found = connection.execute("SELECT count(*) - count(DISTINCT record) FROM read_parquet(?)", [str(made)])
        repeated = (found.fetchone() or (0,))[0]
        if repeated:
            raise Conflict(
                f"Expected each record once in a delivery; {repeated} rows of {self._source.name} name one again.",
                next_step="set those rows aside, and send them as a correction",
            )

    def _personal_in_order(self, order: pl.Series) -> Iterator[pl.DataFrame]:
        """The personal items in the order of the sorted rows, ``STRETCH_ROWS`` at a time."""
        place = np.empty(len(order), dtype=np.int64)
        place[order.to_numpy()] = np.arange(len(order))
        for low in range(0, len(order), STRETCH_ROWS):
            first, parts = 0, []
            for path, height in self._personal:
                here = place[first : first + height]
                first += height
                wanted = (here >= low) & (here < low + STRETCH_ROWS)
                if wanted.any():
                    chunk = self._open_chunk(path).with_columns(pl.Series(_POSITION, here))
                    parts.append(chunk.filter(pl.Series(wanted)))
            yield pl.concat(parts).sort(_POSITION).drop(_POSITION)

    def _open_chunk(self, path: Path) -> pl.DataFrame:
        sealed = path.read_bytes()
        return pl.read_parquet(io.BytesIO(self._chunk_key.decrypt(sealed[:12], sealed[12:], None)))

    def _check_rows(self, rows: pl.DataFrame) -> None:
        operations = set(rows["operation"].unique().to_list())
        empty = [name for name in ("enterprise", "record", "held_from", "operation") if rows[name].null_count()]
        if empty or not operations <= set(OPERATIONS):
            named = ", ".join(empty) or "operation"
            raise InvalidInput(
                f"Expected rows that name enterprise, record, day and operation; {named} of some is empty or unknown.",
                next_step="set those rows aside",
            )
        self._operations |= operations
        held = rows["held_from"]
        self._held = [*self._held, held.min(), held.max()]  # type: ignore[list-item]


def _copy(connection: duckdb.DuckDBPyConnection, query: str, target: Path, values: list[list[str]]) -> None:
    connection.execute(
        f"COPY ({query}) TO '{target}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP})", values
    )


def _distinct_codes(sorted_rows: Path) -> pl.Series:
    scan = pl.scan_parquet(sorted_rows).select(pl.col("enterprise").unique())
    return scan.collect(engine="streaming")["enterprise"]
