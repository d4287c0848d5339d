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

from lab.bank.connection.responses import FINAL_STATES, ContractVersionStatus
from lab.bank.home import BankHome
from lab.bank.matching.evaluation_store import open_evaluation_store
from lab.bank.retention.overdue import (
    HoldReason,
    RemovalReason,
    RetainedKind,
    RetentionReport,
    VersionLookup,
    check_retention,
)
from lab.bank.retention.removal import remove_expired
from lab.bank.runs.metadata import METADATA_FILE, RunKind, RunMetadata
from lab.bank.runs.store import (
    MANIFEST,
    finished_run_folders,
    open_run,
    run_key,
    unfinished_run_folders,
    unresumable_run_warnings,
)
from lab.bureau.contracts import workflow
from lab.cli.bank.commands import app
from lab.cli.bank.tidy import show_expired_reminder
from lab.cli.terminal.output import CommandOutput
from lab.disk.checked_files import seal_json
from lab.terms.contract.document import Contract, ResultDetail, SignedContract
from lab.terms.errors import InvalidInput, NotFound, Unreachable
from tests.support.finished_run import make_contract

NOW = datetime.now(UTC)
ENGINE = "x25519"
RMTREE = shutil.rmtree
DAYS = 30


@pytest.fixture
def contract(home: BankHome) -> Contract:
    """A contract that the bank signed; what jobs leave is kept for 30 days."""
    made = make_contract(home, "ab" * 32, ResultDetail.TOTAL).model_copy(update={"retention_days": DAYS})
    home.store_contract(SignedContract(contract=made))
    return made


def make_match(home: BankHome, contract: Contract, started: datetime, *, finish: bool = True) -> Path:
    """A run that matched, or stopped before it had."""
    label = RunMetadata.for_contract(RunKind.MATCH, contract, started)
    with open_run(home.matches, run_key(str(started), str(finish)), label, now=started) as run:
        if finish:
            run.finish_without_scores(
                {"run": run.id, "kind": "match", "contract": contract.id, "out": "matched.csv"} | FACTS
            )
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
        with open_evaluation_store(home.evaluations, contract.id, epoch, ENGINE) as store, store.exclusive():
            store.record_evaluations(store.record_request(["a"]), ["a"], np.ones((1, 32), np.uint8))
    (home.setups / contract.id).mkdir(parents=True, exist_ok=True)
    (home.setups / contract.id / "0.buckets").write_bytes(b"0" * 100)


def says(*versions: tuple[Contract, str]) -> VersionLookup:
    """A bureau at which versions stand so."""
    listed = [ContractVersionStatus(one.version, state, one.sha256, False, True, True) for one, state in versions]
    return lambda contract: listed


def silent(contract: str) -> Sequence[ContractVersionStatus]:
    raise Unreachable("No answer.")


def reasons(found: RetentionReport) -> list[tuple[RetainedKind, str]]:
    return [(kept.kind, kept.reason.value) for kept in (*found.due, *found.on_hold)]


def test_runs_go_by_the_retention_of_their_contract_and_unfinished_ones_too(home: BankHome, contract: Contract) -> None:
    fresh = make_match(home, contract, NOW - timedelta(days=DAYS))
    old = make_match(home, contract, NOW - timedelta(days=DAYS + 1))
    stopped = make_match(home, contract, NOW - timedelta(days=DAYS + 1), finish=False)
    unlabelled = home.runs / "20260101T000000-0123456789ab"
    unlabelled.mkdir()
    found = check_retention(home, says((contract, "active")), now=NOW)
    assert reasons(found) == [
        (RetainedKind.RUN, RemovalReason.RETENTION),
        (RetainedKind.UNFINISHED, RemovalReason.RETENTION),
        (RetainedKind.UNFINISHED, HoldReason.UNLABELLED),
    ]
    assert remove_expired(home, found.due) == found.due
    assert finished_run_folders(home.matches) == (fresh,) and not old.exists() and not stopped.exists()
    assert unfinished_run_folders(home.runs, home.matches) == (unlabelled,) and not any(home.trash.iterdir())


