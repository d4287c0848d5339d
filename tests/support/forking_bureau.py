"""Actors for attacks on the ledger: a bureau with several ledgers, banks with real folders, and real witnesses."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lab.bank.connection.client import RetryPolicy
from lab.bank.contract.checkpoint_wait import await_cosigned_checkpoint
from lab.bank.contract.ledger_witness import BatchExchange, LedgerWitness
from lab.bank.home import BankHome
from lab.terms.contract.document import Contract
from lab.terms.errors import NotFound
from lab.terms.keys.party import Party
from lab.terms.ledger.receipt import SCHEMA
from lab.terms.ledger.tree import Fact, MerkleTree, Proof, SignedTreeHead, encode_entry, hash_leaf, head_signing_input
from lab.terms.witnessing.checkpoint import SignedCheckpoint, sign_checkpoint
from lab.terms.witnessing.consistency_proof import AddCheckpointRequest, build_consistency_proof
from lab.terms.witnessing.cosignature_evidence import CosignatureEvidence
from lab.terms.witnessing.quorum import WitnessQuorum
from lab.terms.witnessing.signed_note import NoteSignature
from lab.witness.cosigning import CheckpointCosigner, WitnessResponse
from lab.witness.home import WitnessHome
from tests.support.contract_papers import contract

BATCH, REPLY = b"batch", b"reply"


@dataclass
class Ledger:
    """One ledger of a bureau, and what its service would respond; ``fork`` makes another under the same key."""

    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    bodies: list[bytes] = field(default_factory=list)
    lines: dict[int, list[NoteSignature]] = field(default_factory=dict)
    retry_policy: RetryPolicy = field(default_factory=lambda: RetryPolicy(cosigning_timeout=0.2))

    def fork(self) -> Ledger:
        return Ledger(self.key, list(self.bodies))

    @property
    def public(self) -> str:
        return self.key.public_key().public_bytes_raw().hex()

    @property
    def bureau(self) -> Party:
        return Party(name="某数据局", public_key=self.public)

    @property
    def tree(self) -> MerkleTree:
        tree = MerkleTree()
        tree.extend(map(hash_leaf, self.bodies))
        return tree

    def answer(self, bank: str, job: str) -> dict[str, Any]:
        """Record a bank's batch in this ledger; returns the receipt."""
        facts: dict[str, Fact] = {
            "job": job,
            "batch_sha256": hashlib.sha256(BATCH).hexdigest(),
            "reply_sha256": hashlib.sha256(REPLY).hexdigest(),
            "rows": 5,
            "scored": 5,
            "register": "main",
            "register_version": 1,
            "model": "credit",
            "model_version": 1,
        }
        seq, now = len(self.bodies) + 1, datetime.now(UTC)
        self.bodies.append(encode_entry(seq, now, "score.answered", "c-test-1", facts, f"bank:{bank}"))
        proof = self.tree.prove_inclusion(seq, seq).serialize()
        head = self.head().as_dict()
        return {"schema": SCHEMA, "entry": json.loads(self.bodies[-1]), "inclusion": proof, "head": head}

    def head(self) -> SignedTreeHead:
        size, root, now = len(self.bodies), self.tree.get_root(len(self.bodies)).hex(), datetime.now(UTC)
        return SignedTreeHead(
            size=size, root=root, time=now, signature=self.key.sign(head_signing_input(size, root, now)).hex()
        )

    def checkpoint(self, size: int = 0) -> SignedCheckpoint:
        size = size or len(self.bodies)
        return sign_checkpoint(self.public, self.key.sign, size, self.tree.get_root(size).hex())

    def offer(self, witness: CheckpointCosigner, old: int) -> WitnessResponse:
        """Have a witness that has cosigned ``old`` entries cosign the present size; keeps its signature line."""
        proof = build_consistency_proof(self.tree.range_root, old, len(self.bodies)) if old <= len(self.bodies) else ()
        answer = witness.add_checkpoint(AddCheckpointRequest(old, proof, self.checkpoint()).to_bytes())
        if answer.status == 200:
            self.lines.setdefault(len(self.bodies), []).append(NoteSignature.parse(answer.body.removesuffix("\n")))
        return answer

    def offer_anyhow(self, witness: CheckpointCosigner) -> WitnessResponse:
        """As ``offer``, from the size that the witness states."""
        answer = self.offer(witness, 0)
        return self.offer(witness, int(answer.body)) if answer.status == 409 else answer

    def ledger_checkpoint(self, covering: int, witnesses: Sequence[str]) -> bytes:
        sizes = [size for size in self.lines if size >= covering]
        if not sizes:
            return str(self.checkpoint()).encode()
        best = max(sizes, key=lambda size: len(self.lines[size]))
        return str(self.checkpoint(best).with_signatures(tuple(self.lines[best]))).encode()

    def ledger_consistency(self, first: int, second: int) -> Proof:
        if not first <= second <= len(self.bodies):
            raise NotFound("no such ledger")
        proof: Proof = self.tree.prove_consistency(first, second).serialize()
        return proof


@dataclass
class Bank:
    """A bank that was shown one ledger."""

    home: BankHome
    ledger: Ledger
    terms: WitnessQuorum | None
    receipts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def contract(self) -> Contract:
        return contract(bureau=self.ledger.bureau.model_dump(), witnesses=self.terms)

    @property
    def witness(self) -> LedgerWitness:
        return LedgerWitness(self.home, self.ledger.bureau, self.ledger.ledger_consistency)

    def take(self, receipt: dict[str, Any], job: str = "job") -> None:
        """Check a receipt as a job does."""
        self.witness.check_receipt(
            receipt, BatchExchange("c-test-1", job, "credit@1", 5, hashlib.sha256(BATCH).hexdigest(), REPLY)
        )
        self.receipts.append(receipt)

    def finish(self) -> CosignatureEvidence | None:
        """The last step of a job, before its results are written."""
        return await_cosigned_checkpoint(self.ledger, self.contract, self.receipts, self.witness)


def make_bank(folder: Path, name: str, ledger: Ledger, terms: WitnessQuorum | None = None) -> Bank:
    home, _ = BankHome.create(folder / name, name=name, key_file=folder / f"{name}.key")
    home.pin(ledger.bureau, "https://bureau.example")
    return Bank(home, ledger, terms)


def make_witnesses(folder: Path, *ledgers: Ledger, count: int = 3) -> list[CheckpointCosigner]:
    """Witnesses that watch these ledgers' bureaus."""
    found = []
    for number in range(count):
        home = WitnessHome.create(folder / f"w{number}", name=f"w{number}.example")
        for public in {ledger.public for ledger in ledgers}:
            home.watch_bureau(Party(name=f"bureau {public[:8]}", public_key=public))
        found.append(CheckpointCosigner(home, home.open_key()))
    return found


def named(folder: Path, *, quorum: int = 2, count: int = 3) -> WitnessQuorum:
    """The witnesses of ``make_witnesses`` as a contract names them."""
    homes = [WitnessHome.open(folder / f"w{number}") for number in range(count)]
    return WitnessQuorum(quorum=quorum, parties=tuple(Party(name=one.name, public_key=one.public_key) for one in homes))
