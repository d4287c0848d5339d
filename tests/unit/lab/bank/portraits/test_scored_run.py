"""A scored run's warnings: those of its job, and that a record which counted was put right since."""

from __future__ import annotations

import polars as pl

from lab.bank.connection.responses import RegisterState
from lab.bank.home import BankHome
from lab.bank.portraits.pages.portrait_page import portrait_page
from lab.bank.portraits.scored_run import ScoredRun
from lab.bank.runs.superseded_registers import keep_superseded
from lab.cli.bank.status import _run_lines
from lab.terms.contract.document import ResultDetail
from models.bureau.model import Model
from tests.support.finished_run import home, make_run, trained

__all__ = ["home", "trained"]


def test_portraits_and_status_say_that_a_record_was_put_right_since(
    home: BankHome, trained: tuple[Model, pl.DataFrame, pl.DataFrame]
) -> None:
    scored = ScoredRun.open(make_run(home, trained, ResultDetail.FULL, scored=3, warnings=["of the job"]))
    run = scored.run
    assert _warnings(scored) == ("of the job",)
    name, _, version = str(run.manifest["register"]).rpartition("-")
    state = RegisterState(name, int(version) + 1, (), (int(version),))
    keep_superseded(home.folder, str(run.manifest["contract"]), state)
    since, other = _warnings(scored)
    assert other == "of the job"
    assert f"lab bank rescore {run.folder.name}" in since
    page = portrait_page(scored.portrait(None), scored.sheet, warnings=scored.warnings)
    assert "此后已修复或更正" in page and "was put right since" in page
    (line,) = [line for line in _run_lines(home) if line.item == "put-right-since"]
    assert run.folder.name in line.next_step
    assert not any(code in since + str(line) for code in scored.codes)


def _warnings(scored: ScoredRun) -> tuple[str, ...]:
    """They are read anew each time, from what is kept beside the run by then."""
    return scored.warnings
