"""The bank's whole job against a real service: what comes out, what is charged, and how a stopped job goes on."""

from __future__ import annotations

import copy
import fcntl
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lab.bank.connection.client import BureauClient, RetryPolicy
from lab.bank.contract.agreement import countersign
from lab.bank.home import BankHome
from lab.bank.portraits.scored_run import ScoredRun
from lab.bank.runs.job_requests import ScoringRequest
from lab.bank.runs.run_files import read_run_file
from lab.bank.runs.store import Run, find_finished_run, finished_runs, unfinished_run_folders
from lab.bank.scoring.job import score_portfolio
from lab.disk.checked_files import DamagedFile, file_identity, read_sealed_json, seal_json
from lab.terms.contract.document import Contract, ResultDetail
from lab.terms.errors import Conflict, InvalidInput, NotAllowed, NotAuthentic, NotFound, Unreachable
from lab.terms.keys.party import Party
from lab.terms.ledger.receipt import ScoreReceipt
from lab.terms.progress import SILENT, Progress, ProgressStage
from protocols.matching.bank import MIN_CANARIES, canary_count
from tests.service.conftest import ROWS, Service

# What the bank does is the same over any database of the bureau's.
pytestmark = pytest.mark.parametrize("service", ["sqlite"], indirect=True)
PATIENCE = RetryPolicy(connect_timeout=5, read_timeout=120, tries=2, longest_wait=0.1)


class Bank:
    """A bank with a home of its own, at a running bureau."""

    def __init__(self, service: Service, folder: Path) -> None:
        self.folder = folder
        self.home, self.keys = BankHome.create(folder / "bank", name="某银行", key_file=folder / "bank.key")
        self.service = copy.copy(service)
        self.service.key = self.keys  # type: ignore[assignment]
        self.out = folder / "scores.parquet"

    def outlet(self, url: str = "") -> BureauClient:
        return BureauClient(url or self.service.url, self.keys, retry_policy=PATIENCE)

    def sign(self, contract: str, **choices) -> None:
        with self.outlet() as outlet:
            told = choices.pop("fingerprint", self.service.bureau.party.fingerprint)
            agree = choices.pop("agree", _agree)
            countersign(self.home, self.keys, outlet, contract, fingerprint=told, agree=agree)

    def contract(self, **choices) -> str:
        document = self.service.draft(**choices)
        self.sign(document.id)
        self.service.approve(document.id)
        return document.id

    def portfolio(self, codes: list[str], name: str = "portfolio.csv") -> Path:
        """Records of firms of the pilot (row by number in the code); of others made-up ones."""
        numbers = [int(code[-4:].strip() or 0) % ROWS for code in codes]
        frame = self.service.pilot.bank[numbers] if codes else self.service.pilot.bank.clear()
        frame.insert_column(0, pl.Series("id", codes, dtype=pl.String)).write_csv(self.folder / name)
        return self.folder / name

    def score(self, contract: str, portfolio: Path, *, progress: Progress = SILENT, url: str = "", **choices) -> dict:
        job = ScoringRequest(portfolio, contract, choices.pop("out", self.out), **choices)
        with self.outlet(url) as outlet:
            return score_portfolio(self.home, self.keys, outlet, job, progress=progress)

    def allowance(self, contract: str) -> dict:
        with self.outlet() as outlet:
            return outlet.allowance(contract)

    def plain(self, codes: list[str], detail: ResultDetail) -> np.ndarray:
        """The same sums in clear, int64 [outputs, rows]."""
        model, numbers = self.service.pilot.model, [int(code[-4:]) for code in codes]
        answers = model.sheet(detail).compute_indicators(self.service.pilot.bank[numbers])
        return model.score_weights(self.service.pilot.public[numbers], detail).apply_to_indicators(answers)


def _agree(document: Contract, known: bool) -> bool:
    return True


@pytest.fixture
def bank(service: Service, tmp_path: Path) -> Bank:
    return Bank(service, tmp_path)


def firms(*numbers: int) -> list[str]:
    return [f"firm-{number:04d}" for number in numbers]


def status_of(bank: Bank) -> dict[str, str]:
    frame = pl.read_parquet(bank.out)
    return dict(zip(frame["id"].to_list(), frame["status"].to_list(), strict=True))


