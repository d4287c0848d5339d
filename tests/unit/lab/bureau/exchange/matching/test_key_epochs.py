"""Key epochs: prepared while the old one serves, switched at once; no job lost, no ceiling reset, nothing left."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from lab.bureau.bureau import Bureau
from lab.bureau.configuration.home import BureauHome
from lab.bureau.contracts.draft_clauses import ContractOptions
from lab.bureau.contracts.drafting import ContractDraft, draft_contract, find_contract_models
from lab.bureau.data.register import RegisterLayout, import_register
from lab.bureau.exchange.matching.key_epochs import EpochState, current_epoch
from lab.bureau.model_registry.registry import find_model, publish_model, save_model
from lab.bureau.store.tables import EpochRow, LedgerEntryRow
from lab.terms.contract.document import Ceilings, ResultDetail
from lab.terms.errors import Conflict, NotAllowed, ShulabError
from models.bureau.training.settings import TrainingSettings
from models.bureau.training.trainer import train_model
from models.shared.sheet import BankSheet
from tests.support.bureau_scene import AUTHOR, RECIPIENT, Scene

ROOT = Path(__file__).parents[6]


def files_of(home: BureauHome, epoch: int) -> list[Path]:
    """All that was evaluated under the keys of an epoch, and what was made of it."""
    found = home.path(f"evaluated/by-contract/{epoch}").rglob("*")
    return sorted(path for path in found if path.is_file() and path.stat().st_size)


def values_of(home: BureauHome, epoch: int) -> list[Path]:
    return [path for path in files_of(home, epoch) if path.name == "values"]


def states(bureau: Bureau) -> dict[int, EpochState]:
    return {epoch.number: epoch.state for epoch in bureau.epochs.list_epochs()}


def rotate(bureau: Bureau) -> int:
    bureau.epochs.prepare()
    return bureau.epochs.switch()


def entries(bureau: Bureau) -> list[tuple[str, dict[str, object]]]:
    """Kind and facts of what the ledger says of epochs."""
    with bureau.store.begin_read() as session:
        rows = session.scalars(
            select(LedgerEntryRow).where(LedgerEntryRow.kind.like("epoch.%")).order_by(LedgerEntryRow.seq)
        )
        return [(row.kind, json.loads(row.body)["facts"]) for row in rows]


def score(scene: Scene, contract: str, job: str, tags: np.ndarray, first: int, rows: int) -> bytes:
    """Score the ``rows`` enterprises from ``first`` on, by their tags."""
    scene.bank.put_context(scene.bureau, contract, job)
    sheet = BankSheet.from_json(scene.bureau.jobs.sheet(contract))
    part = slice(first, first + rows)
    batch = scene.bank.batch(sheet, tags[part], scene.tables.bank[part], contract)
    return scene.bureau.scoring.score(contract, job, batch)[0]


def test_a_bureau_begins_in_its_first_epoch_and_says_so_once(scene_on_both: Scene) -> None:
    scene_on_both.reopen()
    assert states(scene_on_both.bureau) == {1: EpochState.CURRENT}
    assert entries(scene_on_both.bureau) == [("epoch.current", {"epoch": 1})]


def test_preparing_changes_nothing_for_jobs_and_switching_changes_new_jobs_alone(scene_on_both: Scene) -> None:
    scene, bureau = scene_on_both, scene_on_both.bureau
    contract = scene.contract()
    codes = scene.tables.codes[:8]
    old = scene.bank.match(bureau, contract, codes, "old").tags
    assert bureau.epochs.prepare() == 2 and bureau.epochs.prepare() == 2
    assert scene.bank.open_job(bureau, contract, "meanwhile").epoch == 1
    score(scene, contract, "old", old, 0, 3)
    assert bureau.epochs.switch() == 2
    assert states(bureau) == {1: EpochState.CLOSING, 2: EpochState.CURRENT}
    # The old job goes on under its keys, also when it is opened again; a new one is under the new keys.
    score(scene, contract, "old", old, 3, 3)
    assert scene.bank.open_job(bureau, contract, "old").epoch == 1
    assert scene.bank.match(bureau, contract, codes, "old").tags.tolist() == old.tolist()
    new = scene.bank.match(bureau, contract, codes, "new").tags
    assert scene.bank.open_job(bureau, contract, "new").epoch == 2
    assert not {bytes(tag) for tag in new} & {bytes(tag) for tag in old}
    with pytest.raises(ShulabError):  # old tags name nobody in a new job
        score(scene, contract, "new", old, 6, 2)
    score(scene, contract, "new", new, 6, 2)
    assert [kind for kind, _ in entries(bureau)] == [
        "epoch.current",
        "epoch.preparing",
        "epoch.closing",
        "epoch.current",
    ]


def test_ceilings_of_an_enterprise_do_not_reset(scene: Scene) -> None:
    bureau = scene.bureau
    contract = scene.contract(ceilings=Ceilings(scores_per_enterprise=1))
    codes = scene.tables.codes[:4]
    score(scene, contract, "old", scene.bank.match(bureau, contract, codes, "old").tags, 0, 4)
    rotate(bureau)
    new = scene.bank.match(bureau, contract, codes, "new").tags
    with pytest.raises(NotAllowed, match="scores_per_enterprise"):
        score(scene, contract, "new", new, 0, 4)


def test_an_epoch_is_destroyed_when_its_jobs_have_ended_and_leaves_nothing(scene_on_both: Scene) -> None:
    scene, bureau = scene_on_both, scene_on_both.bureau
    contract = scene.contract()
    codes = scene.tables.codes[:5]
    old = scene.bank.match(bureau, contract, codes, "old").tags
    secret = bureau.keys.with_matching_key("x25519", 1, "c-0001", "match", bytes)
    sealed = (scene.home / "keys" / "matching-x25519-1.sealed").read_bytes()
    evaluated = [path.read_bytes() for path in files_of(bureau.home, 1) if path.name != "lock"]
    assert len(evaluated) >= 2  # the register and a set-up
    assert bureau.epochs.destroy_closing() == []  # the current one
    rotate(bureau)
    new = scene.bank.match(bureau, contract, codes, "new").tags
    assert bureau.epochs.destroy_closing() == []
    score(scene, contract, "old", old, 0, 5)
    bureau.jobs.end(contract, "old")
    bureau.sweep()
    assert states(bureau) == {1: EpochState.DESTROYED, 2: EpochState.CURRENT}
    assert entries(bureau)[-1] == ("epoch.destroyed", {"epoch": 1, "keys": 2, "jobs_cut_off": 0})
    assert bureau.epochs.destroy_closing() == []
    for file in scene.home.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert not any(gone in content for gone in (secret, secret.hex().encode(), sealed, *evaluated)), file.name
    assert not files_of(bureau.home, 1) and files_of(bureau.home, 2)
    with pytest.raises(ShulabError):
        scene.bank.match(bureau, contract, codes, "old")
    score(scene, contract, "new", new, 0, 5)
    scene.reopen()
    assert states(scene.bureau) == {1: EpochState.DESTROYED, 2: EpochState.CURRENT}


def test_what_may_be_resumed_keeps_its_keys_and_what_may_not_does_not(scene: Scene) -> None:
    bureau = scene.bureau
    suspended, revoked = scene.contract(), scene.contract()
    tags = scene.bank.match(bureau, suspended, scene.tables.codes[:4], "job").tags
    scene.bank.match(bureau, revoked, scene.tables.codes[:4], "job")
    rotate(bureau)
    scene.suspend(suspended)
    scene.revoke(revoked)
    assert bureau.epochs.destroy_closing() == []
    scene.resume(suspended)
    scene.bank.open_job(bureau, suspended, "job")
    score(scene, suspended, "job", tags, 0, 4)
    bureau.jobs.end(suspended, "job")
    assert bureau.epochs.destroy_closing() == [1]


def test_jobs_that_never_end_can_be_cut_off(scene: Scene) -> None:
    bureau = scene.bureau
    contract = scene.contract()
    tags = scene.bank.match(bureau, contract, scene.tables.codes[:4], "old").tags
    rotate(bureau)
    scene.later(days=3)
    assert bureau.epochs.destroy_closing(force_after=timedelta(days=5)) == []
    assert bureau.epochs.destroy_closing(force_after=timedelta(days=2), by="local") == [1]
    assert entries(bureau)[-1] == ("epoch.destroyed", {"epoch": 1, "keys": 2, "jobs_cut_off": 1})
    with pytest.raises(ShulabError) as refused:
        score(scene, contract, "old", tags, 0, 4)
    assert refused.value.next_step


def test_another_process_sees_the_switch_and_the_end(scene_on_both: Scene) -> None:
    """The service is one process, the operator's command another: the table and the files tell."""
    scene = scene_on_both
    contract = scene.contract()
    codes = scene.tables.codes[:4]
    scene.bank.match(scene.bureau, contract, codes, "old")
    with Bureau.open(scene.home, clock=scene.clock) as operator:
        rotate(operator)
        assert scene.bank.open_job(scene.bureau, contract, "new").epoch == 2
        scene.bank.match(scene.bureau, contract, codes, "new")
        scene.bureau.jobs.end(contract, "old")
        assert operator.epochs.destroy_closing() == [1]
    with pytest.raises(ShulabError):
        scene.bank.match(scene.bureau, contract, codes, "old")


