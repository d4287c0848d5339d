"""The trial, end to end: two processes, HTTP, matching, encrypted scores that equal plain ones.

The bureau and the bank run as the commands a person would type. Small subsamples keep it short; the whole
default_credit pair runs once, as in the README.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lab.simulation.synthetic.portfolio import LABEL, make_synthetic_portfolio
from lab.simulation.synthetic.register import make_synthetic_register, write_synthetic_register
from lab.simulation.trial.report import TrialReport, write_report
from lab.simulation.trial.settings import TrialSettings
from lab.simulation.trial.trial import run_trial
from lab.terms.errors import Conflict, InvalidInput

KEYS = {
    *("rows_bureau", "rows_bank", "matched", "scored", "auc_encrypted", "auc_plain", "auc_bank_only"),
    *("auc_bureau_only", "auc_plain_free", "ks_encrypted", "max_abs_score_error", "columns", "seconds", "bytes_up"),
    *("bytes_down", "peak_rss_bureau", "peak_rss_bank", "engine", "model", "parameters"),
}
SECONDS = {"import", "match", "encrypt", "score", "decrypt"}
PHASES = {"read", "train", "set-up", "contract", "job", "compare", "total"}


def read(path: Path) -> pl.DataFrame:
    return pl.read_csv(path, infer_schema=False)


def trial(bureau: Path, bank: Path, out: Path, **more) -> TrialReport:
    plan = TrialSettings(
        bureau=bureau, bank=bank, out=out, **({"id_column": "id", "label": "y", "id_kind": "opaque"} | more)
    )
    return run_trial(plan)


def check_exact(report: TrialReport) -> None:
    """Encrypted equals plain: to four digits in AUC, and within the model's own bound for each enterprise."""
    facts = report.facts
    assert facts["auc_encrypted"] == pytest.approx(facts["auc_plain"], abs=5e-5)
    assert facts["max_abs_score_error"] <= min(facts["error_bound"], 1e-3)
    assert set(facts) >= KEYS and set(facts["seconds"]) == SECONDS and set(facts["phases"]) >= PHASES - {"compare"}
    assert sum(count for _, count in report.row_outcomes) == facts["rows_bank"]
    assert facts["bytes_up"] > 0 and facts["peak_rss_bureau"] > 10_000_000 and facts["peak_rss_bank"] > 10_000_000


def run_lab(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lab.cli", *map(str, words)], capture_output=True, text=True, timeout=500
    )


def test_default_credit_reaches_its_figure(public_data: Path, tmp_path: Path):
    fate, begun = public_data / "fate", time.perf_counter()
    done = run_lab(
        *("trial", fate / "default_credit_hetero_host.csv", fate / "default_credit_hetero_guest.csv"),
        *("--id", "id", "--label", "y", "--id-kind", "opaque", "--json", "--out", tmp_path / "trial"),
    )
    took = time.perf_counter() - begun
    assert done.returncode == 0, done.stderr[-2000:]
    facts = json.loads(done.stdout)  # exactly one object
    assert set(facts) >= KEYS and set(facts["seconds"]) == SECONDS
    phases = dict(facts["phases"])
    assert set(phases) == PHASES | {"start", "page"}
    total = phases.pop("total")
    assert sum(phases.values()) == pytest.approx(total, abs=0.01)
    # The kernel tells when a process began to a second; the end of the program is not in it.
    assert took - 3 <= total <= took + 1, "all seconds are accounted for"
    assert len(done.stderr.splitlines()) <= 30, "the page has the rest"
    assert facts["rows_bureau"] == facts["rows_bank"] == facts["matched"] == 30_000
    assert facts["scored"] == 9_000
    assert facts["auc_encrypted"] >= 0.78
    assert round(facts["auc_encrypted"], 4) == round(facts["auc_plain"], 4)
    assert facts["max_abs_score_error"] <= 1e-3
    assert facts["auc_encrypted"] > max(facts["auc_bank_only"], facts["auc_bureau_only"])
    assert "<svg" in Path(facts["report"]).read_text(encoding="utf-8")


