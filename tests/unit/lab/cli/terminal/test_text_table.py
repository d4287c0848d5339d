"""Tables on a narrow screen: what a person copies or compares stays on one line, and nothing is lost."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.cli.terminal.output import SafeConsole
from lab.cli.terminal.text_table import make_terminal_table

CONTRACT = "c-20260101-1a2b3c4d"
CODE = "91990100MAEUJQ08XL"
HASH = "0123456789abcdef" * 4
NOTE = "银行自用，审批前请核对 a note for people who read it slowly"


def drawn(columns: list[str], rows: list[list[str]], width: int = 80, whole: str = "") -> str:
    file = io.StringIO()
    SafeConsole(file=file, width=width).print(make_terminal_table("t", columns, rows, whole=whole))
    return file.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_identifier_is_broken(width: int) -> None:
    text = drawn(
        ["合同 contract", "代码 code", "说明 note", "状态 state"], [[CONTRACT, CODE, NOTE, "生效 active"]], width
    )
    assert CONTRACT in text and CODE in text
    assert max(len(line) for line in text.splitlines()) <= width


def test_a_hash_fits_into_80_columns() -> None:
    assert HASH in drawn(["合同 contract", "哈希 hash", "说明 note"], [[CONTRACT, HASH, NOTE]])


def test_the_widest_column_gives_way_first() -> None:
    text = drawn(["合同 contract", "说明 note"], [[CONTRACT, NOTE]], 60)
    assert text.count("│") > 2  # a table still
    assert CONTRACT in text and "slowly" in text


def test_a_column_that_is_to_stay_whole_does() -> None:
    name = "某市数据资源管理局 Data bureau"
    assert name in drawn(["名称 name", "说明 note"], [[name, NOTE]], 60, whole="名称 name")


@given(
    st.lists(st.lists(st.text("ab1-甲乙 ", max_size=90), min_size=3, max_size=3), max_size=3),
    st.integers(min_value=20, max_value=140),
)
def test_every_character_is_shown_at_any_width(rows: list[list[str]], width: int) -> None:
    text = drawn(["a", "乙", "c"], rows, width)
    for char in "ab1-甲乙":
        wanted = sum(cell.count(char) for row in rows for cell in row)
        assert text.count(char) >= wanted
