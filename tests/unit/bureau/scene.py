"""What the bureau's tests play with: a clock, both parties' tables, a bank with real keys, and a whole bureau."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lab.bureau.contracts import cabinet
from lab.bureau.contracts.drafting import Choices, draft
from lab.bureau.office import Bureau
from lab.bureau.shelf import find_model
from lab.bureau.store.tables import EntryRow
from lab.terms.contract import Ceilings, Contract, Detail, Party, signing_input
from models.model import Model
from models.sheet import BankSheet
from protocols.matching.bank import Matched, Matcher
from protocols.scoring.bank import KeyHolder, generate_secret
from protocols.scoring.params import DEFAULT_PARAMETERS, PARAMETERS

PARAMS = PARAMETERS[DEFAULT_PARAMETERS]
START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


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


@dataclass
class Bank:
    """The bank of a test: its keys, and the moves that it makes."""

    signing: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    keys: KeyHolder = field(default_factory=lambda: KeyHolder(PARAMS, generate_secret(PARAMS)))

    @property
    def party(self) -> Party:
        """The bank as a party."""
        return Party(name="Test bank", public_key=self.signing.public_key().public_bytes_raw().hex())

    def sign(self, contract: Contract) -> str:
        """The bank's signature of a contract."""
        return self.signing.sign(signing_input(contract)).hex()

    def match(self, bureau: Bureau, contract: str, codes: list[str]) -> Matched:
        """Match ``codes``."""
        matcher = Matcher("openmined", codes)
        setup = bureau.matching_setup(contract, len(codes))
        return matcher.finish(setup, bureau.match(contract, matcher.request()), contract=contract)

    def put_context(self, bureau: Bureau, contract: str) -> str:
        """Send the public context; its hash."""
        frame = self.keys.public_context()
        sha256 = hashlib.sha256(frame).hexdigest()
        bureau.put_context(contract, sha256, frame)
        return sha256

    def batch(self, sheet: BankSheet, tags: np.ndarray, records: pl.DataFrame, contract: str) -> bytes:
        """An encrypted batch."""
        return self.keys.encrypt(tags, sheet.indicators(records), contract=contract)


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
        detail: Detail = Detail.FULL,
        ceilings: Ceilings | None = None,
        approved: bool = True,
        signed: bool = True,
    ) -> str:
        """A contract, signed by both unless told otherwise; its id."""
        choices = Choices(detail=detail, ceilings=ceilings or Ceilings(), days=30)
        with self.bureau.store.begin() as session:
            shelved = find_model(session, "credit", 1)
            made = draft(session, self.bureau.party, self.bank.party, shelved, self.model, choices, self.clock.now)
        if signed:
            self.bureau.accept_signature(made.id, self.bank.sign(made))
        if approved:
            with self.bureau.store.begin() as session:
                cabinet.approve(session, made.id, self.bureau.keys.sign, self.clock.now)
        return made.id

    def reopen(self) -> None:
        """Close the bureau and open it again, as a restart does."""
        self.bureau.close()
        self.bureau = Bureau.open(self.home, clock=self.clock)

    def ledger(self) -> list[str]:
        """The kinds of all ledger entries, in order."""
        with self.bureau.store.read() as session:
            return [row.kind for row in session.query(EntryRow).order_by(EntryRow.seq)]

    def later(self, days: int) -> None:
        """Move the clock."""
        self.clock.now += timedelta(days=days)
