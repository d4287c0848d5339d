"""A bureau's consents over a register of made-up firms, with two banks, for tests of consent."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.consents import ConsentImport, ConsentingRows, ConsentService
from lab.bureau.data.register import RegisterLayout, Snapshot, SnapshotReader, find_snapshot, import_register
from lab.bureau.store import Database, migrate, open_database
from lab.bureau.store.tables import BankRow
from lab.simulation.synthetic.credit_codes import make_codes
from lab.terms.consent import Consent, format_consent_time
from lab.terms.contract.document import (
    Ceilings,
    ConsentClause,
    Contract,
    ContractItem,
    Operation,
    PinnedModel,
    Purpose,
    ResultDetail,
)
from lab.terms.keys.party import Party

START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
NAMES = ("code", "bank", "purpose", "starts", "expires", "evidence", "public_key", "signature")
BANKS = {"b-aaaaaaaaaaaa": "示例银行 First Bank", "b-bbbbbbbbbbbb": "Second Bank"}
FIRST, SECOND = BANKS


class Pseudonyms:
    """Names enterprises as the bureau's keys do before a rotation, under a key of this test."""

    def pseudonyms(self, codes: Sequence[str], keys: int = 1) -> list[str]:
        return [hmac.new(b"test", code.encode(), hashlib.sha256).hexdigest()[:32] for code in codes]


@dataclass
class Clock:
    """A clock that a test moves."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class Room:
    """The consents under test, with their register and clock."""

    consents: ConsentService
    store: Database
    home: BureauHome
    snapshots: SnapshotReader
    snapshot: Snapshot
    clock: Clock
    codes: list[str]
    folder: Path

    def line(self, code: str, **other: str) -> dict[str, str]:
        """A row of a consent file: for the first bank, one year from ``START``, with a reference to evidence."""
        return {
            "code": code,
            "bank": BANKS[FIRST],
            "purpose": "credit-approval",
            "starts": format_consent_time(START),
            "expires": format_consent_time(START + timedelta(days=365)),
            "evidence": "授权书 2026-0001",
        } | other

    def signed(self, key: Ed25519PrivateKey, code: str, **other: str) -> dict[str, str]:
        """A row that the enterprise signed."""
        line = self.line(code, evidence="") | other
        consent = Consent(
            code,
            line["bank"],
            Purpose(line["purpose"]),
            datetime.fromisoformat(line["starts"]),
            datetime.fromisoformat(line["expires"]),
        )
        public = key.public_key().public_bytes_raw().hex()
        return line | {"public_key": public, "signature": key.sign(consent.signing_input()).hex()}

    def file(self, lines: Sequence[dict[str, str]], name: str = "consents.csv") -> Path:
        """The rows as a file."""
        columns = {column: [line.get(column, "") for line in lines] for column in NAMES}
        path = self.folder / name
        pl.DataFrame(columns, schema=dict.fromkeys(NAMES, pl.String)).write_csv(path, quote_style="necessary")
        return path

    def take(self, lines: Sequence[dict[str, str]], **choices) -> ConsentImport:
        """Import the rows."""
        return self.consents.import_file(self.file(lines), by="person:steward", **choices)

    def admitted(self, contract: Contract | None = None, bank: str = FIRST) -> ConsentingRows | None:
        """The rows that may be used now."""
        with self.store.begin_read() as session:
            return self.consents.consenting_rows(
                session, self.snapshot, contract or make_contract(), bank, self.clock.now
            )

    def firms(self, contract: Contract | None = None, bank: str = FIRST) -> set[str]:
        """The codes that may be used now."""
        admitted = self.admitted(contract, bank)
        if admitted is None:
            raise ValueError("the contract does not require consent")
        return {self.codes[row] for row in admitted.rows.tolist()}


def make_contract(purpose: Purpose = Purpose.CREDIT_APPROVAL, *, required: bool = True) -> Contract:
    """A contract document; only its clause on consent matters."""
    return Contract(
        id="c-20260301-00000001",
        bureau=Party(name="bureau", public_key="11" * 32),
        bank=Party(name=BANKS[FIRST], public_key="22" * 32),
        purpose=purpose,
        recipients=("credit department",),
        items=(ContractItem(code="tax"),),
        operations=(Operation.MATCH, Operation.SCORE),
        detail=ResultDetail.TOTAL,
        models=(PinnedModel(name="credit", version=1, sheet_sha256="33" * 32),),
        id_kind="uscc",
        engine="openmined",
        parameters="bgv-8192-a",
        ceilings=Ceilings(),
        consent=ConsentClause(required=required, why="the enterprise is to decide"),
        starts=START - timedelta(days=1),
        expires=START + timedelta(days=3000),
    )


@contextmanager
def open_room(folder: Path, database_url: str, rows: int = 40) -> Iterator[Room]:
    """Consents over an empty database and a register of ``rows`` firms."""
    home = BureauHome.create(folder / "home", name="bureau")
    store = open_database(database_url or f"sqlite:///{folder / 'room.db'}")
    try:
        migrate(store.engine)
        key = Ed25519PrivateKey.generate()
        store.sign, store.bureau_key = key.sign, key.public_key().public_bytes_raw().hex()
        codes = sorted(make_codes(rows, seed=3))  # the register's order
        register = folder / "register.csv"
        pl.DataFrame({"id": codes, "tax": [str(row) for row in range(rows)]}).write_csv(register)
        import_register(store, home, register, RegisterLayout(id_column="id", id_kind="uscc"))
        with store.begin() as session:
            session.add_all(BankRow(id=bank, name=name, registered_at=START) for bank, name in BANKS.items())
            snapshot = find_snapshot(session, "main")
        snapshots, clock = SnapshotReader(home), Clock()
        consents = ConsentService(store, home, Pseudonyms(), snapshots, clock)
        yield Room(consents, store, home, snapshots, snapshot, clock, codes, folder)
    finally:
        store.close()
