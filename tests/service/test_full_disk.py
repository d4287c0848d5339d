"""A bureau whose disk fills up: a real one of 64 MiB (tmpfs), or where nobody may mount one, a limit on file sizes."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import numpy as np
import pytest

from lab.bank.scoring.batch_transfer import submit_batch
from lab.bureau.key_management.metrics_token import metrics_token
from lab.terms.contract.document import ResultDetail
from lab.terms.errors import NoRoom
from tests.service.conftest import JOB, Pilot, Service, open_service
from tests.support.waiting import wait_until

DISK_MIB, RESERVE_MIB = 192, 48


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m,mode=0700", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("only root can mount a small disk")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk: Path, leave: int) -> Path:
    """A file that leaves so many MiB on the disk."""
    file = disk / "filling"
    with file.open("wb") as opened, suppress(OSError):
        while shutil.disk_usage(disk).free > leave * 1024 * 1024:
            opened.write(bytes(64 * 1024))
            opened.flush()
    return file


def readiness(service: Service) -> int:
    return httpx.get(service.url + "/v1/ready", timeout=60, trust_env=False).status_code


def figures(service: Service) -> dict[str, float]:
    """The service's gauges by name."""
    headers = {"authorization": f"Bearer {metrics_token(service.process.home)}"}
    text = httpx.get(service.url + "/metrics", headers=headers, timeout=60, trust_env=False).text
    lines = [line.split(" ") for line in text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, value in (line for line in lines if len(line) == 2)}


def log_lines(service: Service) -> list[dict]:
    return [json.loads(line) for line in (service.process.home / "logs" / "service.jsonl").read_text().splitlines()]


@pytest.mark.property(
    "Full disk",
    claim="A bureau whose disk fills up says so, to its operator and to banks: it accepts and charges nothing new, "
    "answers what is charged from a reserve, and goes on by itself when there is room.",
    topic="limits and interruptions",
    code=["lab.bureau.configuration.disk_room", "lab.bureau.store.readiness"],
)
def test_a_full_disk_stops_new_work_and_is_said_to_everybody(
    small_disk: Path, pilot: Pilot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHULAB_BUREAU_DISK_RESERVE_MIB", str(RESERVE_MIB))
    monkeypatch.setenv("SHULAB_BUREAU_DISK_ALARM_MIB", str(2 * RESERVE_MIB))
    with open_service(small_disk / "bureau", pilot) as service:
        contract = service.contract(detail=ResultDetail.TOTAL)
        codes = [f"firm-{number:04d}" for number in range(20)]
        tags = service.tags(contract, codes)
        batch = service.batch(contract, tags, pilot.bank[:20])
        assert readiness(service) == 200 and figures(service)["shulab_disk_low"] == 0

        filling = fill(small_disk, RESERVE_MIB + 20)
        assert readiness(service) == 200 and figures(service)["shulab_disk_low"] == 1
        filling.unlink()
        filling = fill(small_disk, RESERVE_MIB // 2)  # into the reserve
        assert figures(service)["shulab_disk_low"] == 2 and readiness(service) == 503
        with pytest.raises(NoRoom, match="no room on its disk for new work; nothing was accepted or charged"):
            submit_batch(service.outlet(), contract, JOB, batch)
        assert "score.charged" not in service.ledger(contract)

        filling.unlink()
        fill(small_disk, 0)
        assert figures(service)["shulab_disk_low"] == 3 and readiness(service) == 503
        with pytest.raises(NoRoom):
            submit_batch(service.outlet(), contract, JOB, batch)

        (small_disk / "filling").unlink()
        wait_until(lambda: readiness(service) == 200)
        reply, receipt = submit_batch(service.outlet(), contract, JOB, batch)
        assert receipt["entry"]["facts"]["scored"] == 20
        sums = service.holder.decrypt(reply, rows=20, batch=receipt["entry"]["facts"]["batch_sha256"])
        assert np.asarray(sums).shape[1] == 20
        assert service.ledger(contract).count("score.charged") == 1
        unready = [line for line in log_lines(service) if line["event"] == "not ready"]
        assert unready and unready[0]["why"] == "no-room"


def test_the_cause_of_a_write_that_fails_is_in_the_log_and_the_batch_is_refunded(
    small_disk: Path, pilot: Pilot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a reserve, and with the replies alone on the full disk: the database can say what became of the batch."""
    monkeypatch.setenv("SHULAB_BUREAU_DISK_RESERVE_MIB", "0")
    home = small_disk.parent / "bureau"
    with open_service(home, pilot) as service:
        contract = service.contract(detail=ResultDetail.TOTAL)
        codes = [f"firm-{number:04d}" for number in range(20)]
        batch = service.batch(contract, service.tags(contract, codes), pilot.bank[:20])
        fill(small_disk, 0)
        subprocess.run(["mount", "--bind", str(small_disk), str(home / "replies")], check=True)
        try:
            with pytest.raises(NoRoom, match="no room on its disk"):
                submit_batch(service.outlet(), contract, JOB, batch)
        finally:
            subprocess.run(["umount", "-l", str(home / "replies")], check=True)
        assert service.ledger(contract)[-1] == "score.returned"
        (found,) = [line for line in log_lines(service) if line["event"] == "batch"]
        assert (found["problem"], found["state"], found["fault"]["errno"]) == ("no-room", "returned", "ENOSPC")
        assert found["fault"]["file"].endswith(".frame")
