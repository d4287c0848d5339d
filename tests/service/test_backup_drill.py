"""The drill: a bureau is backed up while a bank's job runs, dies, loses its disk, and is restored; a bank that saw more
goes on. On SQLite and on PostgreSQL."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lab.bank.contract.accepted_restorations import accepted_restorations
from lab.bank.contract.ledger_witness import stored_heads
from lab.bank.runs.store import find_finished_run, unfinished_run_folders
from lab.terms.contract.document import ResultDetail
from tests.service.conftest import ROOT, Pilot, Process, _new_database, open_service
from tests.service.test_bank_session import Bank, firms
from tests.service.test_killed import progress_of, start_client

ROWS, ROWS_PER_BATCH = 120, 4
PASSPHRASE = "five random words are enough"


def lab(*words: object, expect: int = 0) -> dict:
    """The command as a person runs it; what it says under --json."""
    done = subprocess.run(
        [sys.executable, "-m", "lab.cli", *map(str, words), "--json"],
        cwd=ROOT,
        env={**os.environ, "SHULAB_BACKUP_PASSPHRASE": PASSPHRASE},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == expect, done.stderr
    found: dict = json.loads(done.stdout)
    return found


def wait_for_batches(bank: Bank, count: int, client: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 120
    while progress_of(bank) < count and client.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    assert client.poll() is None, (bank.folder / "client.log").read_text()


@pytest.mark.property(
    "Back-up and restoration",
    claim="A bureau that is backed up under load and loses its machine is restored; a bank that saw more stops, is "
    "told what is lost, and goes on once a person has accepted it.",
    topic="limits and interruptions",
    code=["lab.bureau.data.backup", "lab.disk.backup", "lab.bank.contract.restoration"],
)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_bureau_killed_and_lost_is_restored_and_the_bank_goes_on(
    database: str, tmp_path: Path, pilot: Pilot, request: pytest.FixtureRequest
) -> None:
    first = request.getfixturevalue("postgres_url") if database == "postgresql" else ""
    home, restored, backup = tmp_path / "bureau", tmp_path / "restored", tmp_path / "bureau.age"
    recipient = lab("bureau", "backup-key", tmp_path / "operator.key", "--passphrase")["recipient"]
    with open_service(home, pilot, _new_database(first) if first else "") as service:
        bank = Bank(service, tmp_path)
        contract = bank.contract(detail=ResultDetail.TOTAL, rows_per_batch=ROWS_PER_BATCH, jobs_per_day=3)
        portfolio = bank.portfolio(firms(*range(ROWS)))
        client = start_client(bank, contract, portfolio)
        wait_for_batches(bank, 2, client)
        made = lab("bureau", "backup", backup, "--recipient", recipient, "--home", home)  # while the job runs
        assert made["damaged"] == [] and made["facts"]["database"] == database
        wait_for_batches(bank, progress_of(bank) + 4, client)  # the bank sees entries that the backup has not
        service.process.stop(signal.SIGKILL)
        client.send_signal(signal.SIGKILL)
        client.wait(60)
        ((_, seen, _),) = stored_heads(bank.home)
        service.bureau.close()
        shutil.rmtree(home)

        chosen = ["--database-url", _new_database(first)] if first else []
        key = ["--identity", tmp_path / "operator.key"]
        done = lab("bureau", "restore", backup, *key, "--home", restored, *chosen)
        kept = done["facts"]["ledger_size"]
        assert done["entry"] == kept + 1 and kept < seen.size
        process = Process(restored)
        process.start()
        try:
            again = ["bank", "score", portfolio, "--contract", contract, "--id", "id", "--out", bank.out]
            again += ["--home", bank.home.folder, "--bureau", process.url]
            refused = lab(*again, expect=6)
            assert f"entries {kept + 1} to {seen.size}" in refused["detail"]
            accept = ["bank", "heads", "accept-restoration", "--contract", contract, "--home", bank.home.folder]
            accepted = lab(*accept, "--bureau", process.url, "--yes")
            assert accepted["lost_entries"] == [kept + 1, seen.size] and accepted["receipts"]
            assert accepted["lost_head"] == seen.as_dict()
            lab(*again)  # resumed, from what the bank has on its disk
            assert not lab(*accept, "--bureau", process.url, "--yes")["accepted"]  # once
        finally:
            process.stop()

    run = find_finished_run(bank.home.runs, None)
    assert run.manifest["resumed"] and run.manifest["scored"] == ROWS and not unfinished_run_folders(bank.home.runs)
    outputs = run.outputs.sort("code")
    assert np.array_equal(outputs["total:total"].to_numpy(), bank.plain(firms(*range(ROWS)), ResultDetail.TOTAL)[0])
    assert pl.read_parquet(bank.out)["status"].to_list() == ["scored"] * ROWS
    assert len(accepted_restorations(bank.home, service.bureau.party)) == 1
