"""Witnesses as they are run: commands, a service that has its heads cosigned, a bank that waits for them, auditors."""

from __future__ import annotations

import copy
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import polars as pl
import pytest

from lab.bank.connection.client import BureauClient, RetryPolicy
from lab.bank.contract.agreement import countersign
from lab.bank.home import BankHome
from lab.bank.matching.match_job import count_portfolio, match_portfolio
from lab.bank.runs.job_requests import CountRequest, MatchRequest, ScoringRequest
from lab.bank.runs.store import unfinished_run_folders
from lab.bank.scoring.job import score_portfolio
from lab.bureau.bureau import Bureau
from lab.bureau.key_management.metrics_token import metrics_token
from lab.bureau.model_registry.registry import publish_model, save_model
from lab.terms.contract.document import Contract, Operation
from lab.terms.errors import Unreachable
from lab.terms.keys.party import Party
from lab.terms.witnessing.quorum import WitnessQuorum
from lab.terms.witnessing.signed_note import SIGNATURE_COSIGNATURE, NoteKey
from protocols.matching.bank import MIN_CANARIES
from tests.service.conftest import ROOT, Pilot, Process, Service, import_public
from tests.support.waiting import wait_until

PATIENCE = RetryPolicy(connect_timeout=5, read_timeout=120, tries=2, longest_wait=0.1, cosigning_timeout=30)
HASTE = RetryPolicy(connect_timeout=5, read_timeout=120, tries=2, longest_wait=0.1, cosigning_timeout=1)


def lab(*words: object, ok: bool = True, **variables: str) -> dict:
    """The command as a person runs it; what it says under --json."""
    done = subprocess.run(
        [sys.executable, "-m", "lab.cli", *map(str, words), "--json"],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) == ok, done.stderr
    found: dict = json.loads(done.stdout)
    return found


class WitnessProcess:
    """``lab witness serve``, which can be stopped and started again."""

    def __init__(self, home: Path, card: Path, fingerprint: str, name: str) -> None:
        self.home, self.port = home, 0
        self.key = NoteKey.parse(
            lab("witness", "init", "--home", home, "--name", name)["key"], kind=SIGNATURE_COSIGNATURE
        )
        lab("witness", "trust", card, "--fingerprint", fingerprint, "--home", home)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        port_file = self.home / "port"
        port_file.unlink(missing_ok=True)
        words = ["witness", "serve", "--home", str(self.home), "--port", str(self.port), "--port-file", str(port_file)]
        with (self.home / "stderr").open("ab") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "lab.cli", *words], cwd=ROOT, stdout=stderr, stderr=stderr
            )
        while not port_file.exists():
            assert self._process.poll() is None, (self.home / "stderr").read_text()
            time.sleep(0.02)
        self.port = int(port_file.read_text())

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(30)
        self._process = None

    @property
    def party(self) -> Party:
        return Party(name=self.key.name, public_key=self.key.public_key)


class Scene:
    """A service whose bureau asks three witnesses, and a bank."""

    def __init__(self, service: Service, witnesses: list[WitnessProcess], folder: Path) -> None:
        self.witnesses, self.folder = witnesses, folder
        self.home, self.keys = BankHome.create(folder / "bank", name="某银行", key_file=folder / "bank.key")
        self.service = copy.copy(service)
        self.service.key = self.keys  # type: ignore[assignment]
        self.terms = WitnessQuorum(quorum=2, parties=tuple(one.party for one in witnesses))

    def outlet(self, patience: RetryPolicy = PATIENCE) -> BureauClient:
        return BureauClient(self.service.url, self.keys, retry_policy=patience)

    def contract(self, **choices) -> str:
        """A contract in force that names the witnesses."""
        document = self.service.draft(**choices)
        self._agree(document.id)
        self.service.approve(document.id)
        amended = self.service.amend(document.id, witnesses=self.terms)
        assert amended.witnesses == self.terms
        self._agree(document.id)
        return document.id

    def _agree(self, contract: str) -> None:
        with self.outlet() as outlet:
            told = self.service.bureau.party.fingerprint
            countersign(self.home, self.keys, outlet, contract, fingerprint=told, agree=_agree)

    def portfolio(self, rows: int) -> Path:
        ids = pl.Series("id", [f"firm-{number:04d}" for number in range(rows)])
        self.service.pilot.bank[:rows].insert_column(0, ids).write_csv(self.folder / "p.csv")
        return self.folder / "p.csv"

    def score(self, contract: str, patience: RetryPolicy = PATIENCE, rows: int = 20) -> dict:
        with self.outlet(patience) as outlet:
            job = ScoringRequest(self.portfolio(rows), contract, self.folder / "s.parquet")
            return score_portfolio(self.home, self.keys, outlet, job)

    @property
    def card(self) -> Path:
        return self.folder / "card.json"


def _agree(document: Contract, known: bool) -> bool:
    return True


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, pilot: Pilot) -> Iterator[Scene]:
    with staged(tmp_path_factory.mktemp("witnesses"), pilot) as found:
        yield found


@contextmanager
def staged(folder: Path, pilot: Pilot) -> Iterator[Scene]:
    with Bureau.create(folder / "bureau", name="某征信") as bureau:
        party = bureau.party
    (folder / "card.json").write_text(json.dumps(party.model_dump()))
    witnesses = [
        WitnessProcess(folder / f"w{number}", folder / "card.json", party.fingerprint, f"w{number}.example/witness")
        for number in range(3)
    ]
    for one in witnesses:
        one.start()
    settings = folder / "bureau" / "bureau.toml"
    asked = [f'[[witnesses]]\nkey = "{one.key}"\nurl = "http://127.0.0.1:{one.port}"\n' for one in witnesses]
    settings.write_text(settings.read_text() + "\n" + "\n".join(asked))
    with Bureau.open(folder / "bureau") as bureau:
        import_public(bureau, pilot.public)
        shelved = save_model(bureau.store, bureau.home, pilot.model, "main")
        publish_model(bureau.store, bureau.home, shelved.name, shelved.version)
        process = Process(folder / "bureau")
        process.start()
        service = Service(process, bureau, pilot)
        try:
            yield Scene(service, witnesses, folder)
        finally:
            service.close()
            process.stop()
            for one in witnesses:
                one.stop()


