"""Tables as people export them: encodings, separators, ragged rows, and files that are no tables."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.tables import table_file
from lab.tables.spreadsheet_csv import save_csv
from lab.tables.table_file import RejectedRow
from lab.tables.table_reader import open_table, read_table
from lab.terms.errors import Conflict, InvalidInput, NotFound
from lab.terms.identifiers import RejectionReason

ROWS = [("甲公司", "1"), ("乙公司", None)]
TEXT = "名称,数\n甲公司,1\n乙公司,\n"


def write(folder: Path, content: bytes | str) -> Path:
    path = folder / "table.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
def test_ordinary_encodings_read_alike(tmp_path: Path, encoding: str) -> None:
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    table = read_table(write(tmp_path, mark + TEXT.encode(encoding)))
    assert table.frame.columns == ["名称", "数"]
    assert table.frame.rows() == ROWS
    assert table.encoding == encoding.removesuffix("-le").removesuffix("-be")


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_separators_and_line_ends(tmp_path: Path, separator: str, end: str) -> None:
    table = read_table(write(tmp_path, TEXT.replace(",", separator).replace("\n", end)))
    assert table.frame.rows() == ROWS and table.rejected == ()


def test_quoted_fields_may_hold_separators_line_ends_and_quotes(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, 'a,b\n"x, ""y""\nz",1\n"",2\n'))
    assert table.frame.rows() == [('x, "y"\nz', "1"), (None, "2")]


@pytest.mark.parametrize("quoted", [False, True])
def test_ragged_rows_are_set_aside_with_their_number(tmp_path: Path, quoted: bool) -> None:
    first = '"1",2' if quoted else "1,2"
    table = read_table(write(tmp_path, f"a,b\n{first}\n3\n\n4,5,6\n7,8\n"))
    assert table.frame.rows() == [("1", "2"), ("7", "8")]
    assert table.row_numbers.tolist() == [2, 6]
    assert table.rejected == (RejectedRow(3, RejectionReason.RAGGED), RejectedRow(5, RejectionReason.RAGGED))
    assert table.rows == 4
    assert len(table.warnings) == 2


def test_a_header_alone_is_an_empty_table(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "a,b\n"))
    assert table.frame.shape == (0, 2) and table.rows == 0


def test_text_that_looks_like_numbers_stays_text(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "id,x\n007,1e5\n0010,true\n"))
    assert table.frame["id"].to_list() == ["007", "0010"]
    assert set(table.frame.dtypes) == {pl.String}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"a,,c\n1,2,3\n", "column 2 has none"),
        (b"a,b,a\n1,2,3\n", "columns 1, 3 share"),
        (b"1,2\n3,4\n", "row of data"),
        (b"name,91110000600037341L\n", "row of data"),
        (b'a\n"open\n1\n', "quoted fields"),
        (b"\x89PNG\r\n\x00\x00", "none of them"),
        (b"\xff\xff\xff", "none of them"),
        (b"PK\x03\x04rest", "workbook"),
        (b"PAR1rest", "Parquet"),
    ],
)
def test_files_that_are_no_tables_say_what_is_wrong(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as error:
        read_table(write(tmp_path, content))
    assert error.value.next_step
    assert "91110000600037341L" not in str(error.value)


def test_too_large_and_absent_files(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="at most 5 bytes"):
        read_table(write(tmp_path, TEXT), max_bytes=5)
    with pytest.raises(NotFound):
        read_table(tmp_path / "absent.csv")
    with pytest.raises(NotFound):
        read_table(tmp_path)


def test_parquet_becomes_text(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pl.DataFrame({"a": [1, None], "b": [0.1, 1e-17], " c ": ["x", " "]}).write_parquet(path)
    table = read_table(path)
    assert table.frame.columns == ["a", "b", "c"]
    assert table.frame.rows() == [("1", "0.1", "x"), (None, "1e-17", None)]
    pl.DataFrame({"a": [[1]]}).write_parquet(path)
    with pytest.raises(InvalidInput, match="column 1"):
        read_table(path)


CELL = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=8)


@settings(deadline=None)
@given(st.lists(st.tuples(CELL, CELL), max_size=6))
def test_what_was_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows) -> None:
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    pl.DataFrame(
        {"a": [a for a, _ in rows], "b": [b for _, b in rows]}, schema={"a": pl.String, "b": pl.String}
    ).write_csv(path, quote_style="always")
    table = read_table(path)
    expected = [tuple(cell if cell.strip() else None for cell in row) for row in rows]
    assert table.frame.rows() == expected


LINE = st.sampled_from(["1,2", "x,", ",", "", "1", "1,2,3", "甲,乙", " ,y"])


@settings(deadline=None)
@given(
    lines=st.lists(LINE, max_size=12),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "gb18030", "utf-16"]),
    quoted=st.booleans(),
    size=st.integers(8, 40),
)
def test_a_table_read_in_stretches_is_the_table(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], end: str, encoding: str, quoted: bool, size: int
) -> None:
    """Wherever a file is cut, and whatever stands at the cut."""
    path = tmp_path_factory.getbasetemp() / "stretches.csv"
    lines = ["", "名,b", *lines] + (['"z",9'] if quoted else [])
    path.write_bytes(end.join(lines).encode(encoding))
    whole = read_table(path)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(table_file, "CHUNK_CHARACTERS", size)
        parts = list(open_table(path).chunks())
    assert len(parts) > 1 or sum(len(line) + 1 for line in lines) <= 2 * size
    assert [row for part in parts for row in part.frame.rows()] == whole.frame.rows()
    assert [number for part in parts for number in part.row_numbers.tolist()] == whole.row_numbers.tolist()
    assert tuple(line for part in parts for line in part.rejected) == whole.rejected
    assert sum(part.blank_lines for part in parts) == whole.blank_lines
    assert parts[-1].bytes_read == path.stat().st_size
    # And the whole is what a plain reading says.
    cells = {number: line.replace('"', "").split(",") for number, line in enumerate(lines, start=1) if number > 2}
    rows = {number: found for number, found in cells.items() if len(found) == 2}
    assert whole.row_numbers.tolist() == list(rows)
    assert whole.frame.rows() == [tuple(cell if cell.strip() else None for cell in row) for row in rows.values()]
    assert [line.row for line in whole.rejected] == [
        n for n, found in cells.items() if len(found) != 2 and found != [""]
    ]


@pytest.mark.parametrize("mark", ["", '"'])
def test_a_file_without_lines_is_refused_before_it_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: str
) -> None:
    monkeypatch.setattr(table_file, "CHUNK_CHARACTERS", 64)
    for text in ("a,b\n" + mark + "x" * 200 + mark + ",1\n", "a" * 200 + mark):
        with pytest.raises(InvalidInput, match="table in lines"):
            read_table(write(tmp_path, text))


@pytest.mark.parametrize("later", [TEXT + "丙,3\n", b"\xff" * len(TEXT.encode())])
def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, later: str | bytes) -> None:
    opened = open_table(write(tmp_path, TEXT))
    write(tmp_path, later)
    with pytest.raises(Conflict, match="changed"):
        list(opened.chunks())


@pytest.mark.parametrize("last", ["合计,9", " 总 计：,9", ",合计", "Total,9", "小计,1\n合计,2", "合计,9\n\n"])
@pytest.mark.parametrize("size", [1 << 20, 16])
def test_totals_at_the_end_are_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str, size: int) -> None:
    monkeypatch.setattr(table_file, "CHUNK_CHARACTERS", size)
    table = read_table(write(tmp_path, "a,b\n甲,1\n合计,2\n" + "丙,3\n" * 5 + last + "\n"))
    totals = [line for line in last.splitlines() if line]
    assert table.frame["a"].to_list() == ["甲", "合计", *["丙"] * 5]
    assert {row.reason for row in table.rejected} == {RejectionReason.TOTAL}
    assert [row.row for row in table.rejected] == list(range(9, 9 + len(totals)))
    assert any("totals" in warning for warning in table.warnings)


def test_files_that_were_put_together(tmp_path: Path) -> None:
    """The second begins with its mark and its header, as ``cat`` leaves them."""
    part = "\ufeffcode,b\n001,2\n"
    for end in ("\n", "\r"):
        table = read_table(write(tmp_path, (part + part + "\ufeff003,4\n").replace("\n", end)))
        assert table.frame.columns == ["code", "b"]
        assert table.frame.rows() == [("001", "2"), ("001", "2"), ("003", "4")]
        assert table.rejected == (RejectedRow(3, RejectionReason.HEADER),)


@pytest.mark.parametrize("quoted", [False, True])
def test_marks_of_text_are_read_as_a_spreadsheet_shows_them(tmp_path: Path, quoted: bool) -> None:
    cells = ['="0123"', "'0123", "'-5", "=1+1", "'甲", '="a""b"', "''5"]
    marked = ['"' + cell.replace('"', '""') + '"' if quoted else cell for cell in cells]
    table = read_table(write(tmp_path, '="code"\n' + "\n".join(marked) + "\n"))
    assert table.frame["code"].to_list() == ["0123", "0123", "-5", "=1+1", "'甲", 'a"b', "'5"]


@settings(deadline=None)
@given(st.lists(st.text(st.sampled_from("=\"'019a-+, \u3000"), min_size=1, max_size=8), min_size=1, max_size=8))
def test_what_we_wrote_is_read_as_it_was(tmp_path_factory: pytest.TempPathFactory, cells: list[str]) -> None:
    path = tmp_path_factory.getbasetemp() / "ours.csv"
    save_csv(pl.DataFrame({"cell": cells, "end": ["."] * len(cells)}), path)
    assert read_table(path).frame["cell"].to_list() == [cell if cell.strip() else None for cell in cells]