@pytest.mark.parametrize("detail", [ResultDetail.TOTAL, ResultDetail.FULL])
def test_encrypted_results_are_the_plain_ones_and_every_row_ends_once(bank: Bank, detail: ResultDetail) -> None:
    contract = bank.contract(detail=detail)
    known, strange = firms(*range(5, 60)), [f"outsider-{n:04d}" for n in range(7)]
    path = bank.portfolio([*strange, *known, known[0], " "])
    (bank.folder / "skip.csv").write_text("id\n" + "\n".join([*known[:5], strange[0], "nowhere-1"]))
    facts = bank.score(contract, path, skip=bank.folder / "skip.csv")
    assert (facts["rows"], facts["accepted"], facts["set_aside"]) == (64, 62, 2)
    assert (facts["matched"], facts["skipped"], facts["scored"]) == (55, 5, 50)
    assert facts["set_aside_reasons"] == {"duplicate": 1, "empty": 1}
    assert any(text.startswith("skip.csv: 1 of the list's 7 codes are not in") for text in facts["warnings"])
    scores = pl.read_parquet(bank.out)
    assert scores["row"].to_list() == list(range(2, 66))
    counts = dict(scores["status"].value_counts().iter_rows())
    assert counts == {"scored": 50, "skipped": 5, "not-matched": 7, "set-aside": 2}
    outputs = find_finished_run(bank.home.runs, facts["run"]).outputs
    values = np.stack([outputs[name].to_numpy() for name in outputs.columns[1:]])
    assert np.array_equal(values, bank.plain(outputs["code"].to_list(), detail))
    done = scores.filter(pl.col("status") == "scored")
    assert done["score"].null_count() == 0 and done["score"].is_between(300, 900).all()
    assert scores.filter(pl.col("status") != "scored")["raw"].null_count() == 14
    assert ("dimension_conduct" in scores.columns) == (detail is ResultDetail.FULL)
    assert len(facts["receipts"]) == 1 and facts["register"] == "main-1"
    assert all(facts[name] > 0 for name in ("bytes_up", "bytes_down", "peak_rss", "columns"))
    gallery = ScoredRun.open(find_finished_run(bank.home.runs, None))
    portrait = gallery.portrait(known[10])
    assert portrait.score == done.filter(pl.col("code") == known[10])["score"].item()
    assert portrait.provenance.contract == contract and portrait.provenance.receipt
    for code, said in ((strange[0], "not among"), (known[0], "skipped"), ("never", "not in the portfolio")):
        with pytest.raises(NotFound, match=said):
            gallery.portrait(code)


