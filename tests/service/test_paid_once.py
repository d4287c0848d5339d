"""Nothing is paid for twice, and nothing that was paid for is lost: real commands against a real service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest

from lab.bank.runs import delivery
from lab.bank.runs.store import finished_runs, unfinished_run_folders
from lab.terms.contract.document import ResultDetail
from lab.terms.errors import MachineFault, NotAllowed
from protocols.matching.bank import canary_count
from tests.service.conftest import ROOT, Service
from tests.service.test_bank_session import Bank, Event, firms
from tests.support.small_disk import mount_small_disk

pytestmark = pytest.mark.parametrize("service", ["sqlite"], indirect=True)
CODES = firms(*range(60))


@pytest.fixture
def bank(service: Service, tmp_path: Path) -> Bank:
    return Bank(service, tmp_path)


def lab(bank: Bank, *words: object, stdout: int = subprocess.PIPE, **env: str) -> subprocess.CompletedProcess[bytes]:
    """`lab bank ...` as a process."""
    return subprocess.run(
        [sys.executable, "-m", "lab.cli", "bank", *map(str, words), "--home", str(bank.home.folder)],
        cwd=ROOT,
        env={**os.environ, **env},
        stdout=stdout,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def score_words(bank: Bank, contract: str, portfolio: Path, out: Path | None = None) -> list[object]:
    return [
        "score",
        portfolio,
        "--contract",
        contract,
        "--id",
        "id",
        "--out",
        out or bank.out,
        "--bureau",
        bank.service.url,
    ]


def charges(bank: Bank, contract: str) -> tuple[int, int, int]:
    """Identifiers, scores and jobs that the bureau has charged."""
    used = bank.allowance(contract)
    return used["identifiers"]["used"], used["scores"]["total"], used["jobs"]["used"]


ONCE = (len(CODES) + canary_count(len(CODES)), len(CODES), 1)


def test_an_output_that_cannot_be_written_is_refused_before_anything_is_charged(bank: Bank) -> None:
    contract, portfolio = bank.contract(), bank.portfolio(CODES)
    folder = bank.folder / "folder.parquet"
    folder.mkdir()
    cases = {
        Path("/proc/scores.parquet"): (7, 9),
        bank.folder / "no" / "s.csv": (7,),
        folder: (3,),
        Path("s.txt"): (3,),
    }
    for out, codes in cases.items():
        for words in (
            score_words(bank, contract, portfolio, out),
            ["match", *score_words(bank, contract, portfolio, out)[1:]],
        ):
            done = lab(bank, *words)
            assert done.returncode in codes, done.stderr.decode()
            assert b"Traceback" not in done.stderr
    assert charges(bank, contract) == (0, 0, 0) and not list(bank.home.runs.glob("*"))


def test_a_closed_pipe_or_another_encoding_ends_no_job(bank: Bank) -> None:
    contract, portfolio = bank.contract(), bank.portfolio(CODES)
    reader, writer = os.pipe()
    os.close(reader)
    done = lab(bank, *score_words(bank, contract, portfolio), "--json", stdout=writer)
    os.close(writer)
    assert done.returncode == 0 and b"Traceback" not in done.stderr, done.stderr.decode()
    assert len(pl.read_parquet(bank.out)) == len(CODES) and charges(bank, contract) == ONCE
    for encoding in ("gbk", "latin-1", "ascii"):
        done = lab(bank, *score_words(bank, contract, portfolio), PYTHONIOENCODING=encoding)
        assert done.returncode == 0 and b"Traceback" not in done.stderr, done.stderr.decode()
    assert charges(bank, contract) == ONCE


def test_what_was_not_given_out_is_given_out_by_the_next_command_at_no_charge(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract, portfolio = bank.contract(), bank.portfolio(CODES)

    def full(*_: object) -> None:
        raise MachineFault("Expected to write scores.parquet; the disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(delivery, "write_result_table", full)
        with pytest.raises(MachineFault, match="results are kept in run") as told:
            bank.score(contract, portfolio)
    (run,) = finished_runs(bank.home.runs)
    assert f"lab bank runs {run.folder.name} --out" in told.value.next_step
    assert charges(bank, contract) == ONCE and not bank.out.exists()
    bank.service.revoke(contract)  # nobody is asked, so the contract's end takes nothing away
    facts = bank.score(contract, portfolio, url="http://127.0.0.1:9")
    assert facts["run"] == run.folder.name and facts["charged"] is False and bank.out.exists()
    other = bank.folder / "others.xlsx"
    done = lab(bank, "runs", run.folder.name, "--out", other, "--json")
    assert done.returncode == 0 and other.stat().st_mode & 0o077 == 0
    assert json.loads(done.stdout)["out"] == str(other)


def test_a_job_that_another_process_ended_as_this_one_began_is_not_paid_again(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = bank.contract(detail=ResultDetail.TOTAL, jobs_per_day=9)
    portfolio = bank.portfolio(CODES)
    first = bank.score(contract, portfolio)
    find, calls = delivery.find_paid_run, iter([None])
    monkeypatch.setattr("lab.bank.scoring.job.find_paid_run", lambda *args, **more: next(calls, find(*args, **more)))
    second = bank.score(contract, portfolio, out=bank.folder / "second.csv")
    assert second["run"] == first["run"] and second["charged"] is False
    assert len(finished_runs(bank.home.runs)) == 1 and unfinished_run_folders(bank.home.runs) == ()
    assert bank.allowance(contract)["jobs"]["used"] == 1


def test_a_second_job_is_charged_only_where_it_is_asked_for(bank: Bank) -> None:
    contract, portfolio = bank.contract(), bank.portfolio(CODES)
    first = lab(bank, *score_words(bank, contract, portfolio), "--json")
    assert "charged" not in json.loads(first.stdout) and charges(bank, contract) == ONCE
    for out in ("scores.parquet", "elsewhere.csv"):
        again = json.loads(lab(bank, *score_words(bank, contract, portfolio, bank.folder / out), "--json").stdout)
        assert again["charged"] is False and any("nothing was charged" in text for text in again["warnings"])
    assert charges(bank, contract) == ONCE
    json.loads(lab(bank, *score_words(bank, contract, portfolio), "--json", "--again").stdout)
    assert charges(bank, contract) == (ONCE[0], 2 * ONCE[1], 2)
    other = bank.portfolio(CODES[:30], "other.csv")
    assert bank.score(contract, other)["scored"] == 30
    assert charges(bank, contract) == (ONCE[0], 2 * ONCE[1] + 30, 3)


@pytest.mark.property(
    "Full disk at the bank",
    claim="A disk that is full at any moment of a job loses nothing that was paid for, and nothing is charged twice.",
    topic="limits and interruptions",
    code=["lab.bank.runs"],
)
def test_a_disk_that_is_full_at_any_moment_charges_nothing_twice(service: Service, tmp_path: Path) -> None:
    with mount_small_disk(tmp_path / "disk", megabytes=24) as disk:
        bank = Bank(service, disk.folder)
        bank.out = tmp_path / "scores.parquet"
        contract = bank.contract(detail=ResultDetail.TOTAL, rows_per_batch=20)
        portfolio, codes = bank.portfolio(CODES), []
        for pages in (0, 2, 8, 16, 40, 100, 250, 600, 2_400):
            disk.leave(4_096 * pages)
            done = lab(bank, *score_words(bank, contract, portfolio))
            assert b"Traceback" not in done.stderr, done.stderr.decode()
            codes.append(done.returncode)
            if done.returncode == 0:
                break
            assert done.returncode == 9 and not bank.out.exists(), (pages, done.stderr.decode())
        assert codes[-1] == 0 and codes.count(9) > 4, codes
        assert charges(bank, contract) == ONCE
        assert pl.read_parquet(bank.out)["status"].to_list() == ["scored"] * len(CODES)


def test_a_run_that_a_contract_s_end_cut_short_gives_out_what_was_answered(bank: Bank) -> None:
    contract = bank.contract(detail=ResultDetail.TOTAL, rows_per_batch=20)
    portfolio = bank.portfolio([*CODES, "outsider-0001"])
    with pytest.raises(NotAllowed):
        bank.score(contract, portfolio, progress=Event("decrypt", 1, lambda: bank.service.revoke(contract)))
    (folder,) = unfinished_run_folders(bank.home.runs)
    with pytest.raises(NotAllowed, match="revoked") as told:
        bank.score(contract, portfolio)
    assert f"lab bank runs {folder.name} --out" in told.value.next_step
    listed = json.loads(lab(bank, "runs", "--json").stdout)["unfinished"]
    facts = json.loads(lab(bank, "runs", folder.name, "--out", bank.out, "--json").stdout)
    assert facts["scores_answered"] == listed[0]["scores_answered"] == 20 * facts["batches_answered"] > 0
    assert facts["identifiers_charged"] == len(CODES) + 1 + canary_count(len(CODES) + 1)
    table = pl.read_parquet(bank.out)
    counts: Mapping[str, int] = dict(table["status"].value_counts().iter_rows())
    answered = facts["scores_answered"]
    assert counts == {"scored": answered, "not-answered": len(CODES) - answered, "not-matched": 1}
    scored = table.filter(pl.col("status") == "scored")
    plain = bank.plain(scored["code"].to_list(), ResultDetail.TOTAL)[0]
    assert scored["score"].null_count() == 0
    assert scored.sort("raw")["code"].to_list() == [
        scored["code"].to_list()[place] for place in plain.argsort(kind="stable")
    ]


def test_codes_of_which_none_matches_end_with_a_hint(bank: Bank) -> None:
    contract = bank.contract()
    frame = bank.service.pilot.bank[:30]
    strange = bank.folder / "strange.csv"
    frame.insert_column(0, pl.Series("id", [f"{number}.0" for number in range(1, 31)])).write_csv(strange)
    done = lab(bank, *score_words(bank, contract, strange), "--json")
    assert done.returncode == 3 and any("zeros in front" in text for text in json.loads(done.stdout)["warnings"])
    lost = bank.folder / "lost.csv"
    frame.with_columns(id=pl.Series([f"{number}.5E+17" for number in range(1, 31)])).write_csv(lost)
    before = charges(bank, contract)
    done = lab(bank, *score_words(bank, contract, lost), "--json")
    assert done.returncode == 3 and "exponent" in json.loads(done.stdout)["next_step"]
    assert charges(bank, contract) == before
