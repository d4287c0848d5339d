"""The bank as a witness: receipts that are not about this exchange, forks, rollbacks, and heads that overtake."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lab.bank.contract.ledger_witness import BatchExchange, LedgerWitness
from lab.bank.home import BankHome
from lab.terms.errors import InvalidInput, NotAuthentic, NotFound, Unreachable
from lab.terms.keys.party import Party
from lab.terms.ledger.receipt import SCHEMA
from lab.terms.ledger.tree import MerkleTree, Proof, SignedTreeHead, encode_entry, hash_leaf, head_signing_input

KEY = Ed25519PrivateKey.generate()
BUREAU = Party(name="某数据局", public_key=KEY.public_key().public_bytes_raw().hex())
NOW = datetime(2026, 3, 1, tzinfo=UTC)
EXCHANGE = BatchExchange("c-0001", "job-1", "credit@3", 5, hashlib.sha256(b"batch").hexdigest(), b"reply")


class Ledger:
    """A bureau's ledger, which this test may rewrite."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.asked: list[tuple[int, int]] = []

    def add(self, salt: str = "", **changes: Any) -> int:
        facts: dict[str, Any] = {
            "job": "job-1",
            "batch_sha256": hashlib.sha256(b"batch").hexdigest(),
            "reply_sha256": hashlib.sha256(b"reply").hexdigest(),
            "rows": 5,
            "scored": 5,
            "register": "main",
            "register_version": 1,
            "model": "credit",
            "model_version": 3,
            "salt": salt,
        }
        contract = changes.pop("contract", "c-0001")
        seq = len(self.bodies) + 1
        self.bodies.append(encode_entry(seq, NOW, "score.answered", contract, facts | changes, "bank:b-0123456789ab"))
        return seq

    @property
    def tree(self) -> MerkleTree:
        tree = MerkleTree()
        tree.extend(map(hash_leaf, self.bodies))
        return tree

    def head(self, size: int | None = None, key: Ed25519PrivateKey = KEY) -> SignedTreeHead:
        size = len(self.bodies) if size is None else size
        root = self.tree.get_root(size).hex()
        return SignedTreeHead(
            size=size, root=root, time=NOW, signature=key.sign(head_signing_input(size, root, NOW)).hex()
        )

    def receipt(self, seq: int, key: Ed25519PrivateKey = KEY) -> dict[str, Any]:
        head = self.head(key=key)
        proof = self.tree.prove_inclusion(seq, head.size).serialize()
        return {
            "schema": SCHEMA,
            "entry": json.loads(self.bodies[seq - 1]),
            "inclusion": proof,
            "head": head.as_dict(),
        }

    def prove(self, first: int, second: int) -> Proof:
        self.asked.append((first, second))
        if second > len(self.bodies):
            raise NotFound(f"The ledger has {len(self.bodies)} entries.")
        proof: Proof = self.tree.prove_consistency(first, second).serialize()
        return proof


@pytest.fixture
def home(tmp_path: Path) -> BankHome:
    made, _ = BankHome.create(tmp_path / "bank", name="某银行", key_file=tmp_path / "seal.key")
    return made


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def witness(home: BankHome, ledger: Ledger) -> LedgerWitness:
    return LedgerWitness(home, BUREAU, ledger.prove)


def test_receipts_are_checked_and_the_newest_head_kept(witness: LedgerWitness, ledger: Ledger, home: BankHome) -> None:
    for number in range(1, 6):
        assert witness.check_receipt(ledger.receipt(ledger.add()), EXCHANGE).entry_number == number
        assert witness.stored_head() == ledger.head()
    assert ledger.asked == [(1, 2), (2, 3), (3, 4), (4, 5)]
    file = home.folder / "bureaus" / f"{BUREAU.fingerprint}.head"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert home.pins() == ()  # a head is no pin


def test_a_receipt_of_a_batch_with_dropped_rows_says_how_many_were_scored(
    witness: LedgerWitness, ledger: Ledger
) -> None:
    some = replace(EXCHANGE, scored=4)
    witness.check_receipt(ledger.receipt(ledger.add(scored=4)), some)
    with pytest.raises(NotAuthentic, match="job's scored"):
        witness.check_receipt(ledger.receipt(ledger.add()), some)


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ("contract", {"contract": "c-0002"}),
        ("job", {"job": "job-2"}),
        ("model", {"model": "other"}),
        ("model", {"model_version": 4}),
        ("rows", {"rows": 6}),
        ("scored", {"scored": 4}),
        ("batch", {"batch_sha256": "00" * 32}),
        ("reply", {"reply_sha256": "00" * 32}),
    ],
)
def test_a_receipt_about_something_else_is_refused(
    witness: LedgerWitness, ledger: Ledger, what: str, changes: dict[str, Any]
) -> None:
    with pytest.raises(NotAuthentic, match=f"job's {what}"):
        witness.check_receipt(ledger.receipt(ledger.add(**changes)), EXCHANGE)
    assert witness.stored_head() is None


