"""A thousand jobs of two banks, while service, workers and banks are killed at random: every job ends once.

``SHULAB_SOAK_JOBS`` sets another number of jobs.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy

from lab.bank.runs.store import finished_runs, unfinished_run_folders
from lab.bureau.store.tables import BatchRow, InquiryRow, JobRow
from lab.terms.contract.document import ResultDetail
from lab.terms.ledger.export import verify_export
from tests.service.conftest import ROOT, Service
from tests.service.test_bank_session import Bank, firms
from tests.service.test_killed import kill_workers

JOBS = int(os.environ.get("SHULAB_SOAK_JOBS", "1000"))
ROWS, ROWS_PER_BATCH, BANKS = 12, 6, 2
VICTIMS = ("bank", "worker", "service")


class Drivers:
    """The banks' processes: each has its share of the jobs, and is started again until they are done."""

    def __init__(self, service: Service, folder: Path, banks: list[tuple[Bank, str]]) -> None:
        self._port = service.process.home / "port"
        self._banks = banks
        self._log = folder / "drivers.log"
        self._running = [self._start(place) for place in range(len(banks))]

    def _start(self, place: int) -> subprocess.Popen[bytes]:
        bank, contract = self._banks[place]
        words = [str(bank.home.folder), str(self._port), contract, str(bank.folder / "portfolio.csv"), str(bank.folder)]
        words += [str(place * JOBS // BANKS), str((place + 1) * JOBS // BANKS)]
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "tests.support.bank_driver", *words]
            return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)

    def are_done(self) -> bool:
        """Whether both have ended by themselves; raises if one failed."""
        for code in [driver.poll() for driver in self._running]:
            if code not in (None, 0):
                raise AssertionError(self._log.read_text())
        return all(driver.poll() == 0 for driver in self._running)

    def kill(self, chance: random.Random) -> None:
        """Kill one, and start it again."""
        place = chance.randrange(BANKS)
        if self._running[place].poll() is None:
            self._running[place].kill()
            self._running[place].wait(60)
            self._running[place] = self._start(place)

    def close(self) -> None:
        for driver in self._running:
            driver.kill()
            driver.wait(60)


@pytest.mark.soak
@pytest.mark.timeout(6 * 3600)
def test_every_job_ends_once_through_kills_of_everything(service: Service, tmp_path: Path) -> None:
    banks = []
    for place in range(BANKS):
        (tmp_path / str(place)).mkdir()
        bank = Bank(service, tmp_path / str(place))
        terms = {"rows_per_batch": ROWS_PER_BATCH, "scores_per_enterprise": JOBS, "jobs_per_day": JOBS}
        banks.append((bank, bank.contract(detail=ResultDetail.TOTAL, **terms)))
        bank.portfolio(firms(*range(place, place + ROWS)))
    chance, kills = random.Random(29), Counter[str]()
    drivers = Drivers(service, tmp_path, banks)
    try:
        while not drivers.are_done():
            time.sleep(chance.uniform(0.5, 20.0))
            victim = VICTIMS[sum(kills.values()) % len(VICTIMS)]
            if victim == "bank":
                drivers.kill(chance)
            elif victim == "worker":
                kill_workers(service)
            else:
                service.process.stop(signal.SIGKILL)
                service.process.start()
            kills[victim] += 1
    finally:
        drivers.close()
    print("kills:", dict(kills))
    assert sum(kills.values()) >= JOBS // 20 and len(kills) == len(VICTIMS)

    batches = ROWS // ROWS_PER_BATCH
    for bank, contract in banks:
        runs = finished_runs(bank.home.runs)
        assert len(runs) == JOBS // BANKS and not unfinished_run_folders(bank.home.runs)
        assert len({run.manifest["run"] for run in runs}) == len({run.manifest["out"] for run in runs}) == len(runs)
        tables = [pl.read_parquet(run.manifest["out"]).sort("id") for run in runs]
        assert all(table.equals(tables[0]) for table in tables) and tables[0]["status"].to_list() == ["scored"] * ROWS
        with service.bureau.store.begin_read() as session:
            jobs = list(session.scalars(sqlalchemy.select(JobRow).where(JobRow.contract_id == contract)))
            states = Counter(session.scalars(sqlalchemy.select(BatchRow.state).where(BatchRow.contract_id == contract)))
            asked = Counter(
                session.scalars(sqlalchemy.select(InquiryRow.enterprise).where(InquiryRow.contract_id == contract))
            )
        # A bank that has its results takes a service that is away just then for no reason to begin anew: it warns.
        untold = {run.manifest["run"] for run in runs if any("has ended" in text for text in run.manifest["warnings"])}
        assert {job.id: job.state for job in jobs if job.id not in untold} == {
            run.manifest["run"]: "ended" for run in runs if run.manifest["run"] not in untold
        }
        assert len(jobs) == len(runs) and {job.rows_used for job in jobs} == {ROWS} and len(untold) < len(runs) // 5
        assert states == {"answered": len(runs) * batches}
        assert set(asked.values()) == {len(runs)} and len(asked) == ROWS
        kinds = Counter(service.ledger(contract))
        assert kinds["job.opened"] == len(runs)
        assert kinds["score.answered"] == kinds["score.charged"] - kinds["score.returned"] == len(runs) * batches
    export = tmp_path / "ledger.jsonl"
    export.write_bytes(b"".join(service.bureau.ledger.export(by="local")))
    assert verify_export(export, service.bureau.party.public_key).size > JOBS * batches
