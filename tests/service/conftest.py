"""A real service in a process of its own, over a real bureau, once on SQLite and once on PostgreSQL."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np
import polars as pl
import pytest
import sqlalchemy

from lab.bank.connection.client import BureauClient, JobDescription, RetryPolicy
from lab.bureau.bureau import Bureau
from lab.bureau.contracts import lifecycle
from lab.bureau.contracts.bank_signature import accept_bank_signature
from lab.bureau.contracts.draft_clauses import ContractOptions
from lab.bureau.contracts.drafting import ContractDraft, draft_contract, find_contract_models, save_draft
from lab.bureau.data.register import DriftPolicy, RegisterLayout, import_register
from lab.bureau.exchange.jobs import stop_jobs
from lab.bureau.model_registry.registry import publish_model, save_model
from lab.bureau.people.permissions import AccountHolder, Role
from lab.bureau.store.tables import LedgerEntryRow
from lab.terms.contract.document import Ceilings, ConsentClause, Contract, Operation, ResultDetail, signing_input
from lab.terms.errors import Busy
from lab.terms.keys.party import Party
from models.bureau.model import Model
from models.bureau.training.settings import TrainingSettings
from models.bureau.training.trainer import train_model
from models.shared.sheet import BankSheet
from protocols.matching.bank import DEFAULT_ENGINE
from protocols.scoring.bank import KeyHolder, generate_secret_key
from protocols.scoring.messages import frame_sha256
from protocols.scoring.parameters import DEFAULT_PARAMETERS, PARAMETERS
from tests.support import bank_matching
from tests.support.bureau_standin import Key

ROOT = Path(__file__).resolve().parents[2]
PARAMS = PARAMETERS[DEFAULT_PARAMETERS]
ROWS = 400
JOB = "job-1"
RECIPIENT = "信贷部"
AUTHOR, APPROVER, SECOND = (
    AccountHolder(name, department, frozenset({Role.OFFICER}))
    for name, department in (("lin", "数据部"), ("wang", "数据部"), ("zhao", "法务部"))
)
SERVE = """\
import sys
from pathlib import Path
from lab.process.garbage_collection import tune_garbage_collection
tune_garbage_collection()  # as the command does
from sandbox.app import serve
serve(Path(sys.argv[1]), "127.0.0.1", int(sys.argv[2]), Path(sys.argv[3]))
"""
"""The service without the command line around it: home, port, port file."""


BOTH_DATABASES = (
    *("ceiling", "parallel", "charged", "killed", "kills", "suspended"),
    *("hostile", "named_nul", "makes_the_service_fail"),
)
"""What runs on PostgreSQL each time, by words in its name; the others do so with `make soak`."""
ON_POSTGRESQL_ALONE = "survives_kills"
"""What takes a minute, and runs on SQLite with `make soak`."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave one of two databases to the long tests here; rooms are tested on both by themselves."""
    for item in items:
        name = item.name
        left = "sqlite" in name and ON_POSTGRESQL_ALONE in name
        left |= "postgresql" in name and not any(word in name for word in BOTH_DATABASES)
        if left and item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.soak)


@dataclass(frozen=True)
class Pilot:
    """A made-up town: who is in it, the bank's records of them, and a model of both."""

    public: pl.DataFrame
    bank: pl.DataFrame
    model: Model

    def codes(self) -> list[str]:
        return self.public["id"].to_list()


@pytest.fixture(scope="session")
def pilot() -> Pilot:
    random = np.random.default_rng(7)
    risk = random.normal(size=ROWS)
    texts = {
        "tax": risk + random.normal(size=ROWS),
        "staff": random.normal(size=ROWS),
        "debt": risk + random.normal(size=ROWS),
        "balance": random.normal(size=ROWS),
    }
    columns = {name: [f"{value:.3f}" for value in values] for name, values in texts.items()}
    ids = pl.Series("id", [f"firm-{row:04d}" for row in range(ROWS)])
    public = pl.DataFrame({name: columns[name] for name in ("tax", "staff")})
    bank = pl.DataFrame({name: columns[name] for name in ("debt", "balance")})
    label = (risk + random.normal(size=ROWS) > 0.7).astype(int)
    trained = train_model(public, bank, label, TrainingSettings(family="scorecard", name="credit", version=1))
    return Pilot(public.insert_column(0, ids), bank, trained.model)


