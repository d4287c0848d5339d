"""What is refused of a workbook's container, and that an ordinary one is not."""

from __future__ import annotations

import struct
import zipfile

import pytest

from lab.tables.workbook import container
from lab.tables.workbook.container import OLE2_MAGIC, WorkbookRefused, check_container
from lab.tables.workbook.reading import REFUSALS
from tests.support.workbooks import error_cell, formula, ods, sheet_xml, xls, xlsx, xlsx_parts, zip_parts

GOOD = xlsx([["a", "b"], ["1", "2"]])
PARTS = xlsx_parts(sheet_xml([["a"], ["1"]]))


def refused(data: bytes) -> str:
    with pytest.raises(WorkbookRefused) as error:
        check_container(data)
    assert error.value.reason in REFUSALS
    words = REFUSALS[error.value.reason][0].format(*error.value.numbers, name="f")
    assert "{" not in words
    return error.value.reason


def test_ordinary_workbooks_pass() -> None:
    assert check_container(GOOD).format == "xlsx"
    assert check_container(ods([["a"]])).format == "ods"
    assert check_container(xls()).format == "xls"


def test_errors_and_formulas_without_result_are_counted_across_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    row = [error_cell("#N/A"), formula("A1"), formula("A1", "2"), 1.0, "t=&#34;e&#34;"]
    data = xlsx([row] * 300)
    for size in (1 << 20, 997):
        monkeypatch.setattr(container, "_PIECE", size)
        found = check_container(data)
        assert (found.error_cells, found.formulas_without_result) == (300, 300)


@pytest.mark.parametrize("end", [5, 40, len(GOOD) // 2, len(GOOD) - 30, len(GOOD) - 1])
def test_a_workbook_that_was_cut_off_is_damaged(end: int) -> None:
    assert refused(GOOD[:end]) == "damaged"


def test_other_archives_and_documents_are_no_workbooks() -> None:
    assert refused(zip_parts({"word/document.xml": "<d/>", "[Content_Types].xml": "<t/>"})) == "no-workbook"
    assert refused(zip_parts({"table.csv": "a,b"})) == "no-workbook"
    assert refused(OLE2_MAGIC + "WordDocument".encode("utf-16-le")) == "no-workbook"


def test_workbooks_with_a_password() -> None:
    assert refused(OLE2_MAGIC + bytes(600) + "EncryptedPackage".encode("utf-16-le")) == "password"
    flagged = bytearray(GOOD)
    place = flagged.index(b"PK\x01\x02")
    flagged[place + 8] |= 1
    assert refused(bytes(flagged)) == "password"
    manifest = {"META-INF/manifest.xml": "<m><manifest:encryption-data/></m>", "content.xml": "\x01"}
    assert refused(zip_parts(manifest)) == "password"


@pytest.mark.parametrize(
    "name", ["../evil.xml", "/etc/passwd", "xl\\a.xml", "C:/a.xml", "xl/../../a", "XL/WORKBOOK.XML"]
)
def test_paths_that_lead_elsewhere_or_are_there_twice(name: str) -> None:
    assert refused(zip_parts(PARTS | {name: "x"})) == "paths"


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>',
        "<?xml version='1.0'?>" + " " * 3_000_000 + "<!DOCTYPE x><x/>",
        '<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>'.encode("utf-16"),
    ],
)
def test_document_types_and_entities(text: str | bytes) -> None:
    assert refused(zip_parts(PARTS | {"xl/sharedStrings.xml": text})) == "document-type"


def test_more_parts_than_a_workbook_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "MAX_PARTS", len(PARTS) - 1)
    assert refused(zip_parts(PARTS)) == "parts"


def test_files_that_are_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "MAX_WORKBOOK_BYTES", 100)
    monkeypatch.setattr(container, "MAX_XLS_BYTES", 100)
    assert refused(GOOD) == refused(xls()) == "file-size"


def test_parts_that_unpack_beyond_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    flood = zip_parts(PARTS | {"xl/sharedStrings.xml": b"<a>" + b" " * (20 << 20)})
    assert refused(flood) == "ratio"
    monkeypatch.setattr(container, "MAX_UNPACKED_BYTES", 1 << 20)
    assert refused(flood) == "unpacked-size"


def test_a_size_that_is_declared_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The central directory says 10 bytes; there are 20 million."""
    data = bytearray(zip_parts(PARTS | {"xl/sharedStrings.xml": b" " * (20 << 20)}))
    real = struct.pack("<I", 20 << 20)
    assert data.count(real) == 2
    lie = bytes(data).replace(real, struct.pack("<I", 10))
    assert refused(lie) == "ratio"
    monkeypatch.setattr(container, "MAX_RATIO", 10_000)
    assert refused(lie) == "damaged"


def test_other_methods_of_packing_are_not_unpacked() -> None:
    data = bytearray(zip_parts(PARTS))
    place = data.index(b"PK\x01\x02")
    data[place + 10 : place + 12] = struct.pack("<H", zipfile.ZIP_LZMA)
    assert refused(bytes(data)) == "damaged"
