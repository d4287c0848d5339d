"""Real loans through the register under a catalogue of another country, on a clean clone: counts, and the leak.

The loans are not part of the program (``../shared/data/sba``); without them this test says that it was skipped.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import polars as pl
import pytest

from tests.support.clean_clone import ROOT, make_clone

PAGE = ROOT / "examples" / "sba" / "README.md"
LOANS = 2_101


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Path]:
    """What the walk printed, its folder, and the file of loans."""
    loans = ROOT.parent / "shared" / "data" / "sba" / "SBAcase.11.13.17.csv"
    if not loans.is_file():
        warnings.warn("SBA loans are not here: a catalogue of another country was NOT tested", stacklevel=1)
        pytest.skip("SKIPPED: no SBA loans in ../shared/data/sba, so that walk did not run")
    folder = tmp_path_factory.mktemp("sba")
    clone, out = make_clone(folder / "clone"), folder / "out"
    environment = {name: text for name, text in os.environ.items() if not name.startswith("SHULAB_")}
    environment |= {"LAB": f"{sys.executable} -P -m lab.cli", "PYTHONPATH": str(clone), "COLUMNS": "200"}
    done = subprocess.run(
        ["sh", "examples/sba/walk.sh", loans, out],
        cwd=clone,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr
    return done.stdout, out, loans


def test_every_loan_becomes_a_record_of_each_domain(walk: tuple[str, Path, Path]) -> None:
    said, _, _ = walk
    assert re.search(rf"firms +│ add +│ 1 +│ {LOANS:,} +│ {LOANS:,} +│ 0 +│ 0 +│ 0 ", said)
    assert re.search(rf"loans +│ add +│ 1 +│ {LOANS:,} +│ {LOANS:,} +│ 0 +│ 0 +│ 0 ", said)
    assert f"{2 * LOANS:,} 条记录 records" in said
    assert f"main v1: {LOANS:,} 户 enterprises, 9 列 columns" in said
    assert f"{LOANS} 行 rows; 连接 joined {LOANS} 户 enterprises" in said


def test_the_report_points_at_the_term_by_itself_and_at_nothing_without_it(walk: tuple[str, Path, Path]) -> None:
    said, _, _ = walk
    with_term, without = re.split(r"^ *\d+  lab model train", said, flags=re.MULTILINE)[1:]
    leaks = re.findall(r"Possible leak: bureau column (\w+) tells", with_term)
    assert leaks == ["loan_term"]
    assert "leak" not in without
    (biased,) = re.findall(r"auc_model +│ (0\.\d+)", with_term)
    (honest,) = re.findall(r"auc_model +│ (0\.\d+)", without)
    assert float(biased) > 0.95
    assert 0.75 < float(honest) < 0.9


def test_the_register_has_what_the_file_says(walk: tuple[str, Path, Path]) -> None:
    """Feature values against the loans themselves: counted another way, also for codes that begin with 92."""
    _, out, loans = walk
    (file,) = (out / "home" / "features").glob("*.parquet")
    table = pl.read_parquet(file)
    source = pl.read_csv(loans, infer_schema=False).rename({"LoanNr_ChkDgt": "enterprise"})
    both = table.join(source, on="enterprise", how="inner", validate="1:1")
    assert both.height == LOANS
    assert (both["loan_term"] == both["Term"].cast(pl.Int64)).all()
    assert (both["jobs_created"] == both["CreateJob"].cast(pl.Int64)).all()
    franchised = ~both["FranchiseCode"].is_in(["0", "1"])
    assert (both["franchised"] == franchised).all()
    assert both["new_business"].null_count() == 2
    assert both.filter(pl.col("enterprise").str.starts_with("92"))["employees"].null_count() == 0


def test_names_are_kept_encrypted_and_out_of_what_is_shown(walk: tuple[str, Path, Path]) -> None:
    said, out, loans = walk
    names = pl.read_csv(loans, infer_schema=False)["Name"].drop_nulls()
    telling = names.filter(names.str.len_chars() >= 12).head(400).to_list()
    kept = b"".join(path.read_bytes() for path in (out / "home").rglob("*") if path.is_file())
    assert not [name for name in telling if name.encode() in kept]
    assert telling[0] not in said


def test_the_page_shows_what_the_script_types(walk: tuple[str, Path, Path]) -> None:
    said, _, _ = walk
    typed = [line.split() for line in re.findall(r"^ *\d+  (lab .*)$", said, re.MULTILINE)]
    shown = [line.split() for line in re.findall(r"^\| \d+ \| `(lab [^`]*)`", PAGE.read_text("utf-8"), re.MULTILINE)]
    assert [_shape(line) for line in typed] == [_shape(line) for line in shown]


def _shape(words: list[str]) -> tuple[str, ...]:
    """The command, its options, and the names of features and columns; paths and codes differ between runs."""
    named = [word for word in words[3:] if word.startswith("--") or "," in word]
    return (*words[: 3 if words[1] == "model" or words[2] == "enterprise" else 4], *named)
