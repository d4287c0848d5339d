"""What people write in cells and what must be read: the examples of the unit tests and of docs/formats/reading.md."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Final

import polars as pl

from lab.tables.cells.column_kinds import ColumnHint, ColumnSummary, summarise_columns
from lab.tables.cells.reading import read_cells

MISSING, UNREADABLE = "missing", "unreadable"
_FIRST_DAY: Final = datetime.date(2015, 1, 1)
COLUMNS: Final[dict[str, tuple[str, str, list[str]]]] = {
    "amounts": ("金额", "amounts", [f"{7 * place % 4999}.{place % 89 + 10}" for place in range(400)]),
    "fractions": ("比率", "fractions", [f"0.{place % 997:03d}7" for place in range(400)]),
    "dates": ("日期", "dates", [str(_FIRST_DAY + datetime.timedelta(days=5 * place)) for place in range(400)]),
    "yes/no": ("是否", "yes and no", [("是", "否")[place % 2] for place in range(400)]),
    "categories": ("类别", "categories", [("A类", "B类", "C类")[place % 3] for place in range(400)]),
}
"""Ordinary columns, in which one cell is written differently: Chinese, English, cells."""


@dataclass(frozen=True)
class OddCell:
    """A cell in one of ``COLUMNS``; ``value``: a number, a date, a category, or ``MISSING`` or ``UNREADABLE``."""

    column: str
    written: tuple[str, ...]
    value: str


@dataclass(frozen=True)
class OddColumn:
    """A whole column: what its cells look like, how many, and what its kind and first value must be."""

    zh: str
    en: str
    cells: tuple[str, ...]
    kind: str
    first: str
    stated: ColumnHint | None = None


CELLS: Final = (
    OddCell(
        "amounts", ("1,200", "1 200", "1\u00a0200", "1\u2009200", "1'200", "１，２００", "+1,200", "1.2E+03"), "1200"
    ),
    OddCell("amounts", ("1,200.50", "1 200.50", "￥1,200.50", "1,200.50元", "RMB 1,200.50"), "1200.5"),
    OddCell(
        "amounts", ("(1,200)", "1,200-", "-1,200", "−1200", "–1200", "－１２００", "￥(1,200)", "-￥1,200"), "-1200"
    ),
    OddCell(
        "amounts",
        ("123", "１２３", "١٢٣", "१२३", "'123", '="123"', '"123"', "12\u200b3", "\ufeff123", "&nbsp;123"),
        "123",
    ),
    OddCell("amounts", ("3.5万", "3.5 万元", "３．５万元", "0.035百万", "35千元", "35,000"), "35000"),
    OddCell("amounts", ("2亿", "2亿元", "20,000万元", "200,000,000", "2,0000,0000"), "2e+08"),
    OddCell("amounts", (".5", "0.5", "5E-1", "５e－１"), "0.5"),
    OddCell("amounts", ("12%", "12 %", "１２％", "120‰"), "12"),
    OddCell("fractions", ("12%", "12 %", "１２％", "120‰", "0.12"), "0.12"),
    OddCell("amounts", ("$100", "US$100", "100 USD", "€100", "100美元", "HK$ 100"), "100"),
    OddCell(
        "amounts",
        ("#N/A", "#DIV/0!", "#REF!", "#VALUE!", "\\N", "NULL", "nan", "NaN", "<NA>", "NaT", "N/A", " "),
        MISSING,
    ),
    OddCell(
        "amounts", ("None", "-", "--", "—", "/", "*", "****", "#####", "无", "暂无", "空", "未知", "不详"), MISSING
    ),
    OddCell(
        "amounts",
        ("3-5", ">100", "<5", "约100", "100+", "1/2", "½", "5²", "①", "一百", "0x1F", "1_000", "1,2,3"),
        UNREADABLE,
    ),
    OddCell(
        "amounts",
        ("1.200,50", "1 200,50", "200.000.000", "0,5"),
        UNREADABLE,
    ),
    OddCell(
        "amounts",
        ("TRUE", "2021-03-04", "12:30", "12个月", "(-5)", "12%-", "1 2", "1,200,", "1.2.3", "=1+1"),
        UNREADABLE,
    ),
    OddCell("amounts", ("1e39",), "1e+39"),
    OddCell(
        "dates",
        ("2021-03-04", "2021-3-4", "2021/3/4", "2021.03.04", "2021年3月4日", "２０２１年３月４日"),
        "2021-03-04",
    ),
    OddCell("dates", ("20210304", "20210304120000", "44259", "4 Mar 2021", "04-Mar-21", "Mar 4, 2021"), "2021-03-04"),
    OddCell(
        "dates",
        ("2021-03-04 12:30:00", "2021-03-04T12:30:00+08:00", "2021/3/4 12:30", "2021年3月4日 12时30分"),
        "2021-03-04",
    ),
    OddCell("dates", ("2021-03-04 上午10:20", "Thursday, 4 March 2021", "2021-03-04T12:30Z"), "2021-03-04"),
    OddCell("dates", ("2021-03", "2021年3月", "202103", "2021/3"), "2021-03-01"),
    OddCell("dates", ("2021Q1", "2021年第1季度", "2021年一季度", "2021-Q1"), "2021-01-01"),
    OddCell("dates", ("0000-00-00", "1900-01-00", "9999-12-31", "1900-01-01", "99991231", "长期", "0", "—"), MISSING),
    OddCell("dates", ("2021-00-00", "2021-02-30", "21-03-04", "3/4/21", "2021", "12:30"), UNREADABLE),
    OddCell("yes/no", ("是", "yes", "Y", "TRUE", "true", "1", "√", "有"), "1"),
    OddCell("yes/no", ("否", "no", "N", "FALSE", "f", "0", "×"), "0"),
    OddCell("yes/no", ("#N/A", "-", "未知"), MISSING),
    OddCell("yes/no", ("U", "2"), UNREADABLE),
    OddCell("categories", ("A类", "Ａ类", "A 类", " a类 ", "A类。", "&#65;类"), "A类"),
    OddCell("categories", ("无", "—", "其他类"), "as written"),
    OddCell("categories", ("#N/A", "NULL", " "), MISSING),
)


def _many(*cells: str) -> tuple[str, ...]:
    return cells * (1 + 400 // len(cells))


_AMOUNTS: Final = [7 * place % 4999 + (place % 89) / 100 for place in range(400)]
_DAYS: Final = [_FIRST_DAY + datetime.timedelta(days=5 * place) for place in range(400)]
WHOLE: Final = (
    OddColumn("千分位", "thousands", tuple(f"{1000 + value:,.2f}" for value in _AMOUNTS), "numeric", "1000"),
    OddColumn(
        "逗号为小数点", "decimal commas", tuple(f"{value:.2f}".replace(".", ",") for value in _AMOUNTS), "numeric", "0"
    ),
    OddColumn(
        "点为千分位",
        "points between thousands",
        (*(f"{1000 + 7 * n:,}".replace(",", ".") for n in range(400)), *["1.234.567"] * 40),
        "numeric",
        "1000",
    ),
    OddColumn(
        "点后三位数字，另有小整数",
        "points and three digits, and small integers",
        (*(f"{1000 + 7 * n:,}".replace(",", ".") for n in range(400)), "987"),
        "numeric",
        "1",
    ),
    OddColumn("百分数", "percentages", tuple(f"{value / 50:.1f}%" for value in _AMOUNTS[1:]), "numeric", "0.001"),
    OddColumn("带单位", "with a unit", tuple(f"{n % 60 + 1}个月" for n in range(400)), "numeric", "1"),
    OddColumn("万元", "ten thousands", tuple(f"{n + 1}万元" for n in range(400)), "numeric", "10000"),
    OddColumn(
        "斜杠日期", "dates with slashes", tuple(f"{d.year}/{d.month}/{d.day}" for d in _DAYS), "date", "2015-01-01"
    ),
    OddColumn("八位数字日期", "dates of eight digits", tuple(f"{d:%Y%m%d}" for d in _DAYS), "date", "2015-01-01"),
    OddColumn("日在前", "day first", tuple(f"{d:%d/%m/%Y}" for d in _DAYS), "date", "2015-01-01"),
    OddColumn("年份两位", "years of two digits", tuple(f"{d:%d/%m/%y}" for d in _DAYS), "undecided", "as written"),
    OddColumn("TRUE/FALSE", "TRUE and FALSE", _many("TRUE", "false", "True"), "boolean", "1"),
    OddColumn("有/无", "有 and 无", _many("有", "无", "无"), "boolean", "1"),
    OddColumn("√ 与空白", "ticks and blanks", _many("√", ""), "boolean", "1"),
    OddColumn("是/否/待核实", "是, 否 and another", _many("是", "否", "待核实"), "categorical", "是"),
    OddColumn("以零开头的代码", "codes with leading zeros", _many("0111", "5311", "2614"), "categorical", "0111"),
    OddColumn("等长代码", "codes of one length", _many("5311", "2614", "3330"), "numeric", "5311"),
    OddColumn(
        "同上，词典写明类别",
        "the same, stated as categories",
        _many("5311", "2614", "5311.0"),
        "categorical",
        "5311",
        ColumnHint("categorical"),
    ),
    OddColumn(
        "18 位号码",
        "numbers of 18 digits",
        tuple(f"33010019900101{n:04d}" for n in range(400)),
        "categorical",
        "330100199001010000",
    ),
    OddColumn("含 -999", "with -999", _many("-999", *(str(n) for n in range(30))), "numeric", MISSING),
    OddColumn("含 -1", "with -1", _many("-1", *(str(n) for n in range(30))), "numeric", MISSING),
    OddColumn("含 9999", "with 9999", _many("9999", *(str(n) for n in range(30))), "numeric", MISSING),
    OddColumn(
        "数字与文字混杂",
        "numbers and text",
        tuple(str(n) if n % 3 else f"文字{n}" for n in range(400)),
        "undecided",
        "as written",
    ),
    OddColumn("少量文字", "some text", tuple(str(n) if n % 20 else "待核实" for n in range(1, 401)), "numeric", "1"),
    OddColumn("全空", "blank", ("",) * 400, "numeric", MISSING),
)


def read_odd_cell(example: OddCell, written: str) -> tuple[str, ColumnSummary]:
    """What one cell is read as, and the summary of its column."""
    cells = [*COLUMNS[example.column][2]]
    cells[7] = written
    frame = pl.DataFrame({"column": cells})
    (summary,) = summarise_columns(frame)
    return _shown(frame["column"], summary, 7), summary


def read_odd_column(example: OddColumn) -> tuple[str, ColumnSummary]:
    """What the first cell of a column is read as, and the summary."""
    frame = pl.DataFrame({"column": example.cells})
    (summary,) = summarise_columns(frame, {"column": example.stated or ColumnHint()})
    return _shown(frame["column"], summary, 0), summary


def _shown(column: pl.Series, summary: ColumnSummary, place: int) -> str:
    read = read_cells(column, summary.kind, summary.reading)
    value = read.values[place]
    if value is None:
        return UNREADABLE if read.unreadable[place] else MISSING
    if summary.kind == "date":
        return str(datetime.date(1970, 1, 1) + datetime.timedelta(days=int(value)))
    return value if isinstance(value, str) else f"{value:.6g}"