class Process:
    """The service as its own process, which can be stopped and started again."""

    def __init__(self, home: Path, port_file: str = "port") -> None:
        self.home = home
        self._port_file = port_file
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    @property
    def id(self) -> int:
        """The process's id; 0 when it does not run."""
        return self._process.pid if self._process is not None else 0

    def send(self, number: signal.Signals) -> None:
        """A signal that it outlives."""
        if self._process is not None:
            self._process.send_signal(number)

    def start(self) -> None:
        port_file = self.home / self._port_file
        port_file.unlink(missing_ok=True)
        with (self.home / "logs" / "stderr").open("ab") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-c", SERVE, str(self.home), "0", str(port_file)],
                cwd=ROOT,
                stdout=stderr,
                stderr=stderr,
                env={**os.environ, "SHULAB_SERVICE_MATCH_BYTES": "2000000"},
            )
        while not port_file.exists():
            if self._process.poll() is not None:
                raise RuntimeError((self.home / "logs" / "stderr").read_text())
            sleep(0.02)
        self.url = f"http://127.0.0.1:{port_file.read_text().strip()}"

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self._process is None:
            return 0
        self._process.send_signal(number)
        code = self._process.wait(60)
        self._process = None
        return code


class Service:
    """The running service, its bureau (for what officers do), and a bank that may call it."""

    def __init__(self, process: Process, bureau: Bureau, pilot: Pilot) -> None:
        self.process = process
        self.bureau = bureau
        self.pilot = pilot
        self.key = Key()
        self.holder = KeyHolder(PARAMS, generate_secret_key(PARAMS))
        self.context = self.holder.public_context()
        self.context_name = frame_sha256(self.context)
        self._outlets: list[BureauClient] = []

    @property
    def url(self) -> str:
        return self.process.url

    @property
    def name(self) -> str:
        """The bank's name: one for each key, as a name is one bank's."""
        return f"某银行 {self.key.public_key_hex[:8]}"

    def outlet(self, key: Key | None = None, *, tries: int = 1) -> BureauClient:
        patience = RetryPolicy(connect_timeout=10, read_timeout=120, tries=tries, longest_wait=0.2)
        outlet = BureauClient(self.url, key or self.key, retry_policy=patience)
        self._outlets.append(outlet)
        return outlet

    def close(self) -> None:
        for outlet in self._outlets:
            outlet.close()

    def draft(
        self,
        *,
        now: datetime | None = None,
        detail: ResultDetail = ResultDetail.TOTAL,
        days: int = 30,
        consent: ConsentClause | None = None,
        retention_days: int = 365,
        engine: str = DEFAULT_ENGINE,
        operations: tuple[Operation, ...] = (),
        **limits: int,
    ) -> Contract:
        """A contract for this bank that was drafted and submitted, neither approved nor signed."""
        now = now or datetime.now(UTC)
        bank = Party(name=self.name, public_key=self.key.public_key_hex)
        choices = ContractOptions(
            detail=detail,
            operations=operations,
            engine=engine,
            term_days=days,
            recipients=(RECIPIENT, "风险部"),
            consent=consent or ConsentClause(),
            retention_days=retention_days,
            ceilings=Ceilings(**limits),
        )
        with self.bureau.store.begin() as session:
            works = find_contract_models(session, self.bureau.models, [("credit", None)])
            made = draft_contract(
                session,
                ContractDraft(self.bureau.party, bank, works, choices),
                now,
                author=AUTHOR,
                fingerprint=bank.fingerprint,
            )
            lifecycle.take_step(session, made.id, "submit", AUTHOR, now)
        return made

    def amend(self, contract: str, **changes: object) -> Contract:
        """The next version with these fields changed, submitted and approved; the bank has yet to sign it."""
        now = datetime.now(UTC)
        before = self.bureau.bank_contracts.find(contract)[0].contract
        amended = before.model_copy(update={"version": before.version + 1, **changes})
        with self.bureau.store.begin() as session:
            save_draft(session, amended, author=AUTHOR, above=self.bureau.home.settings.two_officers_above, now=now)
            lifecycle.take_step(session, contract, "submit", AUTHOR, now)
        self.approve(contract)
        return amended

    def approve(self, contract: str, now: datetime | None = None) -> None:
        """As many officers approve as it takes."""
        now = now or datetime.now(UTC)
        with self.bureau.store.begin() as session:
            lifecycle.take_step(session, contract, "review", APPROVER, now)
            needed = lifecycle.find_newest_version(session, contract).officers_needed
            for officer in (APPROVER, SECOND)[:needed]:
                lifecycle.take_step(session, contract, "approve", officer, now)

    def suspend(self, contract: str) -> int:
        """An officer suspends the contract; how many jobs that stopped."""
        with self.bureau.store.begin() as session:
            lifecycle.take_step(session, contract, "suspend", APPROVER, datetime.now(UTC), reason="test")
            return stop_jobs(session, contract, datetime.now(UTC), by=f"person:{APPROVER.name}")

    def resume(self, contract: str) -> None:
        """An officer resumes it."""
        with self.bureau.store.begin() as session:
            lifecycle.take_step(session, contract, "resume", APPROVER, datetime.now(UTC), reason="test")

    def revoke(self, contract: str) -> None:
        """An officer ends a contract that is approved or in force."""
        with self.bureau.store.begin() as session:
            lifecycle.take_step(session, contract, "revoke", APPROVER, datetime.now(UTC), reason="test")
            stop_jobs(session, contract, datetime.now(UTC), by=f"person:{APPROVER.name}")

    def sign(self, contract: Contract) -> str:
        return self.key.sign(signing_input(contract)).hex()

    def contract(self, *, job: bool = True, **choices: Any) -> str:
        """A contract in force: approved, and signed by the bank through the service; with an open job, if wanted."""
        document = self.draft(**choices)
        self.approve(document.id)
        self.outlet().sign_contract(document.id, self.sign(document))
        if job:
            self.open_job(document.id)
        return document.id

    def open_job(
        self, contract: str, job: str = JOB, *, rows: int = ROWS, recipient: str = RECIPIENT
    ) -> dict[str, Any]:
        """Open a job of credit@1 through the service."""
        return self.outlet().open_job(contract, job, JobDescription(recipient, "credit", 1, rows))

    def old_contract(self) -> str:
        """One whose term is over, though it was signed and approved in time."""
        then = datetime.now(UTC) - timedelta(days=10)
        document = self.draft(now=then, days=3)
        self.approve(document.id, then)
        with self.bureau.store.begin() as session:
            accept_bank_signature(session, document.id, self.sign(document), then)
        return document.id

    def tags(self, contract: str, codes: list[str], job: str = JOB) -> np.ndarray:
        """Match ``codes`` and return the tags of those in the register."""
        engine = self.bureau.bank_contracts.find(contract)[0].contract.engine
        return bank_matching.match(self.outlet(), contract, job, codes, engine).tags

    def answer(self, contract: str, request: bytes, job: str = JOB) -> bytes:
        """What the service answers to a matching request, once it has a place for it."""
        while True:
            try:
                return self.outlet().match(contract, job, request)[0]
            except Busy:
                sleep(0.05)

    def batch(self, contract: str, tags: np.ndarray, records: pl.DataFrame, job: str = JOB) -> bytes:
        """The encrypted batch of ``records``, whose context has been put."""
        outlet = self.outlet()
        outlet.put_context(contract, job, self.context_name, self.context)
        sheet = BankSheet.from_json(outlet.sheet(contract))
        return self.holder.encrypt(tags, sheet.compute_indicators(records), contract=contract)

    def ledger(self, contract: str) -> list[str]:
        with self.bureau.store.begin_read() as session:
            query = (
                sqlalchemy.select(LedgerEntryRow.kind)
                .where(LedgerEntryRow.contract_id == contract)
                .order_by(LedgerEntryRow.seq)
            )
            return list(session.scalars(query))


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, pilot: Pilot
) -> Iterator[Service]:
    database = "" if request.param == "sqlite" else _new_database(request.getfixturevalue("postgres_url"))
    with open_service(tmp_path_factory.mktemp("bureau"), pilot, database) as running:
        yield running


@contextmanager
def open_service(home: Path, pilot: Pilot, database: str = "") -> Iterator[Service]:
    """A running service over a new bureau, with the pilot's register and model."""
    with Bureau.create(home, name="某征信", database_url=database) as bureau:
        import_public(bureau, pilot.public)
        shelved = save_model(bureau.store, bureau.home, pilot.model, "main")
        publish_model(bureau.store, bureau.home, shelved.name, shelved.version)
        process = Process(home)
        process.start()
        running = Service(process, bureau, pilot)
        try:
            yield running
        finally:
            running.close()
            process.stop()


def import_public(bureau: Bureau, public: pl.DataFrame, *, accept: bool = False) -> None:
    """The next version of the register, which is compared with the one before it."""
    source = bureau.home.folder / "source.csv"
    public.write_csv(source)
    import_register(
        bureau.store, bureau.home, source, RegisterLayout("id", "opaque"), policy=DriftPolicy(accept=accept)
    )


def _new_database(first: str) -> str:
    url = sqlalchemy.make_url(first)
    name = f"t{secrets.token_hex(6)}"
    engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return url.set(database=name).render_as_string(hide_password=False)
