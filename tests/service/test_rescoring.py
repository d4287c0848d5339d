"""Fresh scores over HTTP: the register changes, and a bank has its earlier batches evaluated again by their hashes."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sqlalchemy import select

from lab.bank.connection.client import BureauClient
from lab.bank.portraits.scored_run import ScoredRun
from lab.bank.runs.job_requests import RescoringRequest
from lab.bank.runs.store import find_finished_run, finished_runs, unfinished_run_folders
from lab.bank.scoring.rescore import RescoringResult, rescore
from lab.bureau.contracts.repository import find_version
from lab.bureau.store.tables import LedgerEntryRow
from lab.terms.consent import format_consent_time
from lab.terms.contract.document import ResultDetail
from lab.terms.errors import NotAllowed, NotFound
from lab.terms.progress import SILENT, Progress
from tests.service.conftest import Pilot, Service, import_public, open_service
from tests.service.test_bank_session import Bank, Event, Stopper, firms
from tests.unit.lab.bureau.exchange.test_access import CONSENT
from tests.unit.lab.cli.bank.results.test_runs import lab

BATCH = 20


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, pilot: Pilot) -> Iterator[Service]:
    """A bureau of its own, whose register changes."""
    with open_service(tmp_path_factory.mktemp("bureau"), pilot) as running:
        yield running


class Fresh(Bank):
    """A bank that asks again."""

    public: pl.DataFrame

    def change(self, *, without: int | None = None) -> None:
        """The register's next version: each enterprise has the records of another."""
        records = self.service.pilot.public
        shift = 1 + self.version()
        self.public = records.with_columns(
            pl.Series(name, np.roll(records[name].to_numpy(), shift)) for name in ("tax", "staff")
        )
        kept = self.public if without is None else self.public.filter(pl.col("id") != f"firm-{without:04d}")
        import_public(self.service.bureau, kept)

    def version(self) -> int:
        return sum(kind == "register.imported" for kind in self.kinds())

    def kinds(self) -> list[str]:
        with self.service.bureau.store.begin_read() as session:
            return list(session.scalars(select(LedgerEntryRow.kind).order_by(LedgerEntryRow.seq)))

    def again(self, run: str, *, progress: Progress = SILENT, out: Path | None = None) -> RescoringResult:
        with self.outlet() as outlet:
            return rescore(
                self.home,
                self.keys,
                outlet,
                RescoringRequest(find_finished_run(self.home.runs, run), out),
                progress=progress,
            )

    def consent(self, contract: str, codes: list[str]) -> None:
        """These enterprises consent to this bank."""
        bureau, now = self.service.bureau, datetime.now(UTC) - timedelta(minutes=1)
        with bureau.store.begin_read() as session:
            whose = find_version(session, contract).bank_id
        begin, end = (format_consent_time(at) for at in (now, now + timedelta(days=20)))
        lines = [f"{code},{whose},credit-approval,{begin},{end},sheet" for code in codes]
        path = self.folder / "consents.csv"
        path.write_text("\n".join(["code,bank,purpose,starts,expires,evidence", *lines]) + "\n")
        bureau.consents.import_file(path, by="person:steward", id_kind="opaque")

    def fits(self, run: str, public: pl.DataFrame, detail: ResultDetail) -> bool:
        """Whether a run's sums are those in clear over these public records."""
        outputs = find_finished_run(self.home.runs, run).outputs
        model, numbers = self.service.pilot.model, [int(code[-4:]) for code in outputs["code"]]
        answers = model.sheet(detail).compute_indicators(self.service.pilot.bank[numbers])
        found = np.stack([outputs[name].to_numpy() for name in outputs.columns[1:]])
        return np.array_equal(found, model.score_weights(public[numbers], detail).apply_to_indicators(answers))


@pytest.fixture
def bank(service: Service, tmp_path: Path) -> Fresh:
    made = Fresh(service, tmp_path)
    made.change()
    return made


