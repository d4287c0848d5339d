"""Data unlike those of the training: refused over HTTP before anything is charged, or accepted and written down.

The model of these tests is of the pilot's 'tax' and 'staff'. In the bureau's register, or in the bank's portfolio, a
column is then written in another unit, recoded or left blank: without a check each of these gives wrong scores.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import select

from lab.bank.connection.client import BureauClient
from lab.bank.connection.responses import RegisterState
from lab.bank.runs.store import find_finished_run, finished_runs
from lab.bureau.data.register import DriftPolicy, RegisterLayout, import_register
from lab.bureau.store.tables import DriftCheckRow, LedgerEntryRow
from lab.terms.contract.document import ResultDetail
from lab.terms.errors import InvalidInput, NotAllowed
from tests.service.conftest import Pilot, Service, import_public, open_service
from tests.service.test_bank_session import Bank, firms

CHANGES: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    "unit": lambda column: (column.cast(pl.Float64) * 10_000).cast(pl.String),
    "blank": lambda column: pl.lit(None, dtype=pl.String).alias(column.meta.output_name()),
    "words": lambda column: pl.format("about {}", column).alias(column.meta.output_name()),
}


@pytest.fixture
def service(tmp_path: Path, pilot: Pilot) -> Iterator[Service]:
    """A bureau of its own, whose register changes."""
    with open_service(tmp_path / "bureau", pilot) as running:
        yield running


@pytest.fixture
def bank(service: Service, tmp_path: Path) -> Bank:
    return Bank(service, tmp_path)


def changed(frame: pl.DataFrame, column: str, change: str) -> pl.DataFrame:
    return frame.with_columns(CHANGES[change](pl.col(column).cast(pl.String)).alias(column))


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_a_register_unlike_the_training_is_not_imported_unless_accepted(bank: Bank, change: str) -> None:
    bureau, contract = bank.service.bureau, bank.contract(detail=ResultDetail.TOTAL)
    source = bank.folder / "second.csv"
    changed(bank.service.pilot.public, "tax", change).write_csv(source)
    layout = RegisterLayout("id", "opaque")
    models = bureau.drift.published("main")
    assert models
    with pytest.raises(InvalidInput, match="differences too large to be chance") as caught:
        import_register(bureau.store, bureau.home, source, layout, policy=DriftPolicy(models))
    assert "--accept-drift" in caught.value.next_step
    assert bank.score(contract, bank.portfolio(firms(*range(30))))["register"] == "main-1"

    import_register(bureau.store, bureau.home, source, layout, policy=DriftPolicy(models, accept=True))
    facts = bank.score(contract, bank.portfolio(firms(*range(30))), out=bank.folder / "again.parquet")
    assert facts["register"] == "main-2"
    assert any("public items of the model moved" in text for text in facts["warnings"])
    with bureau.store.begin_read() as session:
        assert {
            row.accepted for row in session.scalars(select(DriftCheckRow).where(DriftCheckRow.level == "stop"))
        } == {True}
        body = session.scalars(
            select(LedgerEntryRow.body).where(LedgerEntryRow.kind == "register.imported").order_by(LedgerEntryRow.seq)
        ).all()[-1]
    assert json.loads(body)["facts"]["drift_accepted"] > 0


def test_a_register_that_nobody_compared_is_compared_before_it_scores(bank: Bank) -> None:
    """An import that was not told of the model, as one that began before the model was published."""
    bureau, contract = bank.service.bureau, bank.contract(detail=ResultDetail.TOTAL, jobs_per_day=9)
    import_public(bureau, changed(bank.service.pilot.public, "tax", "unit"), accept=True)
    with pytest.raises(NotAllowed, match="too far from those that the model was trained on") as caught:
        bank.score(contract, bank.portfolio(firms(*range(30))))
    assert "tax" not in str(caught.value) and "lab model compare" in (caught.value.next_step or "")
    assert bank.allowance(contract)["scores"]["total"] == 0 and not finished_runs(bank.home.runs)


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_a_portfolio_unlike_the_training_stops_before_anything_is_sent(bank: Bank, change: str) -> None:
    contract = bank.contract(detail=ResultDetail.TOTAL)
    path = bank.portfolio(firms(*range(100)))
    frame = pl.read_csv(path, infer_schema=False)
    column = next(name for name in frame.columns if name != "id")
    changed(frame, column, change).write_csv(path)
    entries = len(bank.service.ledger(contract))
    with pytest.raises(InvalidInput, match=f"{column}") as caught:
        bank.score(contract, path)
    assert "--accept-drift" in caught.value.next_step
    assert len(bank.service.ledger(contract)) == entries

    facts = bank.score(contract, path, accept_drift=True)
    manifest = find_finished_run(bank.home.runs, facts["run"]).manifest
    assert manifest["drift_accepted"] and any("accepted with --accept-drift" in text for text in manifest["warnings"])


def test_a_few_firms_are_never_stopped_by_chance(bank: Bank) -> None:
    contract = bank.contract(detail=ResultDetail.TOTAL, jobs_per_day=99, scores_per_enterprise=99)
    for count in (1, 2, 5, 25):
        facts = bank.score(contract, bank.portfolio(firms(*range(count))), out=bank.folder / f"{count}.parquet")
        assert facts["scored"] == count and not facts["drift_accepted"]


def test_a_bank_that_does_not_ask_first_is_refused_with_its_batch(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    contract = bank.contract(detail=ResultDetail.TOTAL)
    import_public(bank.service.bureau, changed(bank.service.pilot.public, "tax", "unit"), accept=True)
    monkeypatch.setattr(BureauClient, "register_state", lambda *_: RegisterState("main", 2))
    with pytest.raises(NotAllowed, match="too far from those that the model was trained on"):
        bank.score(contract, bank.portfolio(firms(*range(30))))
    assert bank.allowance(contract)["scores"]["total"] == 0
