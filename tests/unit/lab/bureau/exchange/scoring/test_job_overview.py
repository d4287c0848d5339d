"""Jobs and batches as the operator sees them: states, ages, pages, and why a batch waits."""

from __future__ import annotations

from datetime import timedelta

import pytest

from lab.bureau.exchange.scoring.job_overview import JobOverview, list_jobs
from lab.disk.locks import HeldLock
from lab.terms.errors import NotFound
from models.shared.sheet import BankSheet
from tests.support.bureau_scene import Scene


def listed(scene: Scene, **choices: object) -> list[JobOverview]:
    with scene.bureau.store.begin_read() as session:
        return list_jobs(session, scene.bureau.home, scene.clock.now, **choices)  # type: ignore[arg-type]


def charged(scene: Scene, contract: str, first: int = 0) -> str:
    """A batch of four enterprises that is charged and not evaluated; its hash."""
    codes = scene.tables.codes[first : first + 4]
    matched = scene.bank.match(scene.bureau, contract, codes)
    scene.bank.put_context(scene.bureau, contract)
    sheet = BankSheet.from_json(scene.bureau.jobs.sheet(contract))
    batch = scene.bank.batch(sheet, matched.tags, scene.tables.bank[first : first + 4], contract)
    return scene.bureau.scoring.receive(contract, "job-1", batch).sha256


def test_a_batch_that_waits_is_listed_with_its_age_and_cause(scene_on_both: Scene) -> None:
    scene = scene_on_both
    contract = scene.contract()
    sha256 = charged(scene, contract)
    scene.later(hours=2)
    (job,) = listed(scene)
    assert (job.contract, job.job, job.state, job.bank, job.model) == (
        contract,
        "job-1",
        "open",
        "Test bank",
        "credit@1",
    )
    assert (job.rows, job.rows_used) == (1000, 4)
    (batch,) = job.waiting
    assert (batch.sha256, batch.rows, batch.seconds) == (sha256, 4, 7200.0)
    assert "no service runs" in batch.why

    service = HeldLock(scene.bureau.home.path("executors") / ("a" * 32))
    try:
        assert "being evaluated" in listed(scene)[0].waiting[0].why
        for file in scene.bureau.home.path("batches").iterdir():
            file.unlink()
        assert "its file is missing" in listed(scene)[0].waiting[0].why
    finally:
        service.release()
    assert [one.job for one in listed(scene, waiting_only=True)] == ["job-1"]
    scene.bureau.scoring.evaluate(contract, "job-1", sha256)
    (returned,) = listed(scene)[0].batches
    assert (returned.state, returned.why) == ("returned", "not-found")
    assert listed(scene, waiting_only=True) == []


def test_behind_others_it_says_how_many(scene: Scene) -> None:
    contract = scene.contract()
    for first in (0, 4, 8, 12):
        charged(scene, contract, first)
    service = HeldLock(scene.bureau.home.path("executors") / ("a" * 32))
    try:
        causes = [one.why for one in listed(scene)[0].waiting]
    finally:
        service.release()
    workers = scene.bureau.home.settings.workers
    assert all("being evaluated" in cause for cause in causes[:workers])
    assert [cause.rpartition(" ")[2] for cause in causes[workers:]] == [str(place) for place in range(workers, 4)]


def test_the_list_has_pages(scene_on_both: Scene) -> None:
    scene = scene_on_both
    contract = scene.contract()
    for number in range(5):
        scene.bank.open_job(scene.bureau, contract, f"job-{number}", rows=1)
        scene.clock.now += timedelta(minutes=number // 2)
    whole = [one.job for one in listed(scene)]
    assert sorted(whole) == [f"job-{number}" for number in range(5)]
    found: list[str] = []
    while page := listed(scene, limit=2, after=(contract, found[-1]) if found else None):
        found += [one.job for one in page]
    assert found == whole
    with pytest.raises(NotFound):
        listed(scene, after=(contract, "job-9"))