@pytest.mark.parametrize(
    ("codes", "matched"),
    [([], 0), (["outsider-0001", "outsider-0002"], 0), (firms(3), 1), (firms(*range(40)), 40)],
    ids=["empty", "nothing matched", "one row", "all matched"],
)
def test_portfolios_at_the_edges_give_valid_results(bank: Bank, codes: list[str], matched: int) -> None:
    contract = bank.contract(detail=ResultDetail.DIMENSIONS)
    facts = bank.score(contract, bank.portfolio(codes), out=bank.folder / "s.csv")
    assert (facts["accepted"], facts["matched"], facts["scored"]) == (len(codes), matched, matched)
    assert len(pl.read_csv(bank.folder / "s.csv")) == len(codes)
    assert (bank.folder / "s.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    assert bank.allowance(contract)["identifiers"]["used"] == len(codes) + canary_count(len(codes))


class Stopper:
    """Stops the job (as a power cut would, between two steps) when a stage has advanced so often."""

    def __init__(self, stage: str, after: int) -> None:
        self.wanted, self.left = stage, after

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[ProgressStage]:
        yield _Counter(self) if name == self.wanted else _Counter(None)


class _Counter:
    def __init__(self, stopper: Stopper | None) -> None:
        self.stopper = stopper

    def advance(self, units: int = 1) -> None:
        if self.stopper is not None:
            self.stopper.left -= 1
            if self.stopper.left == 0:
                raise KeyboardInterrupt


@pytest.mark.parametrize(("stage", "after"), [("match", 2), ("encrypt", 30), ("score", 2), ("decrypt", 3)])
def test_a_stopped_job_goes_on_without_new_charges(bank: Bank, stage: str, after: int) -> None:
    contract = bank.contract(detail=ResultDetail.TOTAL, rows_per_batch=20, identifiers_per_match=40 + MIN_CANARIES)
    codes = firms(*range(100))
    path = bank.portfolio(codes)
    with pytest.raises(KeyboardInterrupt):
        bank.score(contract, path, progress=Stopper(stage, after))
    assert len(unfinished_run_folders(bank.home.runs)) == 1 and not bank.out.exists()
    kept = {p.name: read_run_file(p.parent, p.name) or b"" for p in bank.home.runs.glob("*/batch-*.frame")}
    facts = bank.score(contract, path)
    assert facts["resumed"] and facts["scored"] == 100
    assert unfinished_run_folders(bank.home.runs) == ()
    used = bank.allowance(contract)
    assert used["identifiers"]["used"] == 100 + 3 * MIN_CANARIES and used["scores"]["used"] == 1
    outputs = find_finished_run(bank.home.runs, facts["run"]).outputs
    assert np.array_equal(
        outputs["total:total"].to_numpy(), bank.plain(outputs["code"].to_list(), ResultDetail.TOTAL)[0]
    )
    # What was encrypted before the stop was sent byte for byte: the receipts name those very frames.
    receipts = {ScoreReceipt.read(receipt).batch_sha256 for receipt in facts["receipts"]}
    assert {hashlib.sha256(frame).hexdigest() for frame in kept.values()} <= receipts
    assert not list(bank.home.runs.glob("*/batch-*"))
    # The same call again charges nothing; only --again is a new job: fresh scores, fresh charges.
    free = bank.score(contract, path, out=bank.folder / "second.csv")
    assert free["run"] == facts["run"] and free["charged"] is False and (bank.folder / "second.csv").is_file()
    assert bank.allowance(contract)["scores"]["used"] == 1
    again = bank.score(contract, path, again=True)
    assert not again["resumed"] and again["run"] != facts["run"]
    assert bank.allowance(contract)["scores"]["used"] == 2
    assert len(finished_runs(bank.home.runs)) == 2


def test_another_process_on_the_same_run_is_told(bank: Bank) -> None:
    contract = bank.contract(rows_per_batch=20)
    path = bank.portfolio(firms(*range(50)))
    with pytest.raises(KeyboardInterrupt):
        bank.score(contract, path, progress=Stopper("decrypt", 1))
    with next(bank.home.runs.glob("*/lock")).open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Conflict):
            bank.score(contract, path)


def test_a_bureau_that_is_down_loses_nothing(bank: Bank) -> None:
    contract = bank.contract()
    path = bank.portfolio(firms(1, 2))
    with pytest.raises(Unreachable, match="No answer"):
        bank.score(contract, path, url="http://127.0.0.1:9")
    assert bank.score(contract, path)["scored"] == 2


def test_contracts_that_do_not_stand_are_refused_before_anything_is_sent(bank: Bank, tmp_path: Path) -> None:
    path = bank.portfolio(firms(1, 2))
    with pytest.raises(NotFound, match="signed"):
        bank.score("c-never", path)
    draft = bank.service.draft()
    bank.sign(draft.id)
    with pytest.raises(NotAllowed, match="submitted; it must be active"):
        bank.score(draft.id, path)
    bank.service.approve(draft.id)
    bank.service.suspend(draft.id)
    with pytest.raises(NotAllowed, match="suspended") as suspended:
        bank.score(draft.id, path)
    assert "no new charge" in suspended.value.next_step
    bank.service.revoke(draft.id)
    with pytest.raises(NotAllowed, match="revoked"):
        bank.score(draft.id, path)
    contract = bank.contract()
    for pin in (bank.home.folder / "bureaus").glob("*.json"):
        pin.unlink()
    with pytest.raises(NotAuthentic, match="not pinned"):
        bank.score(contract, path)
    bank.home.pin(Party(name=bank.service.bureau.party.name, public_key="cd" * 32), "https://elsewhere")
    with pytest.raises(NotAuthentic, match="not the one pinned"):
        bank.score(contract, path)
    assert bank.allowance(contract)["identifiers"]["used"] == 0


