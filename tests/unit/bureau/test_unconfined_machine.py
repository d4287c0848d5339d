"""A machine that lacks a protection of workers: no job is done there, unless the operator chose otherwise."""

from __future__ import annotations

import pytest

from lab.bureau import pools
from lab.bureau.home import BureauSettings
from lab.bureau.pools import Pools
from lab.bureau.workers import Confining, WorkerPool
from lab.terms.errors import Unreachable
from protocols.confinement.probe import NAMES, Protection


def length(confinement: Confining) -> int:
    lacking = ("tests.unit.bureau.without_filter",)
    pool = WorkerPool(1, job_seconds=20, memory_mib=4096, confinement=confinement, room="matching", modules=lacking)
    try:
        return pool.run(len, "job")
    finally:
        pool.close()


def test_a_worker_without_the_filter_of_system_calls_is_given_no_job() -> None:
    with pytest.raises(Unreachable, match="cannot be confined on this machine: libseccomp is not here"):
        length("required")


def test_the_operator_may_do_without() -> None:
    assert length("best") == 3


@pytest.mark.parametrize("missing", NAMES)
def test_a_service_does_not_begin_where_a_protection_is_missing(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Protection(name, name != missing, "tried") for name in NAMES]
    monkeypatch.setattr(pools, "probe", lambda: found)
    with pytest.raises(Unreachable, match=f"cannot be confined on this machine: {missing}\\."):
        Pools(BureauSettings(name="某数据局")).check()
    Pools(BureauSettings(name="某数据局", worker_confinement="best")).check()
