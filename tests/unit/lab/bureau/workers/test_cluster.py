"""Batches on a Dask cluster of two workers: the same scores, through the loss of one; hostile ones are refused."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dask
import distributed
import pytest

from lab.bureau.bureau import Bureau
from lab.bureau.workers.cluster import ClusterPool
from lab.terms.contract.document import ResultDetail
from lab.terms.errors import InvalidInput, Unreachable
from models.shared.sheet import BankSheet
from tests.support.bureau_scene import Scene

JOB = "job-1"
SIZES = [slice(start, start + 5) for start in range(0, 40, 5)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
        ) as made,
    ):
        yield made


def test_a_cluster_gives_the_same_scores_though_a_worker_is_killed(scene: Scene, cluster: Any) -> None:
    contract = scene.contract()
    scene.bureau.close()
    scene.bureau = Bureau.open(scene.home, clock=scene.clock, changes={"cluster": cluster.scheduler_address})
    assert scene.bureau.workers.batches_at_once() == 2
    sheet = BankSheet.from_json(scene.bureau.jobs.sheet(contract))
    codes = [scene.tables.codes[rows] for rows in SIZES]
    tags = [scene.bank.match(scene.bureau, contract, chosen, JOB).tags for chosen in codes]
    scene.bank.put_context(scene.bureau, contract, JOB)
    batches = [
        scene.bank.batch(sheet, of, scene.tables.bank[rows], contract) for of, rows in zip(tags, SIZES, strict=True)
    ]
    with ThreadPoolExecutor(2) as threads:
        waiting = [threads.submit(scene.bureau.scoring.score, contract, JOB, batch) for batch in batches]
        waiting[0].result()
        os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
        replies = [one.result()[0] for one in waiting]
    for rows, batch, reply in zip(SIZES, batches, replies, strict=True):
        terms = scene.model.score_weights(scene.tables.public[rows], ResultDetail.FULL)
        plain = terms.apply_to_indicators(scene.model.indicators(scene.tables.bank[rows]))
        assert (scene.bank.keys.decrypt(reply, rows=5, batch=batch) == plain).all()
    assert scene.ledger().count("score.answered") == len(SIZES)


@pytest.mark.property(
    "Cluster workers",
    claim="On a cluster, too, a batch that kills or delays its workers costs one batch.",
    topic="limits and interruptions",
    code=["lab.bureau.workers.cluster"],
)
def test_a_batch_that_kills_or_holds_up_its_workers_is_refused_and_the_next_one_is_not(cluster: Any) -> None:
    pool = ClusterPool(cluster.scheduler_address, job_seconds=3)
    for function, argument in ((os._exit, 3), (time.sleep, 60)):
        with pytest.raises(InvalidInput, match="worker that read the message was ended"):
            pool.run(function, argument)
    with pytest.raises(ValueError, match="invalid literal"):
        pool.run(int, "x")
    assert pool.run(divmod, 17, 5) == (3, 2)
    pool.close()


def test_a_cluster_that_is_away_or_has_workers_of_several_threads_is_told() -> None:
    pool = ClusterPool("tcp://127.0.0.1:9", job_seconds=1)
    with pytest.raises(Unreachable, match="No Dask scheduler answers"):
        pool.run(int)
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, protocol="tcp", dashboard_address=None, host="127.0.0.1"
        ) as threaded,
        pytest.raises(Unreachable, match=r"workers of one thread .* found 2"),
    ):
        ClusterPool(threaded.scheduler_address, job_seconds=1).run(int)