@pytest.mark.property(
    "Pinned bureau",
    claim="The bank scores only under what it signed, with the bureau that it pinned.",
    topic="contracts and consent",
    code=["lab.bank.contract.agreement"],
)
def test_a_contract_that_changed_since_signing_is_refused(bank: Bank) -> None:
    one = bank.contract(identifiers=1000)
    stored = bank.home.folder / "contracts" / f"{one}.v1.json"
    identity = file_identity(stored, 2)
    facts = read_sealed_json(stored, identity=identity)
    text = json.dumps(facts)
    assert '"identifiers": 1000,' in text
    changed = json.loads(text.replace('"identifiers": 1000,', '"identifiers": 999,'))
    stored.write_text(json.dumps(changed))
    with pytest.raises(DamagedFile):
        bank.score(one, bank.portfolio(firms(1)))
    stored.write_text(json.dumps(seal_json(changed, identity)))
    with pytest.raises(NotAuthentic, match="not the one this bank signed"):
        bank.score(one, bank.portfolio(firms(1)))


def test_signing_needs_agreement_and_the_right_fingerprint(bank: Bank) -> None:
    draft = bank.service.draft()
    shown: list[bool] = []

    def disagree(document: Contract, known: bool) -> bool:
        shown.append(known)
        return False

    with pytest.raises(NotAllowed, match="nothing was signed"):
        bank.sign(draft.id, agree=disagree)
    assert shown == [False] and bank.home.pins() == ()
    for wrong in ("0000-0000-0000-0000", "0000" * 8, draft.bureau.fingerprint[:-1], None):
        with pytest.raises(NotAuthentic, match="fingerprint"):
            bank.sign(draft.id, fingerprint=wrong)
    bank.sign(draft.id, fingerprint=draft.bureau.fingerprint.upper().replace("-", " "))
    assert bank.home.pins()[0].bureau.public_key == draft.bureau.public_key
    bank.sign(draft.id)  # signing again is harmless


def test_more_than_the_ceiling_and_missing_columns_are_refused_before_charging(bank: Bank) -> None:
    contract = bank.contract(identifiers=10 + MIN_CANARIES, identifiers_per_match=10 + MIN_CANARIES)
    with pytest.raises(NotAllowed, match="74 identifiers left to match; the portfolio has 11 new ones, and 128"):
        bank.score(contract, bank.portfolio(firms(*range(11))))
    (bank.folder / "narrow.csv").write_text("id,debt\nfirm-0001,1\n")
    with pytest.raises(InvalidInput, match="balance"):
        bank.score(contract, bank.folder / "narrow.csv")
    for out in (bank.folder / "scores.ods", bank.folder / "absent" / "scores.csv"):
        with pytest.raises((InvalidInput, NotFound)):
            bank.score(contract, bank.portfolio(firms(1)), out=out)
    assert bank.allowance(contract)["identifiers"]["used"] == 0


def test_unreadable_numbers_are_reported(bank: Bank) -> None:
    contract = bank.contract()
    (bank.folder / "p.csv").write_text("id,debt,balance\nfirm-0001,about one,2\nfirm-0002,1e10,\n")
    facts = bank.score(contract, bank.folder / "p.csv")
    assert facts["scored"] == 2
    assert any("debt" in warning and "1 cells" in warning for warning in facts["warnings"])
    assert not any("about" in warning for warning in facts["warnings"])


def test_a_job_is_for_a_recipient_and_a_model_that_the_contract_names(bank: Bank) -> None:
    contract = bank.contract()
    path = bank.portfolio(firms(1, 2))
    for choices, term in (
        ({"recipient": "别的部门"}, "recipients"),
        ({"model": ("credit", 2)}, "models"),
        ({"model": ("other", None)}, "models"),
    ):
        with pytest.raises(NotAllowed, match=f"term: {term}"):
            bank.score(contract, path, **choices)
    assert bank.allowance(contract)["jobs"]["used"] == 0
    facts = bank.score(contract, path, model=("credit", None), recipient="风险部")
    assert (facts["recipient"], facts["model"], facts["version"]) == ("风险部", "credit@1", 1)
    assert facts["delete_after"] > facts["finished"]
    with bank.outlet() as outlet:
        job = outlet.job(contract, facts["run"])
    assert (job["state"], job["recipient"], job["rows"], job["rows_used"]) == ("ended", "风险部", 2, 2)


