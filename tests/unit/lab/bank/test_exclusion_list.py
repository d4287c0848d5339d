"""The list of enterprises that must not be scored, against the portfolio that it is for."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.bank.exclusion_list import ExclusionList, read_exclusion_list
from lab.bank.portfolio import Portfolio, read_portfolio
from lab.terms.errors import InvalidInput


def portfolio_of(folder: Path, *codes: str) -> Portfolio:
    path = folder / "portfolio.csv"
    path.write_text("LoanNr,x\n" + "".join(f"{code},1\n" for code in codes))
    return read_portfolio(path, kind="opaque", id_column="LoanNr")


def read(folder: Path, portfolio: Portfolio, text: str) -> ExclusionList:
    path = folder / "skip.csv"
    path.write_text(text)
    return read_exclusion_list(path, kind="opaque", portfolio=portfolio)


def test_no_list_excludes_nobody(tmp_path: Path) -> None:
    assert read_exclusion_list(None, kind="opaque", portfolio=portfolio_of(tmp_path)) == ExclusionList()


def test_the_portfolios_column_is_found_and_codes_that_it_lacks_are_counted(tmp_path: Path) -> None:
    portfolio = portfolio_of(tmp_path, "101600", "101601")
    found = read(tmp_path, portfolio, "id,LoanNr\n1,101600.0\n2,999\n")
    assert found.codes == {"101600", "999"} and found.absent == 1
    assert "1 of the list's 2 codes are not in the portfolio" in found.warnings[-1]
    assert read(tmp_path, portfolio, "code\n101601\n") == ExclusionList(frozenset({"101601"}))


def test_a_list_of_other_firms_stops_the_job(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="found none: 2 codes"):
        read(tmp_path, portfolio_of(tmp_path, "101600"), "code\n0101600\n0101601\n")


def test_the_first_code_of_a_list_without_a_header_is_found_in_the_portfolio(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="first line"):
        read(tmp_path, portfolio_of(tmp_path, "acme", "other"), "acme\nother\n")


def test_an_empty_list_and_an_empty_portfolio_stop_nothing(tmp_path: Path) -> None:
    empty = read(tmp_path, portfolio_of(tmp_path, "101600"), "code\n")
    assert empty.codes == frozenset() and "names no enterprise" in empty.warnings[0]
    assert read(tmp_path, portfolio_of(tmp_path), "code\n1\n").absent == 1


@pytest.mark.parametrize("written", ["123", "a-7", "Ａ７"])
def test_a_code_that_lost_zeros_case_or_marks_stops_the_job(tmp_path: Path, written: str) -> None:
    """A spreadsheet took the zeros of the list, not those of the portfolio: that firm would be scored."""
    book = tmp_path / "portfolio.csv"
    book.write_text("id,a\n00123,1\nA7,2\nB8,3\n", encoding="utf-8")
    names = tmp_path / "skip.csv"
    names.write_text(f"id\nB8\n{written}\n", encoding="utf-8")
    portfolio = read_portfolio(book, kind="opaque")
    with pytest.raises(InvalidInput, match="1 that differ from one there") as caught:
        read_exclusion_list(names, kind="opaque", portfolio=portfolio)
    assert written not in str(caught.value)