@pytest.mark.property(
    "Fresh scores",
    claim=(
        "To have a batch scored with a new register, the bank sends its hash only. The scores equal the plain scores "
        "of that register, and are charged once, also after a kill."
    ),
    topic="scoring",
    code=["lab.bank.scoring.rescore"],
)
def test_scores_of_the_new_register_come_back_for_hashes_alone(bank: Fresh, monkeypatch: pytest.MonkeyPatch) -> None:
    contract = bank.contract(detail=ResultDetail.DIMENSIONS, rows_per_batch=BATCH)
    first = bank.score(contract, bank.portfolio([*firms(*range(55)), "outsider-0001"]))
    before, entries = bank.allowance(contract), len(bank.service.ledger(contract))
    nothing = bank.again(first["run"])
    assert (nothing.manifest, nothing.run) == (None, first["run"])
    assert bank.allowance(contract) == before and len(bank.service.ledger(contract)) == entries

    old_public = bank.public
    bank.change()
    for gone in ("put_batch", "put_context"):
        monkeypatch.setattr(BureauClient, gone, None)
    done = bank.again(first["run"])
    facts = done.manifest
    assert facts is not None and facts["rescored_from"] == first["run"]
    assert facts["register"] == f"main-{done.origin.version}"
    assert bank.fits(done.run, bank.public, ResultDetail.DIMENSIONS) and not bank.fits(
        done.run, old_public, ResultDetail.DIMENSIONS
    )
    assert bank.fits(first["run"], old_public, ResultDetail.DIMENSIONS)  # the old run stays as it was
    assert facts["bytes_up"] < 20_000 < first["bytes_up"] / 50
    used = bank.allowance(contract)
    assert used["identifiers"] == before["identifiers"]
    assert (used["scores"]["total"], used["scores"]["used"], used["jobs"]["used"]) == (110, 2, 2)
    assert bank.service.ledger(contract).count("score.charged") == 6
    table = pl.read_parquet(facts["out"])
    assert Path(facts["out"]).parent == bank.out.parent and done.run in facts["out"]
    assert table.select("row", "id", "code", "status", "reason").equals(
        pl.read_parquet(bank.out).select("row", "id", "code", "status", "reason")
    )
    portrait = ScoredRun.open(find_finished_run(bank.home.runs, done.run)).portrait("firm-0007")
    assert portrait.score == table.filter(pl.col("code") == "firm-0007")["score"].item()
    for run in (first["run"], done.run):
        again = bank.again(run)
        assert (again.manifest, again.run) == (None, done.run)
    bank.change()
    later = bank.again(done.run)
    assert later.manifest is not None and bank.fits(later.run, bank.public, ResultDetail.DIMENSIONS)


@pytest.mark.property("Fresh scores")
def test_interrupted_it_goes_on_and_is_charged_once(bank: Fresh) -> None:
    contract = bank.contract(detail=ResultDetail.TOTAL, rows_per_batch=BATCH)
    first = bank.score(contract, bank.portfolio(firms(*range(60))))
    bank.change()
    with pytest.raises(KeyboardInterrupt):
        bank.again(first["run"], progress=Stopper("decrypt", 2))
    bank.service.process.stop(signal.SIGKILL)
    bank.service.process.start()
    bank.service = Service(bank.service.process, bank.service.bureau, bank.service.pilot)
    done = bank.again(first["run"], out=bank.folder / "fresh.csv")
    assert done.manifest is not None and done.manifest["resumed"] and (bank.folder / "fresh.csv").is_file()
    assert bank.fits(done.run, bank.public, ResultDetail.TOTAL)
    used = bank.allowance(contract)
    assert (used["scores"]["total"], used["jobs"]["used"]) == (120, 2)
    assert not unfinished_run_folders(bank.home.runs) and len(finished_runs(bank.home.runs)) == 2


