"""Batches of a finished run, some of whose enterprises were dropped: which row is whose, and what is reused."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from lab.bank.home import BankHome
from lab.bank.portraits.scored_run import ScoredRun
from lab.bank.runs.batch_history import list_batches, reuse_batch
from lab.bank.runs.metadata import RunKind, RunMetadata
from lab.bank.runs.results import RowStatus, output_names, rescored_table
from lab.bank.runs.store import FinishedRun, open_run, run_key
from lab.terms.contract.document import ResultDetail, parse_contract
from lab.terms.errors import InvalidInput, NotFound
from models.bureau.model import Model
from models.shared.sheet import BankSheet
from tests.support.finished_run import home, make_run, replace_outputs, trained

__all__ = ["home", "trained"]

Trained = tuple[Model, pl.DataFrame, pl.DataFrame]
GONE = (2, 7)


@pytest.fixture
def run(home: BankHome, trained: Trained) -> FinishedRun:
    """A run of ten enterprises, from whose batch two were dropped."""
    made = make_run(home, trained, ResultDetail.TOTAL, scored=10)
    rows = made.batch_rows
    kept = ~pl.int_range(pl.len()).is_in(list(GONE))
    rows = rows.with_columns(pl.when(kept).then(pl.col(name)) for name in rows.columns if name != "code")
    made.manifest["receipts"][0]["entry"]["facts"]["scored"] = 8
    replace_outputs(made, rows)
    return made


def test_only_who_was_scored_has_outputs_and_everybody_a_row(run: FinishedRun) -> None:
    (batch,) = list_batches(run)
    assert (batch.rows, len(run.batch_rows), len(run.outputs)) == (range(10), 10, 8)
    assert run.batch_rows["code"][2] == "firm-002" and "firm-002" not in run.outputs["code"]
    opened = ScoredRun.open(run)
    assert len(opened.codes) == 8 and opened.portrait("firm-009").provenance.receipt.startswith("#41")
    with pytest.raises(NotFound):
        opened.portrait("firm-002")


def test_rows_that_do_not_fit_the_receipts_are_refused(run: FinishedRun) -> None:
    replace_outputs(run, run.batch_rows[1:])
    with pytest.raises(InvalidInput, match="do not fit"):
        list_batches(run)


def test_a_reused_batch_keeps_its_dropped_rows(run: FinishedRun, home: BankHome) -> None:
    sheet = BankSheet.from_json(run.sheet)
    (batch,) = list_batches(run)
    contract = parse_contract(run.contract, kept=True).contract
    label = RunMetadata.for_contract(RunKind.RESCORE, contract, datetime.now(UTC))
    with open_run(home.runs, run_key("again"), label, now=datetime.now(UTC)) as new:
        reuse_batch(new, 0, batch, sheet)
        sums = new.batch_sums(0)
    assert sums is not None and sums.receipt == batch.receipt
    assert sums.places.tolist() == [place for place in range(10) if place not in GONE]
    assert np.array_equal(sums.values, run.outputs.select(output_names(sheet)).to_numpy().T)


def test_who_was_not_rescored_in_one_run_is_scored_in_the_next(home: BankHome, trained: Trained) -> None:
    full = make_run(home, trained, ResultDetail.TOTAL, scored=10)
    sheet, rows = BankSheet.from_json(full.sheet), full.batch_rows
    values = rows.select(output_names(sheet)).to_numpy().T.astype(np.int64)
    keep = np.array([place for place in range(10) if place not in GONE])
    some = rescored_table(full.scores, rows["code"].gather(keep), sheet, values[:, keep])
    ended = dict(zip(some["code"].to_list(), some["status"].to_list(), strict=True))
    assert [code for code, status in ended.items() if status == RowStatus.NOT_RESCORED] == ["firm-002", "firm-007"]
    assert some.filter(pl.col("status") == RowStatus.NOT_RESCORED)["score"].to_list() == [None, None]
    again = rescored_table(some, rows["code"], sheet, values)
    assert again.select(full.scores.columns).equals(full.scores)
