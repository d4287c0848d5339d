"""A job whose service, workers and client are killed (SIGKILL) again and again still ends once, charged once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import psutil
import pytest
import sqlalchemy

from lab.bank.runs.store import find_finished_run, unfinished_run_folders
from lab.bureau.store.tables import BatchRow, InquiryRow, JobRow
from lab.terms.contract.document import ResultDetail
from tests.service.conftest import ROOT, Service
from tests.service.test_bank_session import Bank, firms

ROWS, ROWS_PER_BATCH, KILLS = 240, 8, 6


def start_client(bank: Bank, contract: str, portfolio: Path, *more: str) -> subprocess.Popen[bytes]:
    words = ["bank", "score", str(portfolio), "--contract", contract, "--id", "id", "--out", str(bank.out)]
    words += ["--home", str(bank.home.folder), "--bureau", bank.service.url, *more]
    with (bank.folder / "client.log").open("ab") as log:
        return subprocess.Popen([sys.executable, "-m", "lab.cli", *words], cwd=ROOT, stdout=log, stderr=log)


def progress_of(bank: Bank) -> int:
    """How many batches the unfinished run has decrypted."""
    return sum(1 for folder in unfinished_run_folders(bank.home.runs) for _ in folder.glob("batch-*.npz"))


def kill_workers(service: Service) -> int:
    """Kill the processes that evaluate; how many there were."""
    found = [
        child
        for child in psutil.Process(service.process.id).children()
        if any("lab.bureau.workers" in word for word in child.cmdline())
    ]
    for worker in found:
        worker.kill()
    return len(found)


@pytest.mark.property("Batches answered once")
@pytest.mark.property(
    "Kill at any moment",
    claim="A power cut or `kill -9` at any moment loses nothing and repeats nothing.",
    topic="limits and interruptions",
    code=["lab.bureau.exchange", "lab.bank.runs.store"],
)
def test_a_job_survives_kills_of_both_sides_and_ends_once(service: Service, tmp_path: Path) -> None:
    bank = Bank(service, tmp_path)
    contract = bank.contract(
        detail=ResultDetail.TOTAL, rows_per_batch=ROWS_PER_BATCH, scores_per_enterprise=1, jobs_per_day=1
    )
    codes = firms(*range(ROWS))
    portfolio = bank.portfolio(codes)
    chance, seen = random.Random(11), []
    for attempt in range(KILLS):
        client = start_client(bank, contract, portfolio)
        before, until = progress_of(bank), time.monotonic() + 60
        while progress_of(bank) < before + chance.randint(1, 3) and client.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        assert client.poll() is None, (bank.folder / "client.log").read_text()
        seen.append(progress_of(bank))
        if attempt % 3 == 1:
            service.process.stop(signal.SIGKILL)
            service.process.start()
        elif attempt % 3 == 2:
            assert kill_workers(service)
            wanted = min(progress_of(bank) + 2, ROWS // ROWS_PER_BATCH)
            while progress_of(bank) < wanted and client.poll() is None:  # the job goes on, with other workers
                time.sleep(0.01)
        client.send_signal(signal.SIGKILL)
        client.wait(60)
    # Otherwise the kills came before or after the work, and nothing was shown.
    assert 0 < seen[-1] < ROWS // ROWS_PER_BATCH
    client = start_client(bank, contract, portfolio)
    assert client.wait(120) == os.EX_OK, (bank.folder / "client.log").read_text()

    run = find_finished_run(bank.home.runs, None)
    assert run.manifest["resumed"] and run.manifest["scored"] == ROWS and not unfinished_run_folders(bank.home.runs)
    outputs = run.outputs.sort("code")
    assert outputs["code"].to_list() == sorted(codes)
    assert np.array_equal(outputs["total:total"].to_numpy(), bank.plain(sorted(codes), ResultDetail.TOTAL)[0])
    assert pl.read_parquet(bank.out)["status"].to_list() == ["scored"] * ROWS

    with service.bureau.store.begin_read() as session:
        inquired = list(
            session.scalars(sqlalchemy.select(InquiryRow.enterprise).where(InquiryRow.contract_id == contract))
        )
        jobs = list(session.scalars(sqlalchemy.select(JobRow).where(JobRow.contract_id == contract)))
        states = list(session.scalars(sqlalchemy.select(BatchRow.state).where(BatchRow.contract_id == contract)))
    assert len(inquired) == len(set(inquired)) == ROWS
    assert [(job.state, job.rows_used) for job in jobs] == [("ended", ROWS)]
    assert states == ["answered"] * (ROWS // ROWS_PER_BATCH)
    kinds = service.ledger(contract)
    assert kinds.count("score.charged") - kinds.count("score.returned") == ROWS // ROWS_PER_BATCH
    assert kinds.count("score.answered") == ROWS // ROWS_PER_BATCH