@pytest.fixture
def messy(public_data: Path, tmp_path: Path) -> tuple[Path, Path, dict[str, int]]:
    """Subsamples with partial overlap, other orders, duplicates, text, a constant, outliers, gaps; BOM and GB18030."""
    rng = np.random.default_rng(5)
    host = read(public_data / "fate" / "default_credit_hetero_host.csv")
    guest = read(public_data / "fate" / "default_credit_hetero_guest.csv")
    order = rng.permutation(host.height)
    bureau, bank = host[order[:2_200]], guest[rng.permutation(order[700:2_900])]
    industry = pl.Series(rng.choice(["制造业", "批发业", "建筑业"], bureau.height).tolist())
    wild = bureau["x4"].set(pl.Series(rng.random(bureau.height) < 0.02), "1e10")
    bureau = bureau.with_columns(行业=industry, constant=pl.lit("7"), x4=wild)
    bureau = bureau.with_columns(x5=bureau["x5"].set(pl.Series(rng.random(bureau.height) < 0.3), None))
    bank = bank.with_columns(
        地区=pl.Series(rng.choice(["东", "西"], bank.height).tolist()),
        x1=bank["x1"].set(pl.Series(rng.random(bank.height) < 0.2), None),
        x2=bank["x2"].set(pl.Series(rng.random(bank.height) < 0.01), "-10000000000"),
    )
    shared = set(bureau["id"]) & set(bank["id"])
    gaps = pl.Series([i < 40 for i in range(bank.height)])
    bank = bank.with_columns(y=bank["y"].set(gaps, None))
    unlabelled = len(set(bank["id"][:40]) & shared)
    # The second row of a code says something else. The first must win on both sides, but for a default of the second.
    bureau = pl.concat([bureau, bureau[5:25].with_columns(x0=pl.lit("99"))])
    bank = pl.concat([bank, bank[100:130].with_columns(x6=pl.lit("-99"), y=pl.lit("1"))])
    bureau_file, bank_file = tmp_path / "bureau.csv", tmp_path / "bank.csv"
    bureau_file.write_bytes(b"\xef\xbb\xbf" + bureau.write_csv().encode())
    bank_file.write_bytes(bank.write_csv().encode("gb18030"))
    return bureau_file, bank_file, {"shared": len(shared), "unlabelled": unlabelled}