def test_late_files_of_a_destroyed_epoch_are_removed(scene: Scene) -> None:
    rotate(scene.bureau)
    assert scene.bureau.epochs.destroy_closing() == [1]
    late = scene.home / "evaluated/by-contract/1/x25519/c-0001/match/main-1-0123456789ab/all/values"
    late.parent.mkdir(parents=True)
    late.write_bytes(b"late")
    scene.bureau.sweep()
    assert not late.exists()


def test_switching_needs_a_prepared_epoch(scene: Scene) -> None:
    with pytest.raises(Conflict, match="prepared"):
        scene.bureau.epochs.switch()
    rotate(scene.bureau)
    with pytest.raises(Conflict):
        scene.bureau.epochs.switch()
    assert rotate(scene.bureau) == 3
    assert states(scene.bureau)[2] is EpochState.CLOSING


def test_without_a_current_epoch_no_job_begins(scene: Scene) -> None:
    with scene.bureau.store.begin() as session:
        session.execute(select(EpochRow)).scalars().one().state = "closing"
    with scene.bureau.store.begin_read() as session, pytest.raises(NotAllowed, match="no current"):
        current_epoch(session)


_COMMAND = """
import os, signal, sys
from pathlib import Path
from lab.bureau.exchange.matching import key_epochs
from lab.bureau.exchange.matching.evaluated_register import EvaluatedRegisterStore
from lab.bureau.configuration.home import BureauHome
from lab.bureau.bureau import Bureau

at, left = sys.argv[2], int(sys.argv[3])
def counted(real):
    def stepped(*args, **kwargs):
        global left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return real(*args, **kwargs)
    return stepped

if at == "evaluating":
    EvaluatedRegisterStore.evaluate = counted(EvaluatedRegisterStore.evaluate)
with Bureau.open(Path(sys.argv[1])) as bureau:
    if at == "recording":
        key_epochs.record = counted(key_epochs.record)
    bureau.epochs.prepare()
    bureau.epochs.switch()
    if at == "after":
        os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(scene: Scene, at: str, left: int) -> None:
    done = subprocess.run([sys.executable, "-c", _COMMAND, str(scene.home), at, str(left)], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL


@pytest.fixture
def two_registers(scene: Scene, tmp_path: Path) -> Scene:
    """A scene with contracts on two registers, so that preparing has two parts."""
    bureau, tables = scene.bureau, scene.tables
    source = tables.register_csv(tmp_path / "second.csv")
    import_register(bureau.store, bureau.home, source, RegisterLayout("id", "opaque"), name="second")
    other = train_model(
        tables.public, tables.bank, tables.label, TrainingSettings(family="scorecard", name="other", version=1)
    ).model
    save_model(bureau.store, bureau.home, other, "second")
    publish_model(bureau.store, bureau.home, "other", 1)
    with bureau.store.begin_read() as session:
        assert find_model(session, "other", 1).register == "second"
    scene.contract()
    choices, now = ContractOptions(detail=ResultDetail.TOTAL, term_days=30, recipients=(RECIPIENT,)), scene.clock.now
    with bureau.store.begin() as session:
        works = find_contract_models(session, bureau.models, [("other", 1)])
        made = draft_contract(
            session,
            ContractDraft(bureau.party, scene.bank.party, works, choices),
            now,
            author=AUTHOR,
            fingerprint=scene.bank.told,
        )
    scene.file(made)
    return scene


def test_killed_while_preparing_it_goes_on_and_does_no_register_twice(two_registers: Scene) -> None:
    scene, bureau = two_registers, two_registers.bureau
    killed(scene, "evaluating", 1)
    assert states(bureau) == {1: EpochState.CURRENT, 2: EpochState.PREPARING}
    first = {path: path.stat().st_mtime_ns for path in values_of(bureau.home, 2)}
    assert len(first) == 1
    key = (scene.home / "keys" / "matching-x25519-2.sealed").read_bytes()
    assert rotate(bureau) == 2
    assert len(values_of(bureau.home, 2)) == 2
    assert all(path.stat().st_mtime_ns == moment for path, moment in first.items())
    assert (scene.home / "keys" / "matching-x25519-2.sealed").read_bytes() == key
    assert [kind for kind, _ in entries(bureau)].count("epoch.preparing") == 1


def test_killed_while_switching_the_old_epoch_serves_and_after_it_the_new_one(scene: Scene) -> None:
    contract = scene.contract()
    # The first command writes an entry for preparing and dies before the next, the switch's first; the second one has
    # nothing to prepare, and dies before the switch's second entry.
    for job in ("first", "second"):
        killed(scene, "recording", 1)
        assert states(scene.bureau) == {1: EpochState.CURRENT, 2: EpochState.PREPARING}
        assert scene.bank.open_job(scene.bureau, contract, job).epoch == 1
    killed(scene, "after", 0)
    assert states(scene.bureau) == {1: EpochState.CLOSING, 2: EpochState.CURRENT}
    assert scene.bank.open_job(scene.bureau, contract, "new").epoch == 2
    kinds = [kind for kind, _ in entries(scene.bureau)]
    assert kinds == ["epoch.current", "epoch.preparing", "epoch.closing", "epoch.current"]
    assert (scene.home / "keys" / "matching-x25519-1.sealed").exists()
