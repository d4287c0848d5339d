"""What the reading of a delivery needs to know of its source, and the source that is a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from lab.bureau.data.ingestion.mapping.document import Encoding
from lab.tables.table_file import TableChunk, TableFile
from lab.tables.table_reader import hash_file, open_table
from lab.terms.errors import InvalidInput

MAX_BYTES: Final = 1 << 36
"""64 GiB."""


class DeliverySource(Protocol):
    """A table whose rows are read once, in chunks of text."""

    @property
    def name(self) -> str:
        """How people know the source: the file's name."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""

    @property
    def units(self) -> int:
        """How much there is to read, for progress; 0 if nobody knows."""

    def sha256(self) -> str:
        """The hash of all content."""

    def chunks(self) -> Iterator[TableChunk]:
        """All rows in order; ``bytes_read`` counts ``units``."""

    def warnings(self, blank: int, set_aside: Mapping[str, int]) -> tuple[str, ...]:
        """What the user should know of the source as a whole."""


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file: CSV in any dress, Parquet, or a workbook."""

    table: TableFile
    digest: str

    @property
    def name(self) -> str:
        """The file's name."""
        return self.table.path.name

    @property
    def columns(self) -> tuple[str, ...]:
        """The header."""
        return self.table.columns

    @property
    def units(self) -> int:
        """Bytes."""
        return self.table.size

    def sha256(self) -> str:
        """The hash of the file's bytes."""
        return self.digest

    def chunks(self) -> Iterator[TableChunk]:
        """The file's rows."""
        return self.table.chunks()

    def warnings(self, blank: int, set_aside: Mapping[str, int]) -> tuple[str, ...]:
        """Encoding, blank lines, columns without a name; rows set aside are counted elsewhere."""
        return self.table.warnings(blank, {})


def open_file_source(path: Path, encoding: Encoding | None = None) -> FileSource:
    """A file as a source; raises what ``open_table`` raises, and ``InvalidInput`` for another encoding than stated."""
    table = open_table(path, max_bytes=MAX_BYTES)
    if encoding is not None and _kind(table.encoding) != encoding and table.encoding != "ascii":
        raise InvalidInput(
            f"Expected {path.name} in {encoding}, as the mapping states; found {table.encoding}.",
            next_step="ask the department for the usual export, or take `encoding` out of the mapping",
        )
    return FileSource(table, hash_file(path))


def _kind(encoding: str) -> str:
    """``utf-16-le`` as ``utf-16``, ``utf-8-sig`` as ``utf-8``."""
    for known in ("utf-16", "utf-8"):
        if encoding.startswith(known):
            return known
    return encoding
