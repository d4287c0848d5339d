"""What runs in the confined process: workbook in at standard input, cells as text out at standard output.

The process confines itself before it reads the first byte. It sends frames: a letter, a length of 4 bytes, and the
data. ``R``: rows as CSV in UTF-8, each cell quoted, from the first used row on. Last, ``J``: a JSON object that says
which sheet that was, or why the workbook is refused.
"""

from __future__ import annotations

import codecs
import io
import json
import os
from collections.abc import Callable
from itertools import islice
from typing import Any

import python_calamine
from python_calamine import CalamineSheet, CalamineWorkbook

from lab.process.confinement import Confinement, ConfinementUnavailable
from lab.tables.workbook.cell_text import format_cell, lost_digits
from lab.tables.workbook.container import WorkbookRefused, check_container

MEMORY_BYTES = 4 << 30
PROCESSOR_SECONDS = 600
_FRAME_ROWS = 2_000
_READ_BYTES = 1 << 20


def main() -> None:
    """Confine this process, read the workbook, write the frames, and end."""
    for codec in ("cp437", "utf-8", "utf-16-le", "ascii"):
        codecs.lookup(codec)  # a confined process can load nothing any more
    try:
        Confinement().enter(memory=MEMORY_BYTES, seconds=PROCESSOR_SECONDS)
    except ConfinementUnavailable:
        _write(b"J", b'{"refused": "unconfined"}')
        os._exit(0)
    data = bytearray()
    while piece := os.read(0, _READ_BYTES):
        data += piece
    convert_workbook(bytes(data), _write)
    os._exit(0)


def convert_workbook(data: bytes, send: Callable[[bytes, bytes], None]) -> None:
    """Check and parse a workbook, and send its frames (letter, data)."""
    try:
        found = _convert(data, send)
    except WorkbookRefused as refused:
        found = {"refused": refused.reason, "numbers": list(refused.numbers)}
    except python_calamine.PasswordError:
        found = {"refused": "password"}
    except MemoryError:
        found = {"refused": "memory"}
    except BaseException as error:
        # A panic of the parser is no Exception. Whatever it is: these bytes are no workbook that can be read.
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        found = {"refused": "damaged"}
    send(b"J", json.dumps(found).encode())


def _convert(data: bytes, send: Callable[[bytes, bytes], None]) -> dict[str, Any]:
    container = check_container(data)
    with CalamineWorkbook.from_filelike(io.BytesIO(data)) as workbook:
        position, sheet, with_data = _choose_sheet(workbook)
        header, left = sheet.start or (0, 0)
        merged = _merged_areas(sheet, header)
        lost, wide_cells = _send_rows(sheet, header, left, merged, send)
    return {
        "format": container.format,
        "sheet": position,
        "sheets_with_data": with_data,
        "first_row": header + 1,
        "first_column": left + 1,
        "long_numbers": sorted(lost.items()),
        "merged_cells": wide_cells,
        "error_cells": container.error_cells,
        "formulas_without_result": container.formulas_without_result,
    }


def _choose_sheet(workbook: CalamineWorkbook) -> tuple[int, CalamineSheet, int]:
    """The first visible sheet with two rows, or else with one: its position from 1, and how many visible ones have
    data; raises ``WorkbookRefused``.
    """
    chosen: tuple[int, CalamineSheet] | None = None
    with_data = hidden = 0
    for place, about in enumerate(workbook.sheets_metadata):
        if about.typ != python_calamine.SheetTypeEnum.WorkSheet:
            continue
        if about.visible != python_calamine.SheetVisibleEnum.Visible:
            hidden += 1
            continue
        sheet = workbook.get_sheet_by_index(place)
        if sheet.start is None:
            continue
        with_data += 1
        if chosen is None or (chosen[1].height < 2 <= sheet.height):
            chosen = place + 1, sheet  # the cells of the others do not stay in memory
    if chosen is not None:
        return *chosen, with_data
    raise WorkbookRefused("hidden-sheets" if hidden else "no-table", hidden)


def _merged_areas(sheet: CalamineSheet, header: int) -> dict[tuple[int, int], bool]:
    """The first cell of each merged area, and whether it spans rows; raises ``WorkbookRefused`` if one is in the
    header.
    """
    areas = sheet.merged_cell_ranges or []
    if any(top <= header <= bottom for (top, _), (bottom, _) in areas):
        raise WorkbookRefused("merged-header", header + 1)
    return {(top, left): bottom > top for (top, left), (bottom, _) in areas}


def _send_rows(
    sheet: CalamineSheet,
    header: int,
    left: int,
    merged: dict[tuple[int, int], bool],
    send: Callable[[bytes, bytes], None],
) -> tuple[dict[int, int], int]:
    """Send all rows; returns how many numbers lost digits by column from 1, and how many merged areas have a value.

    Raises ``WorkbookRefused`` if a merged area with a value spans rows: only its first row would have it.
    """
    lost: dict[int, int] = {}
    areas = sent = 0
    text = io.StringIO()
    for number, row in enumerate(islice(sheet.iter_rows(), header, None), start=header):
        cells = [format_cell(value) for value in row]
        text.write(",".join(['"' + cell.replace('"', '""') + '"' for cell in cells]) + "\n")
        sent += 1
        for place, value in enumerate(row):
            if isinstance(value, float | int) and lost_digits(value):
                lost[place + 1] = lost.get(place + 1, 0) + 1
        for place in [p for p, cell in enumerate(cells) if cell and (number, left + p) in merged] if merged else ():
            if merged[number, left + place]:
                raise WorkbookRefused("merged-rows", number + 1)
            areas += 1
        if (number - header) % _FRAME_ROWS == _FRAME_ROWS - 1:
            send(b"R", text.getvalue().encode())
            text.seek(0)
            text.truncate()
    send(b"R", text.getvalue().encode())
    # iter_rows begins at the sheet's first row, not at the first used one; a release that changes this is noticed here.
    if sent != sheet.height:
        raise WorkbookRefused("damaged")
    return lost, areas


def _write(letter: bytes, data: bytes) -> None:
    view = memoryview(letter + len(data).to_bytes(4, "big") + data)
    while view:
        view = view[os.write(1, view) :]
