"""Matching alone, and counting, against a real service: what comes out, what the ledger charged, what kills leave."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy

from lab.bank.matching.match_job import count_portfolio, match_portfolio
from lab.bank.runs.job_requests import CountRequest, MatchRequest
from lab.bank.runs.metadata import METADATA_FILE
from lab.bank.runs.store import MANIFEST, finished_run_folders
from lab.bureau.store.tables import LedgerEntryRow
from lab.terms.contract.document import Operation, ResultDetail
from lab.terms.errors import InvalidInput, NotAllowed
from lab.terms.progress import SILENT
from protocols.matching.bank import DEFAULT_ENGINE, ENGINES, MIN_CANARIES, max_identifiers
from tests.service.conftest import ROOT, Service
from tests.service.test_bank_session import Bank, Stopper, firms

pytestmark = pytest.mark.parametrize("service", ["sqlite"], indirect=True)
OUTSIDE = [f"outsider-{number:04d}" for number in range(300)]


class Matcher(Bank):
    """A bank that matches and counts."""

    def contract_for(self, *operations: Operation, engine: str = DEFAULT_ENGINE, **limits: int) -> str:
        """A contract in force that allows these operations, for totals."""
        return self.contract(operations=operations, engine=engine, detail=ResultDetail.TOTAL, **limits)

    def match(self, contract: str, codes: list[str], *, progress=SILENT, name: str = "portfolio.csv") -> dict:
        request = MatchRequest(self.portfolio(codes, name), contract, self.folder / "matched.csv", processes=1)
        with self.outlet() as outlet:
            return match_portfolio(self.home, self.keys, outlet, request, progress=progress)

    def count(self, contract: str, codes: list[str], *, progress=SILENT) -> dict:
        request = CountRequest(self.portfolio(codes), contract, processes=1)
        with self.outlet() as outlet:
            return count_portfolio(self.home, self.keys, outlet, request, progress=progress)

    def used(self, contract: str) -> int:
        """Identifiers charged, without the canaries that went with each request."""
        return self.allowance(contract)["identifiers"]["used"] - MIN_CANARIES * len(self.charges(contract))

    def statuses(self) -> dict[str, str]:
        table = pl.read_csv(self.folder / "matched.csv")
        return dict(zip(table["id"].to_list(), table["status"].to_list(), strict=True))

    def charges(self, contract: str) -> list[int]:
        """Identifiers of each charge that the ledger tells of and that was not given back, without their canaries."""
        with self.service.bureau.store.begin_read() as session:
            query = sqlalchemy.select(LedgerEntryRow.kind, LedgerEntryRow.body).where(
                LedgerEntryRow.contract_id == contract, LedgerEntryRow.kind.in_(("match.charged", "match.returned"))
            )
            found = [
                (kind, json.loads(body)["facts"]) for kind, body in session.execute(query.order_by(LedgerEntryRow.seq))
            ]
        charged: dict[str, int] = {}
        for kind, facts in found:
            if kind == "match.charged":
                assert facts["request_sha256"] not in charged, "the same request was charged twice"
                charged[facts["request_sha256"]] = max_identifiers(facts["identifiers"])
            else:
                del charged[facts["request_sha256"]]
        return list(charged.values())


@pytest.fixture
def bank(service: Service, tmp_path: Path) -> Matcher:
    return Matcher(service, tmp_path)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_portfolio_is_matched_and_every_row_ends_once(bank: Matcher, engine: str) -> None:
    contract = bank.contract_for(Operation.MATCH, Operation.SCORE, engine=engine)
    known = firms(*range(20, 90))
    facts = bank.match(contract, [*OUTSIDE[:9], *known, known[3], " "])
    assert (facts["rows"], facts["accepted"], facts["set_aside"], facts["matched"]) == (81, 79, 2, 70)
    assert facts["set_aside_reasons"] == {"duplicate": 1, "empty": 1} and facts["sent"] == 79
    table = pl.read_csv(bank.folder / "matched.csv")
    assert table["row"].to_list() == list(range(2, 83))
    assert table["status"].to_list() == ["not-matched"] * 9 + ["matched"] * 70 + ["set-aside"] * 2
    assert table["reason"].drop_nulls().to_list() == ["duplicate", "empty"]
    assert facts["setup_entries"] == 400
    assert facts["least_bytes_an_entry"] < facts["setup_bytes_an_entry"] < 7 and facts["false_positive_rate"] < 1e-9
    assert all(facts[name] > 0 for name in ("bytes_up", "bytes_down", "peak_rss", "setup_bytes"))
    assert bank.used(contract) == sum(bank.charges(contract)) == 79
    # Nothing was asked to be scored, so the bureau has learnt no tag.
    assert "score.answered" not in bank.service.ledger(contract)


def test_what_was_matched_is_neither_sent_nor_charged_again_whatever_it_is_in(bank: Matcher) -> None:
    contract = bank.contract_for(Operation.MATCH, Operation.SCORE, identifiers_per_match=30 + MIN_CANARIES)
    assert bank.match(contract, firms(*range(50)))["sent"] == 50
    facts = bank.match(contract, firms(*range(30, 70))[::-1], name="other.csv")
    assert (facts["sent"], facts["matched"]) == (20, 40) and bank.used(contract) == 70
    scored = bank.score(contract, bank.portfolio([*firms(*range(70)), *OUTSIDE[:2]]))
    assert scored["scored"] == 70 and bank.used(contract) == sum(bank.charges(contract)) == 72
    bank.match(contract, firms(*range(50)))
    assert bank.used(contract) == 72


def test_a_portfolio_without_a_usable_code_asks_nothing(bank: Matcher) -> None:
    contract = bank.contract_for(Operation.MATCH)
    with pytest.raises(InvalidInput, match="found none in 2 rows"):
        bank.match(contract, [" ", " "])
    assert bank.allowance(contract)["jobs"]["used"] == 0


def test_beyond_the_ceiling_nothing_is_opened_and_what_was_matched_does_not_count(bank: Matcher) -> None:
    contract = bank.contract_for(
        Operation.MATCH, identifiers=60 + 3 * MIN_CANARIES, identifiers_per_match=40 + MIN_CANARIES
    )
    with pytest.raises(NotAllowed, match="252 identifiers left"):
        bank.match(contract, firms(*range(130)))
    assert bank.allowance(contract)["jobs"]["used"] == 0
    bank.match(contract, firms(*range(50)))
    assert bank.match(contract, firms(*range(60)))["sent"] == 10
    with pytest.raises(NotAllowed, match="0 identifiers left to match; the portfolio has 1 new ones, and 64"):
        bank.match(contract, firms(*range(61)))


@pytest.mark.parametrize("after", [1, 2, 4])
def test_a_stopped_match_goes_on(bank: Matcher, after: int) -> None:
    contract = bank.contract_for(Operation.MATCH, identifiers_per_match=30 + MIN_CANARIES)
    with pytest.raises(KeyboardInterrupt):
        bank.match(contract, firms(*range(100)), progress=Stopper("match", after))
    facts = bank.match(contract, firms(*range(100)))
    assert facts["resumed"] and facts["matched"] == 100
    assert bank.used(contract) == 100 and bank.charges(contract) == [25, 25, 25, 25]
    assert bank.allowance(contract)["jobs"]["used"] == 1


def start(bank: Matcher, *words: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "lab.cli", "bank", *map(str, words)]
    command += ["--home", str(bank.home.folder), "--bureau", bank.service.url, "--processes", "1"]
    with (bank.folder / "client.log").open("ab") as log:
        return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)


@pytest.mark.property(
    "Paid once in matching",
    claim=(
        "What was paid for survives a kill of either side. No identifier is sent twice under one contract and "
        "key epoch."
    ),
    topic="matching",
    code=["lab.bank.matching.evaluation_store", "lab.bank.matching.matcher"],
)
def test_kills_of_either_side_charge_each_identifier_once(bank: Matcher) -> None:
    contract = bank.contract_for(Operation.MATCH, Operation.SCORE, identifiers_per_match=5 + MIN_CANARIES)
    codes = firms(*range(0, 400, 2)) + OUTSIDE[:200]
    portfolio, out = bank.portfolio(codes), bank.folder / "matched.csv"
    words = ("match", portfolio, "--contract", contract, "--out", out)
    chance, killed = random.Random(5), 0
    for attempt in range(5):
        client = start(bank, *words)
        before, until = len(bank.charges(contract)), time.monotonic() + 60
        while len(bank.charges(contract)) < before + chance.randint(1, 6) and client.poll() is None:
            assert time.monotonic() < until, (bank.folder / "client.log").read_text()
            time.sleep(0.001)
        killed += client.poll() is None
        if attempt % 2:
            bank.service.process.stop(signal.SIGKILL)
            bank.service.process.start()
        client.send_signal(signal.SIGKILL)
        client.wait(60)
    assert killed > 2, (bank.folder / "client.log").read_text()
    client = start(bank, *words)
    assert client.wait(120) == 0, (bank.folder / "client.log").read_text()
    table = pl.read_csv(out)
    assert table["status"].value_counts().sort("status").rows() == [("matched", 200), ("not-matched", 200)]
    assert bank.used(contract) == 400 and sum(bank.charges(contract)) == 400


@pytest.mark.parametrize("engine", ENGINES)
def test_a_count_tells_the_number_and_leaves_nothing_of_single_enterprises(bank: Matcher, engine: str) -> None:
    contract = bank.contract_for(Operation.COUNT, engine=engine, identifiers_per_match=150 + MIN_CANARIES)
    facts = bank.count(contract, [*firms(*range(250, 400)), *OUTSIDE[:150], " "])
    assert (facts["accepted"], facts["matched"], facts["set_aside"]) == (300, 150, 1)
    assert bank.used(contract) == 300 and bank.charges(contract) == [150, 150]
    left = {path.name for path in bank.home.matches.rglob("*") if path.is_file()}
    assert left == {MANIFEST, METADATA_FILE, "lock"}
    assert not bank.home.evaluations.exists()
    for path in bank.home.matches.rglob(MANIFEST):
        assert not any(code in path.read_text() for code in (*firms(*range(250, 400)), *OUTSIDE))
    with pytest.raises(NotAllowed, match="does not allow to match"):
        bank.match(contract, firms(1))


def test_few_are_not_counted_and_a_matching_contract_counts_nothing(bank: Matcher) -> None:
    contract = bank.contract_for(Operation.COUNT)
    with pytest.raises(InvalidInput, match="at least 100"):
        bank.count(contract, firms(*range(99)))
    assert bank.allowance(contract)["jobs"]["used"] == 0
    with pytest.raises(NotAllowed, match="does not allow to count"):
        bank.count(bank.contract_for(Operation.MATCH), firms(*range(200)))


def test_a_stopped_count_goes_on_without_new_charges(bank: Matcher) -> None:
    contract = bank.contract_for(Operation.COUNT, identifiers_per_match=100 + MIN_CANARIES)
    codes = [*firms(*range(200)), *OUTSIDE[:100]]
    with pytest.raises(KeyboardInterrupt):
        bank.count(contract, codes, progress=Stopper("count", 2))
    facts = bank.count(contract, codes)
    assert facts["resumed"] and facts["matched"] == 200
    assert bank.used(contract) == 300 and bank.charges(contract) == [100, 100, 100]


def test_the_commands_speak_json_and_say_what_went_wrong(bank: Matcher) -> None:
    matching, counting = bank.contract_for(Operation.MATCH), bank.contract_for(Operation.COUNT)
    portfolio = bank.portfolio([*firms(*range(120)), *OUTSIDE[:5]])

    def lab(*words: object) -> tuple[int, dict]:
        command = [sys.executable, "-m", "lab.cli", "bank", *map(str, words), "--json", "--home", str(bank.home.folder)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        return done.returncode, json.loads(done.stdout)

    out = bank.folder / "matched.parquet"
    code, facts = lab("match", portfolio, "--contract", matching, "--out", out, "--processes", 2)
    assert (code, facts["matched"], facts["out"]) == (0, 120, str(out))
    assert pl.read_parquet(out)["status"].value_counts().sort("status").rows() == [("matched", 120), ("not-matched", 5)]
    code, facts = lab("count", portfolio, "--contract", counting)
    assert (code, facts["matched"], facts["accepted"]) == (0, 120, 125)
    code, facts = lab("count", portfolio, "--contract", matching)
    assert (code, facts["error"]) == (4, "refused")
    code, facts = lab("match", portfolio, "--contract", matching, "--out", bank.folder / "x.ods")
    assert (code, facts["error"]) == (3, "invalid-input")
    _, facts = lab("runs")
    assert [(one["kind"], one["contract"], one.get("out")) for one in facts["runs"]] == [
        ("count", counting, None),
        ("match", matching, str(out)),
    ]
    assert lab("tidy", "--remove")[1] == {"due": [], "doubtful": []}  # both contracts live
    bank.service.revoke(matching)
    code, facts = lab("tidy", "--remove")
    assert code == 0 and not facts["doubtful"]
    assert {(one["sort"], one["reason"], one["removed"]) for one in facts["due"]} == {
        ("evaluations", "contract-ended", True),
        ("set-up", "contract-ended", True),
    }
    assert not any(bank.home.evaluations.iterdir()) and len(finished_run_folders(bank.home.matches)) == 2