def test_a_run_ends_under_a_cosigned_ledger_and_an_auditor_checks_all_of_it(scene: Scene, tmp_path: Path) -> None:
    contract = scene.contract()
    facts = scene.score(contract)
    assert facts["fork_detection"].startswith("on: cosigned by ")
    assert len(facts["receipts"]) == 1 and len(facts["match_receipts"]) == 1
    manifest = scene.home.runs / facts["run"] / "manifest.json"
    vkeys = [word for one in scene.witnesses for word in ("--witness", str(one.key))]
    told = lab("audit", "receipt", manifest, "--card", scene.card, *vkeys)
    assert told["verified"] == 2 and len(told["cosigned"]) >= 2
    assert {one["kind"] for one in told["receipts"]} == {"match.answered", "score.answered"}
    lab("audit", "receipt", manifest, "--card", scene.card, *vkeys[:2], "--witness", _stranger(tmp_path), ok=False)

    head = tmp_path / "heads.json"
    lab("bank", "heads", "export", "--home", scene.home.folder, "--out", head)
    checkpoint = tmp_path / "checkpoint"
    seen = lab("audit", "checkpoint", "--service", scene.service.url, "--card", scene.card, "--out", checkpoint, *vkeys)
    assert len(seen["cosigned"]) >= 2
    compared = lab("audit", "compare", head, checkpoint, "--card", scene.card, "--service", scene.service.url)
    assert compared["one_ledger"] and len(compared["heads"]) == 3
    export = tmp_path / "export.jsonl"
    export.write_bytes(b"".join(scene.service.bureau.ledger.export(by="local")))
    verified = lab("audit", "verify", export, "--card", scene.card, "--checkpoint", checkpoint, *vkeys)
    assert verified["held"] == 1 and len(verified["cosigned"][0]["by"]) >= 2
    shown = lab("witness", "show", "--home", scene.witnesses[0].home)
    assert shown["logs"][0]["size"] > 0 and not shown["logs"][0]["refused"]


def _stranger(folder: Path) -> str:
    return lab("witness", "init", "--home", folder / "stranger", "--name", "w9.example/witness")["key"]


def test_matching_and_counting_end_under_a_cosigned_ledger_too(scene: Scene) -> None:
    contract, counting = scene.contract(), scene.contract(operations=(Operation.COUNT,))
    with scene.outlet() as outlet:
        request = MatchRequest(scene.portfolio(120), contract, scene.folder / "m.parquet")
        matched = match_portfolio(scene.home, scene.keys, outlet, request)
        counted = count_portfolio(scene.home, scene.keys, outlet, CountRequest(scene.portfolio(120), counting))
    for manifest, kind in ((matched, False), (counted, True)):
        assert manifest["matched"] == 120 and manifest["fork_detection"].startswith("on")
        (receipt,) = manifest["receipts"]
        told = receipt["entry"]["facts"]
        assert (told["counting"], told["identifiers"], receipt["entry"]["contract"]) == (
            kind,
            120 + MIN_CANARIES,
            manifest["contract"],
        )


def test_without_a_quorum_the_run_waits_stops_unfinished_and_goes_on(scene: Scene) -> None:
    """Two of three witnesses are away: the run stops, nothing is written, and the same command ends it later."""
    contract = scene.contract()
    away = scene.witnesses[1:]
    for one in away:
        one.stop(signal.SIGKILL)
    (scene.folder / "s.parquet").unlink(missing_ok=True)
    with pytest.raises(Unreachable, match="of the contract's 3 witnesses; 2 are wanted"):
        scene.score(contract, HASTE, rows=15)
    assert not (scene.folder / "s.parquet").exists() and len(unfinished_run_folders(scene.home.runs)) == 1
    token = {"authorization": f"Bearer {metrics_token(scene.service.bureau.home.folder)}"}

    def figures() -> str:
        return httpx.get(f"{scene.service.url}/metrics", headers=token, timeout=60, trust_env=False).text

    wait_until(lambda: 'shulab_cosignatures_total{outcome="failed"}' in figures())
    assert "shulab_uncosigned" in figures()
    for one in away:
        one.start()
    facts = scene.score(contract, rows=15)
    assert facts["resumed"] and facts["scored"] == 15 and (scene.folder / "s.parquet").exists()
    with scene.outlet() as outlet:
        assert outlet.allowance(contract)["scores"]["total"] == 15


def test_a_contract_without_witnesses_says_that_forks_are_not_found_out(scene: Scene) -> None:
    document = scene.service.draft()
    scene._agree(document.id)
    scene.service.approve(document.id)
    facts = scene.score(document.id, HASTE, rows=5)
    assert facts["fork_detection"] == "off: the contract names no witnesses" and facts["cosigned"] is None


def test_a_fingerprint_that_is_not_the_cards_is_not_trusted(scene: Scene, tmp_path: Path) -> None:
    lab("witness", "init", "--home", tmp_path / "w", "--name", "w.example")
    failed = lab("witness", "trust", scene.card, "--fingerprint", "0000-0000", "--home", tmp_path / "w", ok=False)
    assert failed["error"] == "not-authentic"
    assert lab("witness", "show", "--home", tmp_path / "w")["logs"] == []