def test_a_receipt_must_be_the_bureaus_and_proven(witness: LedgerWitness, ledger: Ledger) -> None:
    seq = ledger.add()
    with pytest.raises(NotAuthentic, match="signature"):
        witness.check_receipt(ledger.receipt(seq, Ed25519PrivateKey.generate()), EXCHANGE)
    receipt = ledger.receipt(seq)
    receipt["entry"]["facts"]["salt"] = "other"
    with pytest.raises(NotAuthentic, match="does not show"):
        witness.check_receipt(receipt, EXCHANGE)
    with pytest.raises(InvalidInput):
        witness.check_receipt({"entry": 7}, EXCHANGE)
    with pytest.raises(NotAuthentic):
        witness.check_receipt(ledger.receipt(seq), replace(EXCHANGE, reply=b"another"))


def rewrite(ledger: Ledger) -> None:
    ledger.bodies[1] = ledger.bodies[1].replace(b'"salt":""', b'"salt":"x"')


def roll_back(ledger: Ledger) -> None:
    del ledger.bodies[3:]


def roll_back_and_grow(ledger: Ledger) -> None:
    del ledger.bodies[3:]
    for _ in range(8):
        ledger.add("again")


@pytest.mark.parametrize("harm", [rewrite, roll_back, roll_back_and_grow])
def test_a_rewritten_ledger_is_noticed(
    witness: LedgerWitness, ledger: Ledger, home: BankHome, harm: Callable[[Ledger], None]
) -> None:
    for _ in range(6):
        witness.check_receipt(ledger.receipt(ledger.add()), EXCHANGE)
    kept = witness.stored_head()
    harm(ledger)
    seq = ledger.add("new") if harm is not roll_back else 2
    with pytest.raises(NotAuthentic, match="rewritten"):
        witness.check_receipt(ledger.receipt(seq), EXCHANGE)
    assert witness.stored_head() == kept  # nothing newer is believed
    evidence = home.folder / "bureaus" / f"{BUREAU.fingerprint}.contradiction"
    SignedTreeHead.read(evidence.read_bytes()).verify(BUREAU.public_key)
    with pytest.raises(NotAuthentic, match="rewritten"):  # and it stays so
        LedgerWitness(home, BUREAU, ledger.prove).check_receipt(ledger.receipt(seq), EXCHANGE)


def test_another_history_of_the_same_size_is_noticed(witness: LedgerWitness, ledger: Ledger) -> None:
    for _ in range(4):
        ledger.add()
    witness.advance_head(ledger.head())
    rewrite(ledger)
    with pytest.raises(NotAuthentic, match="rewritten"):
        witness.advance_head(ledger.head())


def test_answers_may_overtake_each_other(witness: LedgerWitness, ledger: Ledger) -> None:
    first = ledger.receipt(ledger.add())
    second = ledger.receipt(ledger.add())
    witness.check_receipt(second, EXCHANGE)
    newest = witness.stored_head()
    witness.check_receipt(first, EXCHANGE)
    assert witness.stored_head() == newest and ledger.asked == [(1, 2)]
    witness.check_receipt(second, EXCHANGE)  # the same again needs no proof
    assert ledger.asked == [(1, 2)]


def test_a_bureau_that_is_away_is_not_accused(home: BankHome, ledger: Ledger) -> None:
    def away(first: int, second: int) -> Proof:
        raise Unreachable("No answer.")

    witness = LedgerWitness(home, BUREAU, away)
    witness.check_receipt(ledger.receipt(ledger.add()), EXCHANGE)
    with pytest.raises(Unreachable):
        witness.check_receipt(ledger.receipt(ledger.add()), EXCHANGE)
    kept = witness.stored_head()
    assert kept is not None and kept.size == 1


def test_a_damaged_head_is_not_passed_over(witness: LedgerWitness, ledger: Ledger, home: BankHome) -> None:
    witness.check_receipt(ledger.receipt(ledger.add()), EXCHANGE)
    file = home.folder / "bureaus" / f"{BUREAU.fingerprint}.head"
    file.write_bytes(ledger.head(key=Ed25519PrivateKey.generate()).to_json())
    with pytest.raises(InvalidInput, match="tree head"):
        witness.check_receipt(ledger.receipt(ledger.add()), EXCHANGE)