@pytest.mark.soak
def test_messy_files(messy: tuple[Path, Path, dict[str, int]], tmp_path: Path):
    bureau, bank, truth = messy
    report = trial(bureau, bank, tmp_path / "out", seed=3)
    facts = report.facts
    check_exact(report)
    assert facts["rows_bureau"] == 2_220 and facts["rows_bank"] == 2_230
    assert facts["matched"] == truth["shared"] == facts["joined"]
    assert facts["unlabelled"] == truth["unlabelled"] > 0
    assert facts["pilot"] + facts["scored"] == truth["shared"] - truth["unlabelled"]
    assert facts["scored"] == pytest.approx(0.3 * (truth["shared"] - truth["unlabelled"]), abs=1)
    assert facts["set_aside_bureau"] == 20 and facts["set_aside_bank"] == 30
    assert facts["auc_encrypted"] > 0.65
    page = write_report(report, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "与前面某行代码相同" in page
    sent = (tmp_path / "out" / "portfolio.csv").read_text(encoding="utf-8")
    assert "y" not in sent.splitlines()[0].split(",")  # the label stays out of what the bank's job reads
    scores = pl.read_parquet(tmp_path / "out" / "scores.parquet")
    assert scores.height == 2_230
    assert dict(scores["status"].value_counts().iter_rows())["set-aside"] == 30


@pytest.mark.soak
@pytest.mark.parametrize(
    ("options", "model"), [({"family": "scorecard"}, "scorecard"), ({"interactions": "free"}, "boosted")]
)
def test_other_models(messy: tuple[Path, Path, dict[str, int]], tmp_path: Path, options: dict[str, str], model: str):
    bureau, bank, truth = messy
    report = trial(bureau, bank, tmp_path / "out", **options)
    check_exact(report)
    assert report.facts["model"] == model
    assert report.facts["interactions"] == options.get("interactions", "one")
    assert report.facts["matched"] == truth["shared"]
    assert report.facts["auc_encrypted"] > 0.65


def test_dictionaries_and_warnings_reach_the_report(tmp_path: Path):
    register = make_synthetic_register(1_000, 1)
    bureau, (_, pilot) = (
        write_synthetic_register(register, tmp_path),
        make_synthetic_portfolio(register, 60).write(tmp_path),
    )
    bank = tmp_path / "bank.csv"
    bank.write_bytes((pilot.read_text(encoding="utf-8") + "\n\nragged,1\n").encode("gb18030"))
    words = tmp_path / "words.toml"
    parts = [(tmp_path / f"{name}.toml").read_text(encoding="utf-8") for name in ("register", "portfolio")]
    words.write_text("\n".join([*parts]), encoding="utf-8")
    out = tmp_path / "out"
    done = run_lab(
        *("trial", bureau, bank, "--id", "uscc", "--label", LABEL, "--dictionary", words, "--json", "--out", out),
        *("--model", "scorecard", "--verbose"),
    )
    assert done.returncode == 0, done.stderr[-2000:]
    facts = json.loads(done.stdout)
    assert len(facts["dimensions"]) == 6
    assert sum(bool(one["bureau"] or one["bank"]) for one in facts["dimensions"]) >= 4
    page = Path(facts["report"]).read_text(encoding="utf-8")
    shown = " ".join(done.stderr.split())  # without the line ends of a narrow terminal
    for one in facts["dimensions"]:
        assert all(item["zh"] in page and item["zh"] in done.stderr.replace("\n", "") for item in one["bank"][:1])
    for said in ("GB18030", "2 blank lines", "1 rows set aside"):
        assert sum(said in one["en"] for one in facts["warnings"]) == 1, said
        assert said in page and said in shown
    drawn = run_lab("bank", "portrait", "--home", out / "bank", "--json")
    known = [one["code"] for one in json.loads(drawn.stdout)["portrait"]["dimensions"] if one["value"] is not None]
    assert known == [one["code"] for one in facts["dimensions"] if one["bureau"] or one["bank"]]


@pytest.mark.soak
def test_breast_pair(public_data: Path, tmp_path: Path):
    fate = public_data / "fate"
    report = trial(fate / "breast_hetero_host.csv", fate / "breast_hetero_guest.csv", tmp_path / "out")
    check_exact(report)
    assert report.facts["matched"] == 569
    assert report.facts["auc_encrypted"] > 0.95


@pytest.mark.soak
def test_loans_to_real_firms(public_data: Path, tmp_path: Path):
    loans = public_data / "sba" / "SBAcase.11.13.17.csv"
    report = trial(
        loans,
        loans,
        tmp_path / "out",
        id_column="LoanNr_ChkDgt",
        label="Default",
        bureau_columns=("NAICS", "NoEmp", "NewExist", "CreateJob", "RetainedJob", "FranchiseCode", "UrbanRural"),
        bank_columns=(
            *("BankState", "RevLineCr", "LowDoc", "DisbursementGross", "GrAppv", "SBA_Appv", "Portion", "Recession"),
        ),
    )
    check_exact(report)
    assert report.facts["matched"] == 2_101
    assert report.facts["auc_encrypted"] > 0.75


@pytest.mark.parametrize(
    ("bureau", "bank", "says"),
    [
        ("id,a\nk1,1\n", "id,c,y\nz1,1,0\nz2,2,1\n", "none is"),
        ("id,a\nk1,1\n", "id,c,y\nk1,1,0\n", "both label values"),
        ("id,a\nk1,1\nk2,3\n", "id,c,y\nk1,1,0\nk2,5,1\n", "at least 40 rows"),
        ("", "id,c,y\nk1,1,0\n", "empty"),
        ("id,a\nk1,1\n", "id,c\nk1,1\n", "y"),
    ],
)
def test_unusable_files_end_before_anything_starts(tmp_path: Path, bureau: str, bank: str, says: str):
    (tmp_path / "bureau.csv").write_text(bureau)
    (tmp_path / "bank.csv").write_text(bank)
    with pytest.raises(InvalidInput, match=says):
        trial(tmp_path / "bureau.csv", tmp_path / "bank.csv", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_errors_of_the_command_are_one_object_and_an_exit_code(tmp_path: Path):
    (tmp_path / "bureau.csv").write_text("id,a\nSECRETA,1\n")
    (tmp_path / "bank.csv").write_text("id,c,y\nSECRETB,1,0\n")
    done = run_lab(
        *("trial", tmp_path / "bureau.csv", tmp_path / "bank.csv", "--id", "id", "--label", "y"),
        *("--id-kind", "opaque", "--json", "--out", tmp_path / "out"),
    )
    assert done.returncode == 3
    assert json.loads(done.stdout)["error"] == "invalid-input"
    assert "Traceback" not in done.stderr and "SECRET" not in done.stdout + done.stderr


def test_an_earlier_run_is_never_overwritten(public_data: Path, tmp_path: Path):
    fate = public_data / "fate"
    (tmp_path / "out" / "bureau").mkdir(parents=True)
    with pytest.raises(Conflict):
        trial(fate / "breast_hetero_host.csv", fate / "breast_hetero_guest.csv", tmp_path / "out")
