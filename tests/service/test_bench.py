"""`lab bench` at small sizes: real commands and a real service; the figures hold together."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from protocols.scoring.parameters import PARAMETERS

SCORED = {
    *(f"us_per_enterprise_{step}" for step in ("encrypt", "evaluate", "decrypt", "plain_lightgbm")),
    *("bytes_up_per_enterprise", "bytes_down_per_enterprise", "peak_rss", "max_abs_error"),
}
ASKED = {"seconds_setup", "seconds_online", "bytes_down", "bytes_up", "peak_rss_bureau", "peak_rss_bank", "matched"}


def run(*words):
    """The JSON of a `lab` command."""
    done = subprocess.run([sys.executable, "-P", "-m", "lab.cli", *words], capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("engine", ["x25519", pytest.param("openmined", marks=pytest.mark.soak)])
def test_the_figures_of_a_small_run(engine, tmp_path):
    words = ["bench", "matching", "--register", "3000", "--portfolio", "401", "--engine", engine, "--json"]
    facts = run(*words, "--processes", "1", "--out", str(tmp_path / "run"))
    assert set(facts) >= ASKED
    assert facts["matched"] == 200
    assert facts["engine"] == engine and facts["path"]
    assert all(facts[name] > 0 for name in ASKED)
    assert facts["bytes_up"] >= 401 * 32 and facts["bytes_down"] >= facts["setup_bytes"]
    assert facts["bound_bits_an_entry"] <= facts["setup_bits_an_entry"] < 48  # a small register's geometry costs more
    assert 0 < facts["seconds_evaluate"] < facts["seconds_setup"]
    for name in ("cpu_setup", "cpu_online_bureau", "cpu_online_bank", "peak_rss_import", "seconds_import"):
        assert facts[name] > 0
    check_processor_split(facts)


def check_processor_split(facts):
    """Arithmetic and the rest add up to the processor seconds, in each process, in each phase and in all."""
    for phase, total in (
        ("setup", facts["cpu_setup"]),
        ("online", facts["cpu_online_bureau"] + facts["cpu_online_bank"]),
    ):
        processes = dict(facts["processor"][phase])
        for split in processes.values():
            assert split["arithmetic"] > 0 and split["rest"] > 0
            assert split["arithmetic"] + split["rest"] == pytest.approx(split["total"], abs=1e-6)
        everything = processes.pop("all")
        assert everything["total"] == pytest.approx(total, abs=0.01)
        for part in ("arithmetic", "rest", "total"):
            assert everything[part] == pytest.approx(sum(split[part] for split in processes.values()), abs=0.01)
    assert 0 < facts["start_seconds_bank"] < facts["processor"]["online"]["bank, lab bank match"]["rest"]


@pytest.mark.parametrize("parameters", PARAMETERS)
def test_the_figures_of_a_few_scores(parameters):
    sizes = ("--enterprises", "8200", "--columns", "6", "--trees", "20", "--parameters", parameters)
    facts = run("bench", "scoring", *sizes, "--no-peer", "--json")
    assert set(facts) >= SCORED and all(facts[name] > 0 for name in SCORED)
    assert facts["columns"] == 6 and facts["trees"] == 20
    assert facts["max_abs_error"] <= facts["error_bound"]
    params = PARAMETERS[parameters]
    batches = -(-8200 // params.slots)
    columns, outputs = 6 * batches * params.column_bytes, batches * params.output_bytes
    assert columns < facts["bytes_up_per_enterprise"] * 8200 < columns + 8200 * 17 + batches * 1000
    assert outputs < facts["bytes_down_per_enterprise"] * 8200 < outputs + batches * 1000
    assert facts["floor_ntts_per_batch"] == 6 * (1 + 2) + (1 + 2) + 3 * 2 + 4
    assert facts["concrete_ml_seconds_per_enterprise"] is None
    steps = facts["evaluate_us_by_step"]
    parts = {name: value for name, value in steps.items() if name != "of_which_flood"}
    assert all(value > 0 for value in steps.values()), "a step that is not found in the profile was renamed"
    assert sum(parts.values()) > 0.5 * facts["us_per_enterprise_evaluate"]


@pytest.mark.soak
def test_the_whole_job_over_http(tmp_path):
    sizes = ("--enterprises", "300", "--register", "500", "--columns", "6", "--out", str(tmp_path / "run"))
    facts = run("bench", "portrait", *sizes, "--json")
    assert facts["scored"] == 300 and facts["columns"] == 6
    steps = facts["seconds_by_step"]
    assert {"match", "encrypt", "score", "decrypt", "total"} <= set(steps)
    assert facts["seconds_end_to_end"] >= steps["total"] > 0
    assert (tmp_path / "run" / "portrait.html").is_file()


@pytest.mark.soak
def test_the_register_from_source_files_to_features(tmp_path):
    facts = run("bench", "register", "--enterprises", "1500", "--months", "6", "--json", "--out", str(tmp_path / "run"))
    steps = ("generate", "import", "quality", "features", "as_of")
    for step in steps:
        assert facts[f"seconds_{step}"] > 0 and facts[f"floor_seconds_{step}"] > 0
        ratio = facts[f"seconds_{step}"] / facts[f"floor_seconds_{step}"]
        assert facts[f"{step}_over_floor"] == pytest.approx(ratio, rel=0.1, abs=0.02)
    assert facts["rows"] >= facts["records"] > 1500 * 4 and facts["domains"] == 15 and facts["features"] >= 60
    assert facts["bytes_on_disk"] > 0 and facts["peak_rss"] == max(facts["peak_rss_by_step"].values()) > 0
