"""A register version is listed with what needs it, and removed only if nothing does; the ledger says so."""

from __future__ import annotations

import pytest

from lab.bureau.data.register import RegisterLayout, find_snapshot, import_register
from lab.bureau.exchange.matching.register_versions import (
    RegisterVersion,
    list_register_versions,
    remove_register_version,
)
from lab.terms.errors import Conflict, NotFound
from tests.support.bureau_scene import Scene
from tests.unit.lab.bureau.test_exchange import JOB, batch_of


def import_again(scene: Scene) -> None:
    path = scene.tables.register_csv(scene.home.parent / "again.csv")
    import_register(scene.bureau.store, scene.bureau.home, path, RegisterLayout("id", "opaque"), name="main")


def versions(scene: Scene) -> list[RegisterVersion]:
    with scene.bureau.store.begin_read() as session:
        return list_register_versions(session, scene.clock.now)


def remove(scene: Scene, version: int, register: str = "main") -> RegisterVersion:
    bureau = scene.bureau
    return remove_register_version(
        bureau.store, bureau.home, bureau.evaluated_registers, register, version, scene.clock.now
    )


def test_the_newest_version_is_never_removed(scene: Scene) -> None:
    (only,) = versions(scene)
    assert only.newest and only.is_needed
    with pytest.raises(Conflict, match="is the newest"):
        remove(scene, 1)
    for version, register in ((7, "main"), (1, "other")):
        with pytest.raises(NotFound):
            remove(scene, version, register)


def test_an_old_version_goes_with_its_files_evaluations_and_an_entry(scene_on_both: Scene) -> None:
    scene = scene_on_both
    contract = scene.contract()
    scene.bank.match(scene.bureau, contract, scene.tables.codes[:5])
    scene.bureau.jobs.end(contract, JOB)
    import_again(scene)
    newest, oldest = versions(scene)
    assert (newest.version, oldest.version, oldest.open_jobs, oldest.waiting_batches) == (2, 1, 0, 0)
    evaluated = list(scene.home.glob("evaluated/by-contract/*/*/*/*/main-1-*"))
    assert evaluated and all(path.is_dir() for path in evaluated)
    remove(scene, 1)
    assert [one.version for one in versions(scene)] == [2]
    assert not list(scene.home.glob("registers/main-1.*")) and list(scene.home.glob("registers/main-2.*"))
    assert not list(scene.home.glob("evaluated/by-contract/*/*/*/*/main-1-*"))
    assert scene.ledger()[-1] == "register.removed"
    with scene.bureau.store.begin_read() as session, pytest.raises(NotFound):
        find_snapshot(session, "main", 1)
    (scene.home / "registers" / "main-1.parquet").touch()  # as an interrupted removal leaves it
    with pytest.raises(NotFound):
        remove(scene, 1)
    assert not list(scene.home.glob("registers/main-1.*"))
    import_again(scene)
    assert [one.version for one in versions(scene)] == [3, 2]  # no number is given twice


def test_what_an_open_job_or_a_waiting_batch_may_need_stays(scene: Scene) -> None:
    contract = scene.contract()
    batch = batch_of(scene, contract)
    scene.bureau.scoring.receive(contract, JOB, batch)
    import_again(scene)
    _, oldest = versions(scene)
    assert (oldest.open_jobs, oldest.waiting_batches) == (1, 1)
    with pytest.raises(Conflict, match="1 open jobs and 1 batches"):
        remove(scene, 1)
    scene.bureau.scoring.score(contract, JOB, batch)
    scene.bureau.jobs.end(contract, JOB)
    scene.bank.open_job(scene.bureau, contract, "job-2")
    with pytest.raises(Conflict, match="1 open jobs and 0 batches"):
        remove(scene, 1)
    scene.revoke(contract)
    assert remove(scene, 1).version == 1
    assert (scene.home / "registers" / "main-2.parquet").exists()