@pytest.mark.parametrize("stage", ["score", "decrypt"])
def test_a_job_that_was_stopped_with_its_contract_goes_on_at_no_new_charge(bank: Bank, stage: str) -> None:
    contract = bank.contract(rows_per_batch=20)
    path = bank.portfolio(firms(*range(100)))
    event = Event(stage, 2, lambda: bank.service.suspend(contract))
    with pytest.raises(NotAllowed, match="suspended"):
        bank.score(contract, path, progress=event)
    answered = bank.service.ledger(contract).count("score.answered")
    with pytest.raises(NotAllowed, match="suspended"):
        bank.score(contract, path)
    assert bank.service.ledger(contract).count("score.answered") == answered < 5
    bank.service.resume(contract)
    facts = bank.score(contract, path)
    assert facts["resumed"] and facts["scored"] == 100
    used = bank.allowance(contract)
    assert (used["identifiers"]["used"], used["scores"]["total"], used["jobs"]["used"]) == (100 + MIN_CANARIES, 100, 1)
    assert "job.reopened" in bank.service.ledger(contract)


def test_a_job_goes_on_under_an_amendment_that_the_bank_has_signed(bank: Bank) -> None:
    contract = bank.contract(rows_per_batch=20)
    path = bank.portfolio(firms(*range(60)))
    with pytest.raises(KeyboardInterrupt):
        bank.score(contract, path, progress=Stopper("decrypt", 1))
    bank.service.amend(contract, retention_days=30)
    assert bank.home.versions(contract) == (1,)
    with bank.outlet() as outlet:
        assert [(one.version, one.state) for one in outlet.contract_versions(contract)] == [
            (2, "approved"),
            (1, "active"),
        ]
    bank.sign(contract)
    assert bank.home.versions(contract) == (1, 2)
    facts = bank.score(contract, path)
    assert facts["resumed"] and facts["version"] == 2 and facts["scored"] == 60
    assert bank.allowance(contract)["identifiers"]["used"] == 60 + MIN_CANARIES


@pytest.mark.property("Jobs within the contract")
def test_an_amendment_that_was_not_signed_here_runs_nothing(bank: Bank) -> None:
    contract = bank.contract()
    bank.service.amend(contract, retention_days=30)
    bank.sign(contract)
    (bank.home.folder / "contracts" / f"{contract}.v2.json").unlink()
    with pytest.raises(NotFound, match="Version 2") as found:
        bank.score(contract, bank.portfolio(firms(1)))
    assert "lab bank sign" in found.value.next_step
    assert bank.allowance(contract)["jobs"]["used"] == 0


class Event(Stopper):
    """As ``Stopper``, but something happens instead of a power cut."""

    def __init__(self, stage: str, after: int, event: Callable[[], object]) -> None:
        super().__init__(stage, after)
        self.event = event

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[ProgressStage]:
        with super().stage(name, total) as stage:
            yield _Happening(stage, self.event)


class _Happening:
    def __init__(self, stage: ProgressStage, event: Callable[[], object]) -> None:
        self.wrapped, self.event = stage, event

    def advance(self, units: int = 1) -> None:
        try:
            self.wrapped.advance(units)
        except KeyboardInterrupt:
            self.event()


def test_a_job_stopped_when_the_bureau_knew_its_end_and_the_run_did_not_goes_on(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = bank.contract()
    path = bank.portfolio(firms(*range(4)))
    with monkeypatch.context() as patch:
        patch.setattr(Run, "finish", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            bank.score(contract, path)
    (folder,) = unfinished_run_folders(bank.home.runs)
    with bank.outlet() as outlet:
        assert outlet.job(contract, folder.name)["state"] == "ended"
    assert bank.score(contract, path)["scored"] == 4 and not unfinished_run_folders(bank.home.runs)
    assert bank.allowance(contract)["scores"]["total"] == 4
