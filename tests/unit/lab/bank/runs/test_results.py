"""The table of results: one row for each row of the file; a duplicate has its code, and no score of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lab.bank.home import BankHome
from lab.bank.portfolio import Portfolio, read_portfolio
from lab.bank.portraits.scored_run import ScoredRun
from lab.bank.runs.results import match_table, rescored_table, score_table
from lab.bank.runs.store import FinishedRun
from lab.terms.contract.document import ResultDetail
from lab.terms.errors import NotFound
from tests.support.finished_run import make_run


@pytest.fixture
def portfolio(tmp_path: Path) -> Portfolio:
    """Rows 2 to 8: three firms, of which one is in three rows, and a row without a code."""
    path = tmp_path / "portfolio.csv"
    path.write_text('id,x\n7.0,1\nb,2\n7,3\n"",4\n 7 ,5\nc,6\nb,7\n')
    return read_portfolio(path, kind="opaque")


def test_a_duplicate_has_its_code_and_the_row_that_counts(portfolio: Portfolio) -> None:
    table = match_table(portfolio, np.array([0], dtype=np.int64))
    assert table.columns == ["row", "id", "code", "status", "reason", "counted_row"]
    assert table.rows() == [
        (2, "7.0", "7", "matched", None, None),
        (3, "b", "b", "not-matched", None, None),
        (4, "7", "7", "set-aside", "duplicate", 2),
        (5, None, None, "set-aside", "empty", None),
        (6, " 7 ", "7", "set-aside", "duplicate", 2),
        (7, "c", "c", "not-matched", None, None),
        (8, "b", "b", "set-aside", "duplicate", 3),
    ]
    counted = table.filter(pl.col("counted_row").is_null() & pl.col("code").is_not_null())
    assert counted["code"].to_list() == list(portfolio.codes)


def test_scores_and_new_scores_are_of_the_rows_that_count(portfolio: Portfolio, home: BankHome, trained) -> None:
    sheet = ScoredRun.open(make_run(home, trained, ResultDetail.TOTAL)).sheet
    both = np.array([0, 1], dtype=np.int64)
    table = score_table(portfolio, both, both, sheet, np.array([[1000, 2000]]))
    assert table.filter(pl.col("score").is_not_null())["row"].to_list() == [2, 3]
    again = rescored_table(table, pl.Series(["7"]), sheet, np.array([[3000]]))
    assert again.select("row", "code", "status", "counted_row").rows() == [
        (2, "7", "scored", None),
        (3, "b", "not-rescored", None),
        (4, "7", "set-aside", 2),
        (5, None, "set-aside", None),
        (6, "7", "set-aside", 2),
        (7, "c", "not-matched", None),
        (8, "b", "set-aside", 3),
    ]
    assert again.filter(pl.col("score").is_not_null())["row"].to_list() == [2]


def test_a_records_of_a_firm_in_several_rows_get_its_score(portfolio: Portfolio, home: BankHome, trained) -> None:
    """The join that docs/formats/results.md describes."""
    sheet = ScoredRun.open(make_run(home, trained, ResultDetail.TOTAL)).sheet
    both = np.array([0, 1], dtype=np.int64)
    table = score_table(portfolio, both, both, sheet, np.array([[1000, 2000]]))
    loans = table.select("row", "code")
    counted = table.filter(pl.col("counted_row").is_null()).select("code", "score")
    joined = loans.join(counted, on="code", how="left").sort("row")
    assert joined.height == 7
    assert joined["score"].is_not_null().to_list() == [True, True, True, False, True, False, True]
    assert joined.group_by("code").agg(pl.col("score").n_unique())["score"].max() == 1


def test_a_portrait_of_a_repeated_code_says_how_the_row_that_counts_ended(
    home: BankHome, trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(home, trained, ResultDetail.TOTAL)  # its last row repeats outside-1
    backwards = run.scores.sort("row", descending=True)
    assert backwards["status"][0] == "set-aside" and backwards["code"][0] == "outside-1"
    monkeypatch.setattr(FinishedRun, "scores", backwards)
    with pytest.raises(NotFound, match="not among"):
        ScoredRun.open(run).portrait("outside-1")
