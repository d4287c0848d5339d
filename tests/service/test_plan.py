"""``lab bank plan`` against a service in a process of its own: from the portfolio to a contract and its scores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import polars as pl
import pytest

from lab.bank.home import BankHome
from lab.bank.runs.job_requests import MIN_TERM_DAYS
from lab.bank.scoring.plan import smallest_ceilings
from lab.bureau.bureau import Bureau
from lab.bureau.data.register import RegisterLayout, import_register
from lab.bureau.model_registry.registry import publish_model, save_model
from lab.terms.contract.document import Operation, ResultDetail
from lab.terms.contract.draft_options import DraftOptions
from lab.terms.contract.model_offer import parse_offer
from lab.terms.contract.proposal import ContractProposal, parse_proposal
from protocols.wire.http_signatures import sign_request
from tests.service.conftest import ROOT, Pilot, Process
from tests.support.bureau_scene import APPROVER, AUTHOR, PARAMS, SECOND
from tests.support.bureau_standin import Key


def run_bank(home: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """``lab bank WORDS --json``, as the bank's people run it."""
    command = [sys.executable, "-m", "lab.cli", "bank", *map(str, words), "--json", "--home", str(home)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SHULAB_")}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


@dataclass
class Planning:
    """A bureau that runs, and a bank that it does not know yet."""

    bureau: Bureau
    process: Process
    bank: BankHome
    portfolio: Path
    pilot: Pilot

    def lab(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        return run_bank(self.bank.folder, *words)

    def plan(self, out: Path, *words: str) -> subprocess.CompletedProcess[str]:
        where: list[str | Path] = ["--bureau", self.process.url, "--out", out]
        return self.lab("plan", self.portfolio, "--model", "credit", *where, *words)

    def agree(self, proposal: ContractProposal) -> str:
        """Officers make the contract that was proposed, and the bank signs it; its id."""
        desk = self.bureau.contracts
        bank, wishes = proposal.bank, DraftOptions.from_proposal(proposal)
        made = desk.draft(AUTHOR, bank, wishes, submit=True, fingerprint=bank.fingerprint).contract
        desk.take_step(APPROVER, made.id, "review")
        for officer in (APPROVER, SECOND):
            if desk.contract_overview(AUTHOR, made.id).state.value == "under-review":
                desk.take_step(officer, made.id, "approve")
        told = ("--fingerprint", self.bureau.party.fingerprint)
        done = self.lab("sign", made.id, "--bureau", self.process.url, *told)
        assert done.returncode == 0, done.stderr
        return made.id


@pytest.fixture
def planning(tmp_path: Path, pilot: Pilot) -> Iterator[Planning]:
    home = tmp_path / "bureau"
    bureau = Bureau.create(home, name="某数据局")
    pilot.public.write_csv(tmp_path / "register.csv")
    import_register(bureau.store, bureau.home, tmp_path / "register.csv", RegisterLayout("id", "opaque"))
    save_model(bureau.store, bureau.home, pilot.model, "main")
    publish_model(bureau.store, bureau.home, "credit", 1)
    portfolio = tmp_path / "portfolio.csv"
    rows = pilot.bank[:20].insert_column(0, pl.Series("id", pilot.codes()[:20]))
    # One row twice and one without a code: neither is an enterprise to pay for.
    pl.concat([rows, rows[:1], rows[:1].with_columns(id=pl.lit(""))]).write_csv(portfolio)
    process = Process(home)
    process.start()
    bank, _ = BankHome.create(tmp_path / "bank", name="某银行", key_file=tmp_path / "bank.key")
    yield Planning(bureau, process, bank, portfolio, pilot)
    process.stop()
    bureau.close()


@pytest.mark.soak
def test_a_bank_that_is_not_registered_is_told_to_send_its_card(planning: Planning, tmp_path: Path) -> None:
    done = planning.plan(tmp_path / "plan.json")
    assert done.returncode == 6, done.stderr
    assert "card" in json.loads(done.stdout)["next_step"] and not (tmp_path / "plan.json").exists()


def test_offers_are_for_registered_banks_only(planning: Planning) -> None:
    planning.bureau.contracts.register_bank(AUTHOR, planning.bank.card, fingerprint=planning.bank.card.fingerprint)
    keys, bureau = planning.bank.open_keys(), planning.bureau.party.public_key
    with httpx.Client(base_url=planning.process.url, trust_env=False, timeout=60) as client:
        for path in ("/v1/offers", "/v1/offers/credit"):
            assert client.get(path).status_code == 401
            assert client.get(path, headers=sign_request("GET", path, b"", Key(), bureau_key=bureau)).status_code == 401
            answer = client.get(path, headers=sign_request("GET", path, b"", keys, bureau_key=bureau))
            assert answer.status_code == 200, answer.text
        (offer,) = client.get(
            "/v1/offers", headers=sign_request("GET", "/v1/offers", b"", keys, bureau_key=bureau)
        ).json()["offers"]
        assert parse_offer(offer) == planning.bureau.offers.find("credit")
        missing = "/v1/offers/credit?version=2"
        assert (
            client.get(missing, headers=sign_request("GET", missing, b"", keys, bureau_key=bureau)).status_code == 404
        )


def test_a_plan_becomes_the_contract_under_which_the_portfolio_is_matched_and_scored(
    planning: Planning, tmp_path: Path
) -> None:
    planning.bureau.contracts.register_bank(AUTHOR, planning.bank.card, fingerprint=planning.bank.card.fingerprint)
    out, plan = tmp_path / "scores.csv", tmp_path / "plan.json"
    done = planning.plan(plan, "--recipient", "授信审批部", "--purpose", "post-loan-monitoring")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    reasons = {"duplicate": 1, "empty": 1}
    assert said["portfolio"] == {"rows": 22, "accepted": 20, "set_aside": 2, "set_aside_reasons": reasons}
    assert [text.split(" ")[:2] for text in said["warnings"]] == [["1", "rows"]]
    assert {column["kind"] for column in said["column_report"]} <= {"numeric", "categorical", "boolean", "date"}
    proposal = parse_proposal(plan.read_bytes())
    assert proposal.bank == planning.bank.card
    assert (proposal.model, proposal.model_version, proposal.detail) == ("credit", 1, ResultDetail.TOTAL)
    assert proposal.operations == (Operation.MATCH, Operation.SCORE)
    assert (proposal.recipients, proposal.purpose.value) == (("授信审批部",), "post-loan-monitoring")
    assert (
        proposal.ceilings == smallest_ceilings(20, PARAMS, MIN_TERM_DAYS)
        and proposal.days == proposal.retention_days == MIN_TERM_DAYS
    )
    assert proposal.estimate is not None and proposal.estimate.rows == 20 and proposal.estimate.total_seconds > 0
    # What stands in the plan is about the job; no record and no code of the portfolio does.
    text = plan.read_text()
    assert not any(code in text for code in planning.pilot.codes()) and "debt" not in text

    contract = planning.agree(proposal)
    matched = planning.lab("match", planning.portfolio, "--contract", contract, "--out", tmp_path / "matched.csv")
    assert matched.returncode == 0, matched.stderr
    scored = planning.lab("score", planning.portfolio, "--contract", contract, "--out", out)
    assert scored.returncode == 0, scored.stderr
    assert json.loads(scored.stdout)["scored"] == 20
    words = ("--contract", contract, "--out", tmp_path / "again.csv", "--again")
    again = planning.lab("score", planning.portfolio, *words)
    assert again.returncode == 4, again.stderr


@pytest.mark.soak
def test_under_less_the_bank_command_is_refused(planning: Planning, tmp_path: Path) -> None:
    planning.bureau.contracts.register_bank(AUTHOR, planning.bank.card, fingerprint=planning.bank.card.fingerprint)
    planning.plan(tmp_path / "plan.json", "--detail", "full")
    proposal = parse_proposal((tmp_path / "plan.json").read_bytes())
    assert Operation.PORTRAIT in proposal.operations
    lower = proposal.ceilings.model_copy(update={"identifiers": 83})
    contract = planning.agree(proposal.model_copy(update={"ceilings": lower}))
    done = planning.lab("score", planning.portfolio, "--contract", contract, "--out", tmp_path / "scores.csv")
    assert done.returncode == 4, done.stderr


@pytest.mark.soak
def test_wrong_wishes_are_refused_with_a_next_step(planning: Planning, tmp_path: Path) -> None:
    planning.bureau.contracts.register_bank(AUTHOR, planning.bank.card, fingerprint=planning.bank.card.fingerprint)
    url, out = planning.process.url, tmp_path / "plan.json"
    empty = tmp_path / "empty.csv"
    empty.write_text("id,debt\n,1\n")
    for portfolio, name, code in (
        (planning.portfolio, "other", 7),
        (planning.portfolio, "credit@2", 7),
        (planning.portfolio, "credit@0", 3),
        (empty, "credit", 3),
    ):
        done = planning.lab("plan", portfolio, "--model", name, "--bureau", url, "--out", out)
        assert done.returncode == code, (name, done.stderr)
        assert json.loads(done.stdout)["next_step"] and not out.exists()
    done = planning.lab("plan", planning.portfolio, "--model", "credit")
    assert done.returncode == 3 and "--bureau" in json.loads(done.stdout)["next_step"]


def test_without_a_bureau_the_plan_says_so(tmp_path: Path) -> None:
    BankHome.create(tmp_path / "bank", name="某银行", key_file=tmp_path / "bank.key")
    (tmp_path / "portfolio.csv").write_text("id\nfirm-1\n")
    words = ("plan", tmp_path / "portfolio.csv", "--model", "credit", "--bureau", "http://127.0.0.1:9")
    done = run_bank(tmp_path / "bank", *words)
    assert done.returncode == 5, done.stderr
