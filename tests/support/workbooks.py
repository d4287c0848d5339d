"""Workbooks written by hand: the parts of an ``.xlsx`` or ``.ods`` as text, and an ``.xls`` as it was once saved."""

from __future__ import annotations

import base64
import io
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
DATE, PERCENT, DATE_TIME = 1, 2, 3
"""Styles of cells."""
_STYLES = (
    f'{_HEAD}<styleSheet xmlns="{MAIN}"><cellXfs count="4"><xf numFmtId="0"/><xf numFmtId="14"/>'
    '<xf numFmtId="9"/><xf numFmtId="22"/></cellXfs></styleSheet>'
)

Cell = str | float | bool | None | tuple[str, ...] | tuple[float, int]
"""Text, a number, a truth value, none; or the markup of a whole cell as a tuple of one; or a number with its style."""


def sheet_xml(rows: Iterable[Any], *, first_row: int = 1, merged: Sequence[str] = ()) -> str:
    """The part of one sheet; ``merged``: areas such as ``A1:B1``."""
    lines = []
    for number, row in enumerate(rows, start=first_row):
        cells = "".join(_cell(value, f"{column_name(place)}{number}") for place, value in enumerate(row))
        lines.append(f'<row r="{number}">{cells}</row>')
    areas = "".join(f'<mergeCell ref="{area}"/>' for area in merged)
    areas = f"<mergeCells>{areas}</mergeCells>" if merged else ""
    return f'{_HEAD}<worksheet xmlns="{MAIN}"><sheetData>{"".join(lines)}</sheetData>{areas}</worksheet>'


def column_name(place: int) -> str:
    """A, B, … of a position from 0."""
    return (column_name(place // 26 - 1) if place >= 26 else "") + chr(ord("A") + place % 26)


def _cell(value: Cell, place: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'
    if isinstance(value, tuple) and len(value) == 1:
        return str(value[0]).replace("PLACE", place)
    number, style = value if isinstance(value, tuple) else (value, 0)
    return f'<c r="{place}" s="{style}"><v>{number!r}</v></c>'


def error_cell(text: str) -> tuple[str]:
    """A cell that holds an error."""
    return (f'<c r="PLACE" t="e"><v>{text}</v></c>',)


def formula(text: str, result: str = "") -> tuple[str]:
    """A formula with its stored result, a number; without one, if it was never computed."""
    return (f'<c r="PLACE"><f>{escape(text)}</f>{f"<v>{result}</v>" if result else ""}</c>',)


def xlsx_parts(*sheets: str, hidden: Sequence[int] = ()) -> dict[str, str]:
    """The parts of a workbook of these sheets; ``hidden``: their positions from 0."""
    places = range(1, len(sheets) + 1)
    states = ['state="hidden"' if place in hidden else "" for place in range(len(sheets))]
    listed = "".join(
        f'<sheet name="s{n}" sheetId="{n}" r:id="rId{n}" {state}/>' for n, state in zip(places, states, strict=True)
    )
    targets = "".join(
        f'<Relationship Id="rId{n}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n in places
    )
    styles = f'<Relationship Id="rIdS" Type="{_OFFICE}/styles" Target="styles.xml"/>'
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    overrides = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{kind}.worksheet+xml"/>' for n in places
    )
    return {
        "[Content_Types].xml": f'{_HEAD}<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>{overrides}</Types>',
        "_rels/.rels": f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'{_HEAD}<workbook xmlns="{MAIN}" xmlns:r="{_OFFICE}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">'
        f"{targets}{styles}</Relationships>",
        "xl/styles.xml": _STYLES,
        **{f"xl/worksheets/sheet{n}.xml": sheet for n, sheet in zip(places, sheets, strict=True)},
    }


def zip_parts(parts: Mapping[str, str | bytes]) -> bytes:
    """The archive of these parts."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def xlsx(*sheets: Iterable[Any], hidden: Sequence[int] = ()) -> bytes:
    """A workbook of these sheets."""
    return zip_parts(xlsx_parts(*(sheet_xml(rows) for rows in sheets), hidden=hidden))


def ods(rows: Sequence[Sequence[str]]) -> bytes:
    """An OpenDocument spreadsheet with text."""
    names = {"office": "office", "table": "table", "text": "text"}
    spaces = " ".join(f'xmlns:{n}="urn:oasis:names:tc:opendocument:xmlns:{n}:1.0"' for n in names)
    cells = "".join(
        "<table:table-row>"
        + "".join(
            f'<table:table-cell office:value-type="string"><text:p>{escape(cell)}</text:p></table:table-cell>'
            for cell in row
        )
        + "</table:table-row>"
        for row in rows
    )
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    return zip_parts(
        {
            "mimetype": kind,
            "META-INF/manifest.xml": f"{_HEAD}<manifest:manifest "
            'xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
            f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/></manifest:manifest>',
            "content.xml": f"{_HEAD}<office:document-content {spaces}><office:body><office:spreadsheet>"
            f'<table:table table:name="s1">{cells}</table:table>'
            "</office:spreadsheet></office:body></office:document-content>",
        }
    )


def xls() -> bytes:
    """Two rows: text ``0123``, 101600, the date 2021-03-04, true; and ``甲``, 12 % (written with xlwt 1.3)."""
    return zlib.decompress(base64.b64decode(_XLS))


_XLS = """
eNrtWE1oE0EU/mY3m2xCm582FVqhhIJVYwu2uXipq1LtKaV68QdB0yYHiSQS9FAPWltzVARPipdCPXipiuAPKujNg1DRgyAIiR49CQoe2qxv3u5q
Uis0oIWW+ZZ5++abmTcvM29+sm8WYpXZ+11VLMNu6KjZQfjrOEEp6GWioHLblqr3NinZCusKQZMm0m/gaevrgJxDOd9VaLjne0kS+ETpOM5gtFjI
JdYQ+9iHjJA+DJEUuEVMGJ3sVRvLCZbtLO9yzWcs9zBzheUQ1a2IY1iwRpO73Cg+ovVwWRjS7iNu84GZAXTglYzii9eEU9fA3tKpzOmNUtDta8Ec
aKZHcoVcSeYjuI0QcJTQn073Dw9XEKcomMN3OwF885b7i4Ti15YXIP5HIx/4C2/SJK7EB+lZzl/XfMAU7JO8qspUw/I5MZJZRJI3AJmImyhmcxQ+
BR3IZiZpfRTzxO4cGEwJiMFzIXkc8PYRbdg+WnlZtZDMIsJ6jBdXlNxcvPP1bXp8zDrBzBQfGc7BskW6BRuXZAtqHOYSnaUsSXKLHSyn2epm1rtY
xinA6d071uEqB2a4zmUu7aV+Uox31tY6fRvp5S8HH3eXP1vbSZ8fqZ6Pz7+3ZtFDw5Kl9vKZQZ/oEzdvSDyxvLdwN6GPLDv/2JBMLer6brunZwRL
cqURYiydnBwd8SunuWPl5HTK6a4tsYItwbbk6DwnbwTbmk75Sb/6QCM7hmYSp3MP0obGPTTa0NiGQfKCFuIxa0dKXgC0NjyUhbSd/kYICgoKCgoK
CgoK6xqCr4TORVteJA33Eh9wv+ssUaqpzyQbFodQpOcs/UfcjwK9S5hsKn42wRCeLbHKNt73QonD1HsJeYyzH/mm45f+hIn637PqhtF/t4Sa7b/W
jJ//uf+fr1jbMg==
"""
