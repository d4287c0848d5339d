"""What the reading of a delivery needs to know of its source, and the source that is a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from lab.bureau.data.ingestion.mapping.document import Encoding
from lab.tables.table_file import TableChunk, TableFile, changed_file, file_state
from lab.tables.table_reader import hash_file, open_table
from lab.terms.errors import InvalidInput, NotFound

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

    def open(self, encoding: Encoding | None) -> None:
        """Find the columns; ``encoding``: the one that the mapping states. Before ``columns`` and ``chunks``."""

    def chunks(self) -> Iterator[TableChunk]:
        """All rows in order; ``bytes_read`` counts ``units``."""

    def warnings(self, blank: int, set_aside: Mapping[str, int]) -> tuple[str, ...]:
        """What the user should know of the source as a whole."""


class FileSource:
    """A file: CSV in any dress, Parquet, or a workbook. Raises ``NotFound`` if there is none."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise NotFound(f"Expected a table in file {path.name}; there is no such file.", next_step="check the path")
        self._path, self._state = path, file_state(path)
        self._digest = hash_file(path)
        self._opened: TableFile | None = None
        self._stated = False

    @property
    def name(self) -> str:
        """The file's name."""
        return self._path.name

    @property
    def columns(self) -> tuple[str, ...]:
        """The header."""
        return self._table.columns

    @property
    def encoding(self) -> str:
        """The text's encoding, or the file's format."""
        return _kind(self._table.encoding)

    @property
    def units(self) -> int:
        """Bytes."""
        return self._state[0]

    def sha256(self) -> str:
        """The hash of the file's bytes."""
        return self._digest

    def open(self, encoding: Encoding | None) -> None:
        """Find encoding and header; raises what ``open_table`` raises, ``InvalidInput`` for another encoding than
        stated, and ``Conflict`` if the file was changed since it was hashed."""
        table = open_table(self._path, max_bytes=MAX_BYTES)
        if table.state != self._state:
            raise changed_file(self.name)
        if encoding is not None and _kind(table.encoding) != encoding:
            raise InvalidInput(
                f"Expected {self.name} in {encoding}, as the mapping states; found {table.encoding}.",
                next_step="ask the department for the usual export, or take `encoding` out of the mapping",
            )
        self._opened, self._stated = table, encoding is not None

    def chunks(self) -> Iterator[TableChunk]:
        """The file's rows."""
        return self._table.chunks()

    def warnings(self, blank: int, set_aside: Mapping[str, int]) -> tuple[str, ...]:
        """Encoding, blank lines, columns without a name; rows set aside are counted elsewhere.

        An encoding that the mapping states is no news.
        """
        table = replace(self._table, encoding="") if self._stated else self._table
        return table.warnings(blank, {})

    @property
    def _table(self) -> TableFile:
        if self._opened is None:
            raise RuntimeError("a source is opened before it is read")
        return self._opened


def _kind(encoding: str) -> str:
    """``utf-16`` of ``utf-16-le``, ``utf-8`` of ``utf-8-sig``."""
    return next((known for known in ("utf-16", "utf-8") if encoding.startswith(known)), encoding)
