"""Actors for the bureau's tests: a clock, both parties' tables, a bank with real keys, and a whole bureau."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lab.bureau.bureau import Bureau
from lab.bureau.contracts import lifecycle
from lab.bureau.contracts.draft_clauses import ContractOptions
from lab.bureau.contracts.drafting import ContractDraft, draft_contract, find_contract_models, save_draft
from lab.bureau.exchange import ContractJob, JobParameters
from lab.bureau.exchange.jobs import stop_jobs
from lab.bureau.people.permissions import AccountHolder, Role
from lab.bureau.store.tables import LedgerEntryRow
from lab.terms.contract.document import Ceilings, ConsentClause, Contract, ResultDetail, signing_input
from lab.terms.keys.party import Party
from models.bureau.model import Model
from models.shared.sheet import BankSheet
from protocols.scoring.bank import KeyHolder, generate_secret_key
from protocols.scoring.parameters import DEFAULT_PARAMETERS, PARAMETERS
from tests.support.bank_matching import Matched, match

PARAMS = PARAMETERS[DEFAULT_PARAMETERS]
START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
RECIPIENT = "Credit department"
AUTHOR, APPROVER, SECOND = (
    AccountHolder(name, department, frozenset({Role.OFFICER}))
    for name, department in (("lin", "Data"), ("wang", "Data"), ("zhao", "Legal"))
)
"""Officers: one drafts, the others approve; two departments."""


@dataclass
class Clock:
    """A clock that a test moves."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True)
class Tables:
    """Both parties' records of the same enterprises, as text, and the label."""

    codes: list[str]
    public: pl.DataFrame
    bank: pl.DataFrame
    label: np.ndarray

    def register_csv(self, path: Path) -> Path:
        """The register as a file."""
        self.public.select(pl.Series("id", self.codes), pl.all()).write_csv(path)
        return path


@cache
def key_holder() -> KeyHolder:
    """The decryption key of every scene's bank: shared, because making its keys and their proof takes a while."""
    return KeyHolder(PARAMS, generate_secret_key(PARAMS))


@dataclass
class Bank:
    """The bank of a test: its keys, and its part in each step."""

    signing: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    keys: KeyHolder = field(default_factory=key_holder)

    @property
    def party(self) -> Party:
        """The bank as a party."""
        return Party(name="Test bank", public_key=self.signing.public_key().public_bytes_raw().hex())

    @property
    def told(self) -> str:
        """The fingerprint that the bank reads out."""
        return self.party.fingerprint

    def sign(self, contract: Contract) -> str:
        """The bank's signature of a contract."""
        return self.signing.sign(signing_input(contract)).hex()

    def open_job(self, bureau: Bureau, contract: str, job: str = "job-1", *, rows: int = 1000) -> ContractJob:
        """Open a job of credit@1."""
        return bureau.jobs.open(contract, job, JobParameters(RECIPIENT, "credit", 1, rows))

    def match(self, bureau: Bureau, contract: str, codes: list[str], job: str = "job-1") -> Matched:
        """Match ``codes`` in a job, which is opened if it is not."""
        self.open_job(bureau, contract, job)
        return match(bureau, contract, job, codes, bureau.bank_contracts.find(contract)[0].contract.engine)

    def put_context(self, bureau: Bureau, contract: str, job: str = "job-1") -> str:
        """Send the public context; returns its hash."""
        frame = self.keys.public_context()
        sha256 = hashlib.sha256(frame).hexdigest()
        bureau.contexts.put(contract, job, sha256, frame)
        return sha256

    def batch(self, sheet: BankSheet, tags: np.ndarray, records: pl.DataFrame, contract: str) -> bytes:
        """An encrypted batch."""
        return self.keys.encrypt(tags, sheet.compute_indicators(records), contract=contract)


