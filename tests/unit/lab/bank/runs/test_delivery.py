"""Which finished run is given out instead of a new job."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.bank.home import BankHome
from lab.bank.runs.delivery import find_paid_run, give_out, has_waiting_runs, was_given_out
from lab.bank.runs.run_files import write_run_facts
from lab.bank.runs.store import MANIFEST, FinishedRun, read_finished_run
from lab.terms.contract.document import ResultDetail
from lab.terms.errors import InvalidInput, NotFound
from tests.support.finished_run import make_run

JOB = "12" * 32


@pytest.fixture
def run(home: BankHome, trained) -> FinishedRun:
    made = make_run(home, trained, ResultDetail.TOTAL)
    return change(made, job=JOB, register="main-3")


def change(run: FinishedRun, **facts: str) -> FinishedRun:
    write_run_facts(run.folder, MANIFEST, run.manifest | facts)
    return read_finished_run(run.folder)


def test_what_was_not_given_out_is_found_whatever_the_register_and_what_was_only_for_the_same(
    home: BankHome, run: FinishedRun, tmp_path: Path
) -> None:
    contract = str(run.manifest["contract"])
    for register in ("main-3", "main-4", None):
        assert find_paid_run(home.runs, contract, JOB, register=register) == run
    assert has_waiting_runs(home.runs, contract) and not has_waiting_runs(home.runs, "c-other")
    facts = give_out(run, tmp_path / "scores.csv")
    assert facts["out"] == str(tmp_path / "scores.csv") and was_given_out(run)
    assert find_paid_run(home.runs, contract, JOB, register="main-3") == run
    for job, register in ((JOB, "main-4"), (JOB, None), ("34" * 32, "main-3")):
        assert find_paid_run(home.runs, contract, job, register=register) is None
    assert not has_waiting_runs(home.runs, contract)


def test_a_file_that_cannot_be_written_leaves_the_run_to_be_given_out(run: FinishedRun, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="results are kept in run") as found:
        give_out(run, tmp_path / "absent" / "scores.csv")
    assert run.folder.name in found.value.next_step and not was_given_out(run)


def test_a_damaged_run_of_another_contract_stops_nobody(home: BankHome, run: FinishedRun) -> None:
    contract = str(run.manifest["contract"])
    (run.folder / "manifest.json").write_text("{")
    with pytest.raises(InvalidInput):
        find_paid_run(home.runs, contract, JOB, register=None)
    assert find_paid_run(home.runs, "c-other", JOB, register=None) is None
