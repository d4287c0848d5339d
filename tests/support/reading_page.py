"""Writes `docs/formats/reading.md` with the product's own reader; `make pages` runs it, tests/architecture compares."""

from __future__ import annotations

from pathlib import Path

from lab.tables.cells.column_kinds import ColumnSummary
from lab.tables.cells.column_notes import NoteKind
from tests.support.reading_examples import CELLS, COLUMNS, MISSING, UNREADABLE, WHOLE, read_odd_cell, read_odd_column

PAGE = Path(__file__).parents[2] / "docs" / "formats" / "reading.md"
_KINDS = {"numeric": "数字 number", "date": "日期 date", "boolean": "是否 yes/no", "categorical": "类别 category"}
_WORDS = {MISSING: "无值 no value", UNREADABLE: "无法读取 unreadable"}
_HEAD = """\
# 单元格怎么读 How cells are read

This page is made by the tests with the product's own reader (`make pages`). Register, pilot sample and portfolio are
read in the same way on both sides.

- Nearly all cells of a column decide its kind: number, date, yes/no or category. The [dictionary](dictionary.md) can
  state the kind, the unit and further words for no value.
- A cell is read as a whole or not at all. What does not fit is *unreadable*: it counts as missing, and every command
  shows how many such cells a column has, and in which rows.
- A model keeps how each of its columns is read. Later data are read in the same way. What the columns of the pilot did
  not show is not guessed later: `03/04/2021` in a column that had no such dates is unreadable.
- A cell that shows the other order of day and month than its column, or the other decimal mark, is unreadable: beside
  it a cell that can be either (`03/04/2021`, `1,234`) would be read wrongly without a sign.
- A number such as -999 or a day such as 9999-12-31 is no value if it is frequent, or unmistakable beside all others.
- Spellings of a category that differ in case, spaces beside Chinese characters or final marks are one category.
- A column of numbers or dates mixed with text, with more than 64 different values, is *undecided*: training stops and
  names it.

列的类型由绝大多数单元格决定；一格要么整格读懂，要么记为“无法读取”（按缺失处理，并报告格数与行号）。模型保存每列的读法，
以后的数据按同样的读法读取；试点数据中没有的写法（如 `03/04/2021`）以后不作猜测。只差大小写、空格或末尾标点的类别视为
同一类别。数字与文字混杂且取值超过 64 种的列不作判断：训练会停止并指出该列。
"""
_CELLS = """
## 普通列中的一格 One cell in an ordinary column

| 写法 written | 所在列 kind of column | 读作 read as | 说明 noted as |
|---|---|---|---|
"""
_WHOLE = """
## 整列 Whole columns

| 写法 written | 列的类型 kind of column | 首格读作 first cell read as | 说明 noted as |
|---|---|---|---|
"""
_NOTES = """
## 说明 Notes

Commands show a note behind the number of cells, or of different values.

| note | 中文 | English |
|---|---|---|
"""


def render() -> str:
    """The whole page."""
    cells = []
    for example in CELLS:
        found = [(written, *read_odd_cell(example, written)) for written in example.written]
        written = " ".join(_code(one) for one, _, _ in found)
        noted = "<br>".join(dict.fromkeys(filter(None, (_noted(summary) for _, _, summary in found))))
        values = " ".join(dict.fromkeys(_WORDS.get(value, _code(value)) for _, value, _ in found))
        cells.append(f"| {written} | {' '.join(COLUMNS[example.column][:2])} | {values} | {noted} |\n")
    whole = []
    for column in WHOLE:
        value, summary = read_odd_column(column)
        shown = " ".join(dict.fromkeys(_code(cell) for cell in column.cells[:3]))
        kind = "未定 undecided" if summary.undecided else _KINDS[summary.kind]
        described = f"{column.zh} {column.en}" if column.zh != column.en else column.en
        whole.append(f"| {described}: {shown} | {kind} | {_WORDS.get(value, _code(value))} | {_noted(summary)} |\n")
    notes = [f"| `{kind.value}` | {kind.zh} | {kind.en} |\n" for kind in NoteKind]
    return "".join((_HEAD, _CELLS, *cells, _WHOLE, *whole, _NOTES, *notes))


def _noted(summary: ColumnSummary) -> str:
    return ", ".join(f"`{note.kind.value}`" for note in summary.notes)


def _code(cell: str) -> str:
    """A cell as code; spaces and marks that nobody sees by their number."""
    shown = "".join(c if c.isprintable() and c != "|" and c not in "\u00a0\u2009" else f"\\u{ord(c):04x}" for c in cell)
    return f"`{shown}`" if shown.strip() else "` `"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