@dataclass
class Scene:
    """A bureau with a register, a published model, and a way to make contracts with its bank."""

    bureau: Bureau
    home: Path
    bank: Bank
    clock: Clock
    tables: Tables
    model: Model

    def contract(
        self,
        *,
        detail: ResultDetail = ResultDetail.FULL,
        ceilings: Ceilings | None = None,
        consent: ConsentClause | None = None,
        approved: bool = True,
        signed: bool = True,
    ) -> str:
        """Draft a contract, signed by both unless the arguments say otherwise; returns its id."""
        choices = ContractOptions(
            detail=detail,
            ceilings=ceilings or Ceilings(),
            term_days=30,
            recipients=(RECIPIENT, "Risk department"),
            consent=consent or ConsentClause(),
        )
        now = self.clock.now
        with self.bureau.store.begin() as session:
            works = find_contract_models(session, self.bureau.models, [("credit", 1)])
            bureau, bank = self.bureau.party, self.bank.party
            made = draft_contract(
                session, ContractDraft(bureau, bank, works, choices), now, author=AUTHOR, fingerprint=self.bank.told
            )
        self.file(made, approved=approved, signed=signed)
        return made.id

    def file(self, document: Contract, *, approved: bool = True, signed: bool = True) -> None:
        """Submit a drafted version; the bank signs it if ``signed``, and officers approve it if ``approved``."""
        now = self.clock.now
        with self.bureau.store.begin() as session:
            lifecycle.take_step(session, document.id, "submit", AUTHOR, now)
        if signed:
            self.bureau.bank_contracts.accept_signature(document.id, self.bank.sign(document))
        if approved:
            self.approve(document.id)

    def approve(self, contract: str) -> None:
        """Approve a contract with as many officers as it needs."""
        now = self.clock.now
        with self.bureau.store.begin() as session:
            lifecycle.take_step(session, contract, "review", APPROVER, now)
            needed = lifecycle.find_newest_version(session, contract).officers_needed
            for officer in (APPROVER, SECOND)[:needed]:
                lifecycle.take_step(session, contract, "approve", officer, now)

    def amend(self, contract: str, *, file: bool = True, **changes: object) -> Contract:
        """The next version of a contract with these fields changed; submitted, signed and approved if ``file``."""
        now = self.clock.now
        before = self.document(contract)
        amended = before.model_copy(update={"version": before.version + 1, **changes})
        with self.bureau.store.begin() as session:
            save_draft(session, amended, author=AUTHOR, above=self.bureau.home.settings.two_officers_above, now=now)
        if file:
            self.file(amended)
        return amended

    def document(self, contract: str) -> Contract:
        """The document of the version in force, or the newest."""
        return self.bureau.bank_contracts.find(contract)[0].contract

    def suspend(self, contract: str) -> None:
        """An officer suspends the contract, which stops its jobs."""
        with self.bureau.store.begin() as session:
            lifecycle.take_step(session, contract, "suspend", APPROVER, self.clock.now, reason="test")
            stop_jobs(session, contract, self.clock.now, by=f"person:{APPROVER.name}")

    def resume(self, contract: str) -> None:
        """An officer resumes it."""
        with self.bureau.store.begin() as session:
            lifecycle.take_step(session, contract, "resume", APPROVER, self.clock.now, reason="test")

    def revoke(self, contract: str) -> None:
        """An officer ends the contract, which stops its jobs."""
        with self.bureau.store.begin() as session:
            lifecycle.take_step(session, contract, "revoke", APPROVER, self.clock.now, reason="test")
            stop_jobs(session, contract, self.clock.now, by=f"person:{APPROVER.name}")

    def reopen(self) -> None:
        """Close the bureau and open it again, as a restart does."""
        self.bureau.close()
        self.bureau = Bureau.open(self.home, clock=self.clock)

    def size(self) -> int:
        """How many entries the ledger has."""
        return len(self.ledger())

    def ledger(self) -> list[str]:
        """The kinds of all ledger entries, in order."""
        with self.bureau.store.begin_read() as session:
            return [row.kind for row in session.query(LedgerEntryRow).order_by(LedgerEntryRow.seq)]

    def later(self, days: int = 0, hours: float = 0) -> None:
        """Move the clock."""
        self.clock.now += timedelta(days=days, hours=hours)
