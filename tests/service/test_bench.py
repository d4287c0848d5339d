"""`lab bench matching` at a small size: real commands and a real service; the figures hold together."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

ASKED = {"seconds_setup", "seconds_online", "bytes_down", "bytes_up", "peak_rss_bureau", "peak_rss_bank", "matched"}


@pytest.mark.parametrize("engine", ["x25519", pytest.param("openmined", marks=pytest.mark.soak)])
def test_the_figures_of_a_small_run(engine, tmp_path):
    words = ["bench", "matching", "--register", "3000", "--portfolio", "401", "--engine", engine, "--json"]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "lab.cli", *words, "--processes", "1", "--out", str(tmp_path / "run")],
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    facts = json.loads(done.stdout)
    assert set(facts) >= ASKED
    assert facts["matched"] == 200
    assert facts["engine"] == engine and facts["path"]
    assert all(facts[name] > 0 for name in ASKED)
    assert facts["bytes_up"] >= 401 * 32 and facts["bytes_down"] >= facts["setup_bytes"]
    assert facts["bound_bits_an_entry"] <= facts["setup_bits_an_entry"] < 48  # a small register's geometry costs more
    assert 0 < facts["seconds_evaluate"] < facts["seconds_setup"]
    for name in ("cpu_setup", "cpu_online_bureau", "cpu_online_bank", "peak_rss_import", "seconds_import"):
        assert facts[name] > 0
