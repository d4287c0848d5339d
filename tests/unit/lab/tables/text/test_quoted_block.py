"""Quoted CSV split at once says what ``csv.reader`` says of it, and what is not in order is left to it."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Literal

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.tables import table_file
from lab.tables.table_reader import open_table
from lab.tables.text import rows as text_rows
from lab.tables.text.quoted_block import read_quoted_block
from lab.tables.text.rows import TextRows
from lab.terms.errors import InvalidInput

HEADER = ("a", "b", "c")
CELL = st.text(alphabet='x,"\n\r;中 \t\x00\x1f', max_size=5)
RECORD = st.lists(CELL, max_size=4)
ROUGH = st.text(alphabet='x,"\n中\x1e', max_size=60)


def written(records: list[list[str]], quoting: Literal[0, 1, 2, 3]) -> str:
    target = io.StringIO()
    csv.writer(target, quoting=quoting, lineterminator="\n").writerows(records)
    return target.getvalue()


def outcome(path: Path, *, fast: bool, monkeypatch: pytest.MonkeyPatch) -> object:
    """All that is read: rows, their numbers, those set aside, blank lines; or the error."""
    with monkeypatch.context() as patched:
        if not fast:
            patched.setattr(text_rows, "read_quoted_block", lambda text, separator: None)
        reader = TextRows(path, "utf-8", ",", quoted=True)
        try:
            chunks = list(reader.read(HEADER))
        except InvalidInput as error:
            return str(error)
    frame = pl.concat([chunk.frame for chunk in chunks]) if chunks else pl.DataFrame()
    numbers = [number for chunk in chunks for number in chunk.row_numbers.tolist()]
    aside = [(one.row, one.reason) for chunk in chunks for one in chunk.rejected]
    return frame.rows(), numbers, aside, sum(chunk.blank_lines for chunk in chunks)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.builds(written, st.lists(RECORD, max_size=8), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        ROUGH,
    ),
    st.sampled_from([5, 40, 8 << 20]),
    st.booleans(),
)
def test_every_text_reads_as_csv_reader_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, most: int, end: bool
) -> None:
    path = tmp_path / "t.csv"
    body = text if end else text.rstrip("\n")
    path.write_text("a,b,c\n" + body, encoding="utf-8", newline="")
    monkeypatch.setattr(table_file, "CHUNK_CHARACTERS", max(most, 2 + max(map(len, ["a,b,c", *body.split("\n")]))))
    assert outcome(path, fast=True, monkeypatch=monkeypatch) == outcome(path, fast=False, monkeypatch=monkeypatch)


def test_text_in_order_is_taken_at_once_and_other_text_is_not() -> None:
    block = read_quoted_block('"a,1","b\nc","say ""x"""\n\nx,y,""\n', ",")
    assert block is not None and block.inside
    assert block.width.tolist() == [3, 0, 3] and block.data.tobytes() == b'a\x1f1,b\x1ec,say "x"\n\nx,y,\n'
    assert block.lengths.tolist() == [16, 1, 5]
    for text in ('5" pipe,b\n', '"a"b,c\n', 'a "b",c\n', '"a,b\n', f'"{"x" * 200_000}",b\n', '"a\x1f",b\n', ' "a",b\n'):
        assert read_quoted_block(text, ",") is None


def test_a_stray_mark_late_in_the_file_is_literal_or_named_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_file, "CHUNK_CHARACTERS", 64)
    path = tmp_path / "t.csv"
    lines = ["a,b,c", *(f'"{number}","x, y",z' for number in range(40))]
    path.write_text("\n".join([*lines, '5" pipe,1,2', '"last","x, y",z']) + "\n")
    found = pl.concat([chunk.frame for chunk in open_table(path, max_bytes=1 << 20).chunks()])
    assert found.height == 42 and found["a"].to_list()[-2:] == ['5" pipe', "last"] and set(found["b"][:40]) == {"x, y"}
    path.write_text("\n".join([*lines, '"open,1,2']) + "\n")
    with pytest.raises(InvalidInput, match="line 42"):
        list(open_table(path, max_bytes=1 << 20).chunks())