def test_a_register_that_changes_in_the_middle_leaves_batches_that_are_not_paid_twice(bank: Fresh) -> None:
    contract = bank.contract(detail=ResultDetail.TOTAL, rows_per_batch=BATCH)
    first = bank.score(contract, bank.portfolio(firms(*range(80))))
    bank.change()
    mixed = bank.again(first["run"], progress=Event("decrypt", 1, bank.change))
    assert mixed.manifest is not None and len(mixed.manifest["register"].split(", ")) == 2
    stale = sum(one["entry"]["facts"]["register_version"] != bank.version() for one in mixed.manifest["receipts"])
    assert 0 < stale < 4
    done = bank.again(mixed.run)
    assert done.manifest is not None and bank.fits(done.run, bank.public, ResultDetail.TOTAL)
    assert bank.allowance(contract)["scores"]["total"] == 160 + stale * BATCH
    assert ScoredRun.open(find_finished_run(bank.home.runs, done.run)).portrait("firm-0001").provenance.receipt


@pytest.mark.property("Rescored without those who left")
def test_of_300_enterprises_the_one_that_left_is_not_rescored_and_the_others_are(bank: Fresh) -> None:
    contract = bank.contract(detail=ResultDetail.TOTAL, rows_per_batch=100)
    first = bank.score(contract, bank.portfolio(firms(*range(300))))
    bank.change(without=3)
    done = bank.again(first["run"])
    assert done.manifest is not None and bank.fits(done.run, bank.public, ResultDetail.TOTAL)
    assert (done.manifest["scored"], done.manifest["not_rescored"]) == (299, 1)
    (warning,) = done.manifest["warnings"]
    assert "Enterprises not scored again: 1." in warning and "match afresh" in warning
    assert "left" not in warning and "withdr" not in warning and "consent" not in warning
    table = pl.read_parquet(done.manifest["out"])
    assert dict(table["status"].value_counts().iter_rows()) == {"scored": 299, "not-rescored": 1}
    gone = table.filter(pl.col("code") == "firm-0003")
    assert gone["status"].item() == "not-rescored" and gone["score"].to_list() == gone["raw"].to_list() == [None]
    assert bank.allowance(contract)["scores"]["total"] == 599
    facts = [receipt["entry"]["facts"] for receipt in done.manifest["receipts"]]
    assert sorted((one["rows"], one["scored"]) for one in facts) == [(100, 99), (100, 100), (100, 100)]
    run = ScoredRun.open(find_finished_run(bank.home.runs, done.run))
    with pytest.raises(NotFound, match="it could not be scored again"):
        run.portrait("firm-0003")
    assert all(run.portrait(code).provenance.receipt for code in (run.codes[0], run.codes[-1]))
    assert bank.again(done.run).manifest is None
    # It is in the next version again: the run that dropped it still knows whose row it is.
    bank.change()
    back = bank.again(done.run)
    assert back.manifest is not None and bank.fits(back.run, bank.public, ResultDetail.TOTAL)
    assert (back.manifest["scored"], back.manifest["not_rescored"], back.manifest["warnings"]) == (300, 0, [])
    assert pl.read_parquet(back.manifest["out"])["score"].null_count() == 0


@pytest.mark.property("Rescored without those who left")
def test_who_withdrew_consent_is_not_rescored_in_the_same_words(bank: Fresh) -> None:
    contract = bank.contract(detail=ResultDetail.TOTAL, rows_per_batch=BATCH, consent=CONSENT)
    codes = firms(*range(50))
    bank.consent(contract, codes)
    first = bank.score(contract, bank.portfolio(codes))
    bank.change(without=3)
    left = bank.again(first["run"])
    bank.change()
    bank.service.bureau.consents.withdraw(codes[3:4], reason="by letter", by="person:steward", id_kind="opaque")
    withdrew = bank.again(first["run"])
    assert left.manifest is not None and withdrew.manifest is not None
    assert bank.fits(withdrew.run, bank.public, ResultDetail.TOTAL)
    for manifest in (left.manifest, withdrew.manifest):
        assert (manifest["scored"], manifest["not_rescored"]) == (49, 1)
        table = pl.read_parquet(manifest["out"])
        assert table.filter(pl.col("status") == "not-rescored")["code"].to_list() == ["firm-0003"]
    assert left.manifest["warnings"] == withdrew.manifest["warnings"]
    assert bank.allowance(contract)["scores"]["total"] == 50 + 49 + 49


