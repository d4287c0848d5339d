"""What durable jobs rest on: who is alive is known without a clock, JSON alone is read, room is shared out."""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from dbos._serialization import DBOSPortableJSON, deserialize_value, serialize_value

from lab.terms.errors import Unreachable
from sandbox.http.limits import CapacityLimit
from sandbox.http.problems import HttpProblem
from sandbox.jobs.dbos_config import make_dbos_config
from sandbox.jobs.executors import ExecutorRegistration
from sandbox.monitoring.metrics import ServiceMetrics

HOLD = "import sys; from pathlib import Path; from sandbox.jobs.executors import ExecutorRegistration; "
HOLD += "here = ExecutorRegistration(Path(sys.argv[1])); print(here.id, flush=True); sys.stdin.read()"


def test_a_process_is_alive_until_it_is_dead_and_then_its_file_goes(tmp_path: Path) -> None:
    here = ExecutorRegistration(tmp_path)
    words = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        name = other.stdout.readline().strip()
        assert here.is_alive(name) and here.is_alive(here.id)
        here.remove_dead()
        assert {path.name for path in tmp_path.iterdir()} == {here.id, name}
        other.kill()
    assert not here.is_alive(name) and not here.is_alive("0" * 32)
    (tmp_path / "jobs.db").write_text("")
    here.remove_dead()
    assert {path.name for path in tmp_path.iterdir()} == {here.id, "jobs.db"}
    here.release()
    assert ExecutorRegistration(tmp_path).id != here.id


class Harm:
    """What a pickle can do: run a command when it is read."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch harmed",)


@pytest.mark.property(
    "No pickled jobs",
    claim="A row of the table of jobs that calls itself pickled is not read.",
    topic="limits and interruptions",
    code=["sandbox.jobs.dbos_config"],
)
def test_what_a_row_calls_pickled_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_dbos_config("sqlite:///x", "e", threads=1, logger=logging.getLogger("test"))
    harm = base64.b64encode(pickle.dumps(Harm())).decode()
    with pytest.raises(TypeError, match="pickled jobs are not allowed"):
        deserialize_value(harm, "py_pickle", DBOSPortableJSON)
    assert not (tmp_path / "harmed").exists()
    assert serialize_value("answered", None, DBOSPortableJSON) == ('"answered"', "portable_json")


def test_the_librarys_complaints_are_noted_without_their_words(caplog: pytest.LogCaptureFixture) -> None:
    journal = logging.getLogger("test.jobs")
    make_dbos_config("sqlite:///x", "e", threads=1, logger=journal)
    with caplog.at_level(logging.INFO, "test.jobs"):
        logging.getLogger("dbos").error("a value: %s", "PLANTED-7731")
    (line,) = caplog.records
    assert line.getMessage() == "jobs" and "test_jobs.py" in str(vars(line)["facts"])
    assert "PLANTED" not in caplog.text


@pytest.mark.property("Busy service")
def test_a_budget_is_never_exceeded_and_the_largest_comes_to_its_turn() -> None:
    async def use() -> None:
        budget = CapacityLimit(10, retry_after=3)
        async with budget.acquire(6):
            with pytest.raises(HttpProblem) as caught:
                async with budget.acquire(5):
                    pass
            assert caught.value.headers["Retry-After"] == "3"
            async with budget.acquire(4):
                assert budget.free == 0
        async with budget.acquire(1_000):
            assert budget.free == 0
        assert budget.free == 10

    asyncio.run(use())


def test_a_figure_that_cannot_be_had_keeps_no_other_back() -> None:
    def away() -> float:
        raise Unreachable("The database is away.")

    metrics = ServiceMetrics()
    metrics.add_gauges(waiting=away, places=lambda: 3)
    text = metrics.render().decode()
    assert "shulab_waiting NaN" in text and "shulab_places 3.0" in text
