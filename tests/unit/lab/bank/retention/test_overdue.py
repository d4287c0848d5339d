"""What is past its time goes, whole or not at all; what a job or a living contract may need stays."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from lab.bank.connection.responses import ENDED, VersionStanding
from lab.bank.home import BankHome
from lab.bank.matching.evaluation_store import open_evaluations
from lab.bank.retention.overdue import Ask, Doubt, Sort, Survey, Why, survey
from lab.bank.retention.removal import remove
from lab.bank.runs.metadata import LABEL, Label, RunKind
from lab.bank.runs.store import MANIFEST, finished_folders, left_behind, open_run, run_key, unfinished_runs
from lab.bureau.contracts.workflow import FINAL
from lab.cli.bank.commands import app
from lab.cli.bank.tidy import remind
from lab.cli.terminal.output import Output
from lab.terms.contract.document import Contract, Detail, SignedContract
from lab.terms.errors import InvalidInput, NotFound, Unreachable
from tests.support.finished_run import make_contract

NOW = datetime.now(UTC)
ENGINE = "x25519"
RMTREE = shutil.rmtree
DAYS = 30


@pytest.fixture
def contract(home: BankHome) -> Contract:
    """A contract that the bank signed; what jobs leave is kept for 30 days."""
    made = make_contract(home, "ab" * 32, Detail.TOTAL).model_copy(update={"retention_days": DAYS})
    home.store_contract(SignedContract(contract=made))
    return made


def make_match(home: BankHome, contract: Contract, started: datetime, *, finish: bool = True) -> Path:
    """A run that matched, or stopped before it had."""
    label = Label.of(RunKind.MATCH, contract, started)
    with open_run(home.matches, run_key(str(started), str(finish)), label, now=started) as run:
        if finish:
            run.finish_match({"run": run.id, "kind": "match", "contract": contract.id, "out": "matched.csv"} | FACTS)
    return run.folder


FACTS: dict[str, Any] = {"recipient": "R", "setup_entries": 400, "rows": 9, "accepted": 9, "set_aside": 0, "matched": 7}
FACTS |= {"set_aside_reasons": {}, "sent": 9, "seconds": {"total": 1.0}, "bytes_up": 1, "bytes_down": 1}
FACTS |= {
    "setup_bytes_an_entry": 5.5,
    "least_bytes_an_entry": 5.2,
    "warnings": [],
    "delete_after": "2026-01-01",
    "finished": "2026-01-01T00:00:00",
}


def pay_for(home: BankHome, contract: Contract, *epochs: int) -> None:
    """Values of an identifier under these key epochs, and a set-up."""
    for epoch in epochs:
        with open_evaluations(home.evaluations, contract.id, epoch, ENGINE) as store, store.alone():
            store.keep(store.begin(["a"]), ["a"], np.ones((1, 32), np.uint8))
    (home.setups / contract.id).mkdir(parents=True, exist_ok=True)
    (home.setups / contract.id / "0.buckets").write_bytes(b"0" * 100)


def says(*versions: tuple[Contract, str]) -> Ask:
    """A bureau at which versions stand so."""
    listed = [VersionStanding(one.version, state, one.sha256, False, True, True) for one, state in versions]
    return lambda contract: listed


def silent(contract: str) -> Sequence[VersionStanding]:
    raise Unreachable("No answer.")


def reasons(found: Survey) -> list[tuple[Sort, str]]:
    return [(kept.sort, kept.reason.value) for kept in (*found.due, *found.doubtful)]


def test_runs_go_by_the_retention_of_their_contract_and_unfinished_ones_too(home: BankHome, contract: Contract) -> None:
    fresh = make_match(home, contract, NOW - timedelta(days=DAYS))
    old = make_match(home, contract, NOW - timedelta(days=DAYS + 1))
    stopped = make_match(home, contract, NOW - timedelta(days=DAYS + 1), finish=False)
    unlabelled = home.runs / "20260101T000000-0123456789ab"
    unlabelled.mkdir()
    found = survey(home, says((contract, "active")), now=NOW)
    assert reasons(found) == [
        (Sort.RUN, Why.RETENTION),
        (Sort.UNFINISHED, Why.RETENTION),
        (Sort.UNFINISHED, Doubt.UNLABELLED),
    ]
    assert remove(home, found.due) == found.due
    assert finished_folders(home.matches) == (fresh,) and not old.exists() and not stopped.exists()
    assert unfinished_runs(home.runs, home.matches) == (unlabelled,) and not any(home.leaving.iterdir())


@pytest.mark.property(
    "Retention at the bank",
    claim=(
        "When the bank says so, what is past its time is removed, whole or not at all. What a running job or a "
        "living contract needs stays."
    ),
    topic="limits and interruptions",
    code=["lab.bank.retention.overdue", "lab.bank.retention.removal"],
)
@pytest.mark.parametrize("state", ["active", "suspended", "approved", "of a later version of the bureau"])
def test_what_was_paid_for_stays_however_old_while_the_contract_lives(
    home: BankHome, contract: Contract, state: str
) -> None:
    pay_for(home, contract, 1)
    make_match(home, contract, NOW, finish=False)
    later = NOW + timedelta(days=DAYS)
    assert reasons(survey(home, says((contract, state)), now=later)) == []
    # Ended, and an amendment that would bring it back is on its way.
    amendment = contract.model_copy(update={"version": 2})
    assert reasons(survey(home, says((amendment, state), (contract, "expired")), now=later)) == []


def test_what_was_paid_for_goes_when_the_contract_has_ended(home: BankHome, contract: Contract) -> None:
    assert {state.value for state in FINAL} == ENDED
    pay_for(home, contract, 1)
    stopped = make_match(home, contract, NOW, finish=False)
    done = make_match(home, contract, NOW)
    for state in sorted(ENDED):
        found = survey(home, says((contract, state)), now=NOW)
        assert reasons(found) == [(sort, Why.ENDED) for sort in (Sort.UNFINISHED, Sort.EVALUATIONS, Sort.SETUP)]
    assert sum(kept.bytes for kept in found.due) > 100
    assert len(remove(home, found.due)) == 3
    assert not any(home.evaluations.iterdir()) and not any(home.setups.iterdir()) and not stopped.exists()
    assert done.exists() and home.contract(contract.id).contract == contract


def test_where_no_bureau_says_that_a_contract_has_ended_it_counts_as_ended_when_all_is_long_over(
    home: BankHome, contract: Contract
) -> None:
    pay_for(home, contract, 1)
    other = contract.model_copy(update={"expires": contract.expires + timedelta(days=1)})
    stranger = says((other, "revoked"))  # it has another text under this contract's name
    for ask in (None, silent, stranger):
        for later, reason in ((timedelta(days=DAYS), Doubt.UNKNOWN), (timedelta(days=DAYS + 2), Why.ENDED)):
            found = survey(home, ask, now=NOW + later)
            assert reasons(found) == [(Sort.EVALUATIONS, reason), (Sort.SETUP, reason)]
    # An amendment signed here goes on longer.
    amendment = contract.model_copy(update={"version": 2, "expires": NOW + timedelta(days=100)})
    home.store_contract(SignedContract(contract=amendment))
    assert survey(home, silent, now=NOW + timedelta(days=DAYS + 2)).due == ()
    shutil.rmtree(home.folder / "contracts")
    assert reasons(survey(home, says(), now=NOW + timedelta(days=999))) == [
        (Sort.EVALUATIONS, Doubt.UNKNOWN),
        (Sort.SETUP, Doubt.UNKNOWN),
    ]


def test_values_under_earlier_keys_go_unless_an_unfinished_run_may_need_them(
    home: BankHome, contract: Contract
) -> None:
    pay_for(home, contract, 1, 2)
    lives = says((contract, "active"))
    stopped = make_match(home, contract, NOW, finish=False)
    assert reasons(survey(home, lives, now=NOW)) == []
    (stopped / MANIFEST).write_text("{}")
    found = survey(home, lives, now=NOW)
    assert reasons(found) == [(Sort.EVALUATIONS, Why.SUPERSEDED)] and found.due[0].name == f"{contract.id}.e1.{ENGINE}"
    remove(home, found.due)
    assert {path.name.split(".")[1] for path in home.evaluations.iterdir()} == {"e2"}


@pytest.mark.property("Retention at the bank")
def test_nothing_of_a_contract_is_touched_while_a_job_of_it_is_at_work(home: BankHome, contract: Contract) -> None:
    pay_for(home, contract, 1)
    old = make_match(home, contract, NOW - timedelta(days=DAYS + 1))
    label = Label.of(RunKind.SCORE, contract, NOW)
    before = survey(home, says((contract, "revoked")), now=NOW).due
    with open_run(home.runs, run_key("at work"), label, now=NOW) as run:
        found = survey(home, says((contract, "revoked")), now=NOW)
        assert len(before) == 3 and found.due == () and {kept.reason for kept in found.doubtful} == {Doubt.AT_WORK}
        assert len(found.doubtful) == 4
    # A run that is at work by the time it would be removed stays as well.
    due = survey(home, says((contract, "revoked")), now=NOW).due
    with open_run(home.runs, run_key("at work"), label, now=NOW):
        gone = {kept.name for kept in remove(home, due)}
    assert run.folder.exists() and run.id not in gone and old.name in gone


@pytest.mark.property("Retention at the bank")
def test_a_removal_that_is_cut_off_anywhere_is_finished_by_the_next(
    home: BankHome, contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = says((contract, "revoked"))
    for step in range(20):
        pay_for(home, contract, 1)
        run = make_match(home, contract, NOW - timedelta(days=DAYS + 1))
        left = step

        def cut(*args: Any, _was: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                if _was is RMTREE:  # in the middle of a folder
                    os.remove(min(args[0].iterdir()))
                raise KeyboardInterrupt
            return _was(*args, **options)

        with monkeypatch.context() as patch:
            for place, name in ((Path, "rename"), (Path, "unlink"), (shutil, "rmtree")):
                was = getattr(place, name)
                patch.setattr(place, name, lambda *args, _was=was, **options: cut(*args, _was=_was, **options))
            try:
                remove(home, survey(home, ended, now=NOW).due)
            except KeyboardInterrupt:
                pass
            else:
                break
        # Whole where it was, or not there at all.
        assert not run.exists() or (run / MANIFEST).exists()
        if any(home.evaluations.glob("*.sqlite")):
            assert any(home.evaluations.glob("*.lock"))
            with open_evaluations(home.evaluations, contract.id, 1, ENGINE) as store:
                assert len(store) == 1
        remove(home, survey(home, ended, now=NOW).due)
        assert not run.exists() and not any(home.evaluations.iterdir()) and not any(home.leaving.iterdir())
    assert step > 5


def test_the_commands_list_a_match_and_remove_what_is_past_its_time_when_told_to(
    home: BankHome, contract: Contract, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remind(Output(), home)
    assert not capsys.readouterr().out
    run = make_match(home, contract, NOW - timedelta(days=DAYS + 1))
    stopped = make_match(home, contract, NOW, finish=False)

    def lab(*words: str) -> dict[str, Any]:
        done = CliRunner().invoke(app, [*words, "--home", str(home.folder), "--json"], catch_exceptions=False)
        facts: dict[str, Any] = json.loads(done.stdout)
        return facts

    remind(Output(), home)
    assert "1 kept past their time" in capsys.readouterr().out
    listed = lab("runs")
    assert [(one["run"], one["kind"], one["matched"], one["out"]) for one in listed["runs"]] == [
        (run.name, "match", 7, "matched.csv")
    ]
    assert listed["unfinished"] == [{"run": stopped.name, "kind": "match", "contract": contract.id}]
    assert lab("runs", run.name)["setup_entries"] == 400
    with pytest.raises(InvalidInput, match="no overview"):
        lab("runs", run.name, "--html", str(tmp_path / "o.html"))
    with pytest.raises(NotFound, match="not finished"):
        lab("runs", stopped.name)
    shown = lab("tidy", "--offline")
    assert [(one["name"], one["reason"], one["removed"]) for one in shown["due"]] == [(run.name, "retention", False)]
    assert [one["name"] for one in shown["doubtful"]] == [stopped.name] and run.exists()
    assert lab("tidy", "--offline", "--remove")["due"][0]["removed"] and not run.exists() and stopped.exists()


def test_a_run_of_a_former_version_is_said_to_end_there(home: BankHome, contract: Contract) -> None:
    label = Label.of(RunKind.SCORE, contract, NOW)
    with open_run(home.runs, run_key("a"), label, now=NOW) as run:
        pass
    assert left_behind(home.runs, contract.id) == []
    former = json.loads((run.folder / LABEL).read_bytes())
    del former["form"]  # as it was before labels said it
    (run.folder / LABEL).write_text(json.dumps(former))
    (warning,) = left_behind(home.runs, contract.id)
    assert run.id in warning
    assert "stays charged" in warning
    assert left_behind(home.runs, "c-20260101-other") == []
    done = CliRunner().invoke(app, ["runs", "--home", str(home.folder), "--json"], catch_exceptions=False)
    assert json.loads(done.stdout)["unfinished"][0]["goes_on"] is False
