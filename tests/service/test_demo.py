"""The demo at a small size: it runs through, shows a portrait, and leaves nothing running, interrupted or not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import psutil
import pytest

SMALL = ("--rows", "3000", "--portfolio", "600", "--months", "6", "--seed", "2")
SMALLEST = ("--rows", "1000", "--portfolio", "100", "--months", "6", "--seed", "2")


def command(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "lab.cli", "demo", *map(str, words)]


def test_the_whole_job(tmp_path: Path):
    out = tmp_path / "demo"
    done = subprocess.run(command(*SMALL, "--json", "--out", out), capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-2000:]
    facts = json.loads(done.stdout)
    assert facts["made_up"] is True
    assert facts["scored"] == facts["matched"] > 500
    assert facts["set_aside"] > 0
    assert facts["accepted"] + facts["set_aside"] == 600
    assert sum(facts["grades"].values()) == facts["scored"]
    assert {"step", "zh", "en"} <= set(facts["warnings"][0]) if facts["warnings"] else facts["warnings"] == []
    assert 0.6 < facts["auc"] < facts["best_auc"]
    assert facts["features"] >= 60 and facts["records"] > 10_000 and facts["records_set_aside"] > 0
    assert facts["quality_verdict"] in ("pass", "warn") and 0.95 < facts["register_rows"] / 3000 <= 1
    page = Path(facts["portrait"]).read_text(encoding="utf-8")
    assert "<svg" in page and "<script" not in page
    scores = pl.read_parquet(facts["scores"])
    assert scores.height == 600
    assert set(scores["status"]) == {"scored", "not-matched", "set-aside"}
    assert not (out / "bureau").exists() and not (out / "bank.key").exists()  # not asked to --keep
    assert [f"[{place}/9]" in done.stderr for place in range(1, 10)] == [True] * 9
    assert "lab bureau quality" not in done.stderr, "what a party's command advises next is not advice to this person"


@pytest.mark.soak
def test_where_consent_is_required_only_who_gave_it_is_matched(tmp_path: Path):
    out = tmp_path / "demo"
    done = subprocess.run(
        command(*SMALLEST, "--consent", "--json", "--out", out), capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr[-2000:]
    facts = json.loads(done.stdout)
    consents = pl.read_csv(out / "made-up" / "consents.csv")
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    agreed = consents.filter((pl.col("purpose") == "credit-approval") & (pl.col("starts") <= today))
    assert facts["consents"] == {"imported": consents.height, "count_now": agreed.height}
    scores, alive = pl.read_parquet(facts["scores"]), pl.read_csv(out / "made-up" / "labels.csv")
    held = set(alive["enterprise"]) & set(scores["code"].drop_nulls())
    scored = set(scores.filter(pl.col("status") == "scored")["code"])
    assert scored <= held & set(agreed["code"])
    assert len(held & set(agreed["code"]) - scored) <= 2  # whose registration was set aside
    assert 0 < facts["matched"] < len(held)


def interrupt(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGINT)  # Ctrl-C in a terminal reaches the whole group


def terminate(process: subprocess.Popen[bytes]) -> None:
    process.terminate()


@pytest.mark.soak
@pytest.mark.parametrize(("end", "exit_code"), [(interrupt, 130), (terminate, 143)])
def test_ended_early_it_leaves_nothing_running(
    tmp_path: Path, end: Callable[[subprocess.Popen[bytes]], None], exit_code: int
):
    out = tmp_path / "demo"
    with (tmp_path / "out.txt").open("wb") as told:
        process = subprocess.Popen(command(*SMALLEST, "--out", out), stdout=told, stderr=told, start_new_session=True)
    main = psutil.Process(process.pid)
    deadline = time.monotonic() + 300
    while not (out / "port").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert process.poll() is None, (tmp_path / "out.txt").read_text()[-2000:]
    started = main.children(recursive=True)
    assert started
    end(process)
    assert process.wait(60) == exit_code
    _, alive = psutil.wait_procs(started, timeout=30)
    assert alive == []
    assert "Traceback" not in (tmp_path / "out.txt").read_text()
