"""What is checked of a workbook's bytes before a parser gets them: that they are one, and unpack to a bounded size.

``.xlsx``, ``.xlsm``, ``.xlsb`` and ``.ods`` are zip archives (APPNOTE 6.3.3): their parts are unpacked here once, piece
by piece, so that no declared size is believed. ``.xls`` and workbooks with a password are OLE2 files (MS-CFB).
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

ZIP_MAGIC = b"PK\x03\x04"
OLE2_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
MAX_WORKBOOK_BYTES = 256 << 20
MAX_XLS_BYTES = 128 << 20
"""A sheet of ``.xls`` has at most 65,536 rows."""
MAX_PARTS = 5_000
MAX_UNPACKED_BYTES = 2 << 30
"""A sheet of a million rows and thirty columns has about one gibibyte of XML."""
MAX_RATIO = 200
"""Unpacked by packed bytes of a part of over ``_SMALL`` bytes: sheets reach about 40, archives that are bombs 1,000."""
_SMALL = 16 << 20
_PIECE = 1 << 20
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_FORMATS = {"xl/workbook.xml": "xlsx", "xl/workbook.bin": "xlsb", "content.xml": "ods"}
_MARKUP = (".xml", ".rels", ".vml")
_ERROR_CELL = re.compile(rb'<c [^<>]*\bt="e"')
_NO_RESULT = re.compile(rb"(?:</f>|<f[^<>]*/>)\s*(?:<v\s*/>|<v></v>)?\s*</c>")


class WorkbookRefused(Exception):
    """``reason``: a key of ``lab.tables.workbook.reading.REFUSALS``. ``numbers``: counts and limits for its words."""

    def __init__(self, reason: str, *numbers: int) -> None:
        super().__init__(reason)
        self.reason, self.numbers = reason, numbers


@dataclass(slots=True)
class Container:
    """A workbook that was checked. ``error_cells``, ``formulas_without_result``: in all sheets of an ``.xlsx``."""

    format: str
    error_cells: int = 0
    formulas_without_result: int = 0


def check_container(data: bytes) -> Container:
    """The container of a workbook; raises ``WorkbookRefused``."""
    if data.startswith(OLE2_MAGIC):
        return _check_ole2(data)
    if len(data) > MAX_WORKBOOK_BYTES:
        raise WorkbookRefused("file-size", MAX_WORKBOOK_BYTES, len(data))
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, NotImplementedError, struct.error):
        raise WorkbookRefused("damaged") from None
    found = Container(_check_parts(parts))
    total = 0
    for part in parts:
        scan = _PartScan(part.filename, found)
        for piece in _unpack(data, part):
            total += len(piece)
            if total > MAX_UNPACKED_BYTES:
                raise WorkbookRefused("unpacked-size", MAX_UNPACKED_BYTES)
            scan.add(piece)
    return found


def _check_ole2(data: bytes) -> Container:
    def has(stream: str) -> bool:
        return stream.encode("utf-16-le") in data

    if has("EncryptedPackage"):
        raise WorkbookRefused("password")
    if len(data) > MAX_XLS_BYTES:
        raise WorkbookRefused("file-size", MAX_XLS_BYTES, len(data))
    if not any(has(stream) for stream in ("Workbook", "WORKBOOK", "Book", "BOOK")):
        raise WorkbookRefused("no-workbook")
    return Container("xls")


def _check_parts(parts: list[zipfile.ZipInfo]) -> str:
    """The format that the names of the parts show; raises ``WorkbookRefused``."""
    if len(parts) > MAX_PARTS:
        raise WorkbookRefused("parts", MAX_PARTS, len(parts))
    names = [part.orig_filename for part in parts]
    if any(_leaves(name) for name in names) or len({name.lower() for name in names}) < len(names):
        raise WorkbookRefused("paths")
    if any(part.flag_bits & 0x1 for part in parts):
        raise WorkbookRefused("password")
    if sum(part.file_size for part in parts) > MAX_UNPACKED_BYTES:
        raise WorkbookRefused("unpacked-size", MAX_UNPACKED_BYTES)
    kinds = [kind for name, kind in _FORMATS.items() if name in names]
    if not kinds or (kinds[0] == "ods") == ("[Content_Types].xml" in names):
        raise WorkbookRefused("no-workbook")
    return kinds[0]


def _leaves(name: str) -> bool:
    """Whether a part's name leads out of the archive, or is written so that readers may take it differently."""
    return name.startswith("/") or "\\" in name or "\x00" in name or ":" in name or ".." in name.split("/")


def _unpack(data: bytes, part: zipfile.ZipInfo) -> Iterator[bytes]:
    """The bytes of a part in pieces; raises ``WorkbookRefused``."""
    try:
        local = _LOCAL_HEADER.unpack_from(data, part.header_offset)
    except struct.error:
        raise WorkbookRefused("damaged") from None
    start = part.header_offset + _LOCAL_HEADER.size + local[9] + local[10]
    packed = memoryview(data)[start : start + part.compress_size]
    if local[0] != ZIP_MAGIC or len(packed) < part.compress_size:
        raise WorkbookRefused("damaged")
    size = 0
    for piece in _inflate(packed, part.compress_type):
        size += len(piece)
        if size > _SMALL and size > MAX_RATIO * part.compress_size:
            raise WorkbookRefused("ratio", MAX_RATIO)
        yield piece
    if size != part.file_size:
        raise WorkbookRefused("damaged")


def _inflate(packed: memoryview, method: int) -> Iterator[bytes]:
    if method == zipfile.ZIP_STORED:
        yield bytes(packed)
        return
    if method != zipfile.ZIP_DEFLATED:
        raise WorkbookRefused("damaged")
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    rest: memoryview | bytes = packed
    try:
        while not inflater.eof:
            piece = inflater.decompress(rest, _PIECE)
            rest = inflater.unconsumed_tail
            if not piece and not rest and not inflater.eof:
                raise WorkbookRefused("damaged")
            yield piece
    except zlib.error:
        raise WorkbookRefused("damaged") from None


class _PartScan:
    """Looks through the markup of one part for what a workbook does not have, and counts cells without a value."""

    def __init__(self, name: str, found: Container) -> None:
        self._markup = name.lower().endswith(_MARKUP)
        self._manifest = name == "META-INF/manifest.xml"
        self._sheet = found.format == "xlsx" and name.startswith("xl/worksheets/")
        self._found, self._tail = found, b""

    def add(self, piece: bytes) -> None:
        """The next piece; raises ``WorkbookRefused`` for a document type, with which entities are declared."""
        if not self._markup:
            return
        text = self._tail + piece
        plain = text.replace(b"\x00", b"")  # in UTF-16 too
        if b"<!DOCTYPE" in plain or b"<!ENTITY" in plain:
            raise WorkbookRefused("document-type")
        if self._manifest and b"encryption-data" in plain:
            raise WorkbookRefused("password")
        if not self._sheet:
            self._tail = text[-64:]
            return
        end = text.rfind(b"</c>") + 4 if b"</c>" in text else 0
        end = max(end, len(text) - _PIECE)
        self._found.error_cells += len(_ERROR_CELL.findall(text, 0, end))
        self._found.formulas_without_result += len(_NO_RESULT.findall(text, 0, end))
        self._tail = text[end:]