def test_a_batch_of_which_nobody_is_left_is_refused_and_holds_up_no_other(bank: Fresh) -> None:
    contract = bank.contract(detail=ResultDetail.TOTAL, rows_per_batch=BATCH)
    few, most = (bank.score(contract, bank.portfolio(firms(*rows), f"{len(rows)}.csv")) for rows in ([1], range(50)))
    bank.change(without=1)
    with pytest.raises(NotAllowed, match="1 of 1 enterprises"):
        bank.again(few["run"])
    done = bank.again(most["run"])
    assert done.manifest is not None and (done.manifest["scored"], done.manifest["not_rescored"]) == (49, 1)


@pytest.mark.property("Rescored without those who left")
def test_with_some_dropped_it_goes_on_after_a_kill_and_is_charged_once(bank: Fresh) -> None:
    contract = bank.contract(detail=ResultDetail.TOTAL, rows_per_batch=BATCH)
    first = bank.score(contract, bank.portfolio(firms(*range(60))))
    bank.change(without=3)
    with pytest.raises(KeyboardInterrupt):
        bank.again(first["run"], progress=Stopper("decrypt", 1))
    bank.service.process.stop(signal.SIGKILL)
    bank.service.process.start()
    bank.service = Service(bank.service.process, bank.service.bureau, bank.service.pilot)
    done = bank.again(first["run"])
    assert done.manifest is not None and done.manifest["resumed"]
    assert bank.fits(done.run, bank.public, ResultDetail.TOTAL)
    assert (done.manifest["scored"], done.manifest["not_rescored"]) == (59, 1)
    assert bank.allowance(contract)["scores"]["total"] == 60 + 59


def test_a_contract_that_is_stopped_in_the_middle_or_for_good_refuses(bank: Fresh) -> None:
    contract = bank.contract(detail=ResultDetail.TOTAL, rows_per_batch=BATCH)
    first = bank.score(contract, bank.portfolio(firms(*range(100))))
    bank.change()
    with pytest.raises(NotAllowed, match="suspended"):
        bank.again(first["run"], progress=Event("decrypt", 1, lambda: bank.service.suspend(contract)))
    assert len(unfinished_run_folders(bank.home.runs)) == 1
    bank.service.resume(contract)
    done = bank.again(first["run"])
    assert done.manifest is not None and done.manifest["resumed"] and done.manifest["scored"] == 100
    used = bank.allowance(contract)
    assert (used["scores"]["total"], used["jobs"]["used"]) == (200, 2)
    bank.change()
    bank.service.revoke(contract)
    with pytest.raises(NotAllowed, match="revoked"):
        bank.again(first["run"])
    assert bank.allowance(contract)["scores"]["total"] == 200


def test_the_command_tells_what_moved(bank: Fresh) -> None:
    contract = bank.contract(detail=ResultDetail.DIMENSIONS)
    run = bank.score(contract, bank.portfolio(firms(*range(40))))["run"]
    where = ("--bureau", bank.service.url, "--home", bank.home.folder)
    told = json.loads(lab("rescore", run, *where, "--json").stdout)
    assert told["changed"] is False and told["run"] == run
    bank.change()
    done = lab("rescore", *where)
    assert done.returncode == 0 and "稳定性" not in done.stderr
    assert "Grades before and now" in done.stdout and "Siddiqi" in done.stdout + done.stderr
    latest = finished_runs(bank.home.runs)[0]
    assert latest.manifest["rescored_from"] == run
    moved = json.loads(lab("drift", run, latest.folder.name, "--home", bank.home.folder, "--json").stdout)
    assert (moved["common"], moved["scored_now"]) == (40, 40) and moved["shifts"][0]["index"] > 0