@pytest.mark.property(
    "Retention at the bank",
    claim=(
        "On the bank's command, a run whose retention is over is removed completely or not at all. What a running "
        "job or a contract in force needs stays."
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
    assert reasons(check_retention(home, says((contract, state)), now=later)) == []
    # Ended, and an amendment that would bring it back is on its way.
    amendment = contract.model_copy(update={"version": 2})
    assert reasons(check_retention(home, says((amendment, state), (contract, "expired")), now=later)) == []


def test_what_was_paid_for_goes_when_the_contract_has_ended(home: BankHome, contract: Contract) -> None:
    assert {state.value for state in workflow.FINAL_STATES} == FINAL_STATES
    pay_for(home, contract, 1)
    stopped = make_match(home, contract, NOW, finish=False)
    done = make_match(home, contract, NOW)
    for state in sorted(FINAL_STATES):
        found = check_retention(home, says((contract, state)), now=NOW)
        assert reasons(found) == [
            (sort, RemovalReason.ENDED)
            for sort in (RetainedKind.UNFINISHED, RetainedKind.EVALUATIONS, RetainedKind.SETUP)
        ]
    assert sum(kept.size_bytes for kept in found.due) > 100
    assert len(remove_expired(home, found.due)) == 3
    assert not any(home.evaluations.iterdir()) and not any(home.setups.iterdir()) and not stopped.exists()
    assert done.exists() and home.contract(contract.id).contract == contract


def test_where_no_bureau_says_that_a_contract_has_ended_it_counts_as_ended_when_all_is_long_over(
    home: BankHome, contract: Contract
) -> None:
    pay_for(home, contract, 1)
    other = contract.model_copy(update={"expires": contract.expires + timedelta(days=1)})
    stranger = says((other, "revoked"))  # it has another text under this contract's name
    for ask in (None, silent, stranger):
        for later, reason in (
            (timedelta(days=DAYS), HoldReason.UNKNOWN),
            (timedelta(days=DAYS + 2), RemovalReason.ENDED),
        ):
            found = check_retention(home, ask, now=NOW + later)
            assert reasons(found) == [(RetainedKind.EVALUATIONS, reason), (RetainedKind.SETUP, reason)]
    # An amendment signed here goes on longer.
    amendment = contract.model_copy(update={"version": 2, "expires": NOW + timedelta(days=100)})
    home.store_contract(SignedContract(contract=amendment))
    assert check_retention(home, silent, now=NOW + timedelta(days=DAYS + 2)).due == ()
    shutil.rmtree(home.folder / "contracts")
    assert reasons(check_retention(home, says(), now=NOW + timedelta(days=999))) == [
        (RetainedKind.EVALUATIONS, HoldReason.UNKNOWN),
        (RetainedKind.SETUP, HoldReason.UNKNOWN),
    ]


def test_values_under_earlier_keys_go_unless_an_unfinished_run_may_need_them(
    home: BankHome, contract: Contract
) -> None:
    pay_for(home, contract, 1, 2)
    lives = says((contract, "active"))
    stopped = make_match(home, contract, NOW, finish=False)
    assert reasons(check_retention(home, lives, now=NOW)) == []
    (stopped / MANIFEST).write_text("{}")
    found = check_retention(home, lives, now=NOW)
    assert (
        reasons(found) == [(RetainedKind.EVALUATIONS, RemovalReason.SUPERSEDED)]
        and found.due[0].name == f"{contract.id}.e1.{ENGINE}"
    )
    remove_expired(home, found.due)
    assert {path.name.split(".")[1] for path in home.evaluations.iterdir()} == {"e2"}


@pytest.mark.property("Retention at the bank")
def test_nothing_of_a_contract_is_touched_while_a_job_of_it_is_at_work(home: BankHome, contract: Contract) -> None:
    pay_for(home, contract, 1)
    old = make_match(home, contract, NOW - timedelta(days=DAYS + 1))
    label = RunMetadata.for_contract(RunKind.SCORE, contract, NOW)
    before = check_retention(home, says((contract, "revoked")), now=NOW).due
    with open_run(home.runs, run_key("at work"), label, now=NOW) as run:
        found = check_retention(home, says((contract, "revoked")), now=NOW)
        assert len(before) == 3 and found.due == () and {kept.reason for kept in found.on_hold} == {HoldReason.AT_WORK}
        assert len(found.on_hold) == 4
    # A run that is at work by the time it would be removed stays as well.
    due = check_retention(home, says((contract, "revoked")), now=NOW).due
    with open_run(home.runs, run_key("at work"), label, now=NOW):
        gone = {kept.name for kept in remove_expired(home, due)}
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
                remove_expired(home, check_retention(home, ended, now=NOW).due)
            except KeyboardInterrupt:
                pass
            else:
                break
        # Whole where it was, or not there at all.
        assert not run.exists() or (run / MANIFEST).exists()
        if any(home.evaluations.glob("*.sqlite")):
            assert any(home.evaluations.glob("*.lock"))
            with open_evaluation_store(home.evaluations, contract.id, 1, ENGINE) as store:
                assert len(store) == 1
        remove_expired(home, check_retention(home, ended, now=NOW).due)
        assert not run.exists() and not any(home.evaluations.iterdir()) and not any(home.trash.iterdir())
    assert step > 5


def test_the_commands_list_a_match_and_remove_what_is_past_its_time_when_told_to(
    home: BankHome, contract: Contract, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show_expired_reminder(CommandOutput(), home)
    assert not capsys.readouterr().out
    run = make_match(home, contract, NOW - timedelta(days=DAYS + 1))
    stopped = make_match(home, contract, NOW, finish=False)

    def lab(*words: str) -> dict[str, Any]:
        done = CliRunner().invoke(app, [*words, "--home", str(home.folder), "--json"], catch_exceptions=False)
        facts: dict[str, Any] = json.loads(done.stdout)
        return facts

    show_expired_reminder(CommandOutput(), home)
    assert "1 items are past their time" in capsys.readouterr().out
    listed = lab("runs")
    assert [(one["run"], one["kind"], one["matched"], one["out"]) for one in listed["runs"]] == [
        (run.name, "match", 7, "matched.csv")
    ]
    (unfinished,) = listed["unfinished"]
    assert (unfinished["run"], unfinished["kind"], unfinished["contract"]) == (stopped.name, "match", contract.id)
    assert (unfinished["identifiers_charged"], unfinished["scores_answered"]) == (0, 0)
    assert lab("runs", run.name)["setup_entries"] == 400
    with pytest.raises(InvalidInput, match="Expected a scoring run"):
        lab("runs", run.name, "--html", str(tmp_path / "o.html"))
    assert lab("runs", stopped.name) == unfinished
    with pytest.raises(NotFound, match=r"batches of run .* that were answered"):
        lab("runs", stopped.name, "--out", str(tmp_path / "o.csv"))
    shown = lab("tidy", "--offline")
    assert [(one["name"], one["reason"], one["removed"]) for one in shown["due"]] == [(run.name, "retention", False)]
    assert [one["name"] for one in shown["doubtful"]] == [stopped.name] and run.exists()
    assert lab("tidy", "--offline", "--remove")["due"][0]["removed"] and not run.exists() and stopped.exists()


def test_a_run_of_a_former_version_is_said_to_end_there(home: BankHome, contract: Contract) -> None:
    label = RunMetadata.for_contract(RunKind.SCORE, contract, NOW)
    with open_run(home.runs, run_key("a"), label, now=NOW) as run:
        pass
    assert unresumable_run_warnings(home.runs, contract.id) == []
    former = json.loads((run.folder / METADATA_FILE).read_bytes())
    del former["form"]  # as it was before labels said it
    (run.folder / METADATA_FILE).write_text(json.dumps(seal_json(former, f"{run.id}/{METADATA_FILE}")))
    (warning,) = unresumable_run_warnings(home.runs, contract.id)
    assert run.id in warning
    assert "its charges remain" in warning
    assert unresumable_run_warnings(home.runs, "c-20260101-other") == []
    done = CliRunner().invoke(app, ["runs", "--home", str(home.folder), "--json"], catch_exceptions=False)
    assert json.loads(done.stdout)["unfinished"][0]["goes_on"] is False
