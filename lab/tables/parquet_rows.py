"""Tables in Parquet files, read as text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from lab.tables import table_file
from lab.tables.table_file import TableChunk, blank_to_null
from lab.terms.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class ParquetRows:
    """The rows of the Parquet file ``path`` of ``size`` bytes."""

    path: Path
    size: int

    def read(self, columns: tuple[str, ...]) -> Iterator[TableChunk]:
        """All rows, numbered from 2; raises ``InvalidInput`` if the file can't be read."""
        scan, step = pl.scan_parquet(self.path), max(1, table_file.CHUNK_CHARACTERS // 8 // len(columns))
        try:
            rows = int(scan.select(pl.len()).collect().item())
            for first in range(0, max(rows, 1), step):
                frame = scan.slice(first, step).collect()
                frame.columns = list(columns)
                frame = blank_to_null(frame.select(pl.all().cast(pl.String)))
                numbers = np.arange(first + 2, first + 2 + len(frame), dtype=np.int64)
                yield TableChunk(frame, numbers, bytes_read=self.size * (first + len(frame)) // max(rows, 1))
        except (PolarsError, OSError, ValueError):
            raise _unreadable(self.path.name) from None


def read_parquet_header(path: Path) -> list[str]:
    """The column names; raises ``InvalidInput`` for a file without columns, or with some that hold no plain values."""
    try:
        schema = pl.read_parquet_schema(path)
    except (PolarsError, OSError, ValueError):
        raise _unreadable(path.name) from None
    kinds = enumerate(schema.values(), start=1)
    nested = [str(place) for place, kind in kinds if kind.is_nested() or kind in (pl.Binary, pl.Object)]
    if nested:
        raise InvalidInput(
            f"Expected plain columns in {path.name}; column {', '.join(nested[:10])} holds lists, records or bytes.",
            next_step="flatten the column or delete it",
        )
    if not schema:
        raise InvalidInput(f"Expected a table with columns; {path.name} has none.", next_step="export it again")
    return list(schema)


def _unreadable(name: str) -> InvalidInput:
    return InvalidInput(f"Expected a Parquet file; {name} can't be read as one.", next_step="write it again")
