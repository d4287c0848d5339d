"""Vectors of the ledger: entries, heads, proofs, and a receipt."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from lab.terms.ledger.receipt import Receipt, verify_receipt
from lab.terms.ledger.tree import (
    Fact,
    MerkleTree,
    SignedTreeHead,
    encode_entry,
    entry_signing_input,
    format_ledger_time,
    hash_leaf,
    head_signing_input,
)
from tests.vectors.making.keys import BUREAU, BUREAU_SECRET
from tests.vectors.making.papers import START

SIZES = (1, 3, 4, 7)
FACTS: dict[str, Fact] = {
    "job": "j-0123456789abcdef",
    "batch_sha256": "ab" * 32,
    "reply_sha256": "cd" * 32,
    "rows": 5,
    "scored": 5,
    "register": "companies",
    "register_version": 3,
    "model": "credit",
    "model_version": 1,
}


def tree() -> dict[str, Any]:
    """Seven entries, the heads over some of them, and proofs between those heads."""
    bodies = [_body(seq) for seq in range(1, 8)]
    leaves = MerkleTree()
    leaves.extend(map(hash_leaf, bodies))
    return {
        "bureau_secret": BUREAU_SECRET.hex(),
        "entries": [
            {
                "body": body.decode(),
                "leaf": hash_leaf(body).hex(),
                "signature": BUREAU.sign(entry_signing_input(body)).hex(),
            }
            for body in bodies
        ],
        "heads": [_head(leaves, size).as_dict() for size in SIZES],
        "inclusion": [leaves.prove_inclusion(index, size).serialize() for size in SIZES for index in (1, size)],
        "consistency": [leaves.prove_consistency(old, new).serialize() for old in SIZES for new in SIZES if old < new],
    }


def receipt() -> dict[str, Any]:
    """The receipt of an answered batch, as JSON and as its header has it."""
    bodies = [_body(seq) for seq in range(1, 8)]
    leaves = MerkleTree()
    leaves.extend(map(hash_leaf, bodies))
    entry = {"schema": "shulab-entry/2", "seq": 5, "time": format_ledger_time(START + timedelta(seconds=5))}
    entry |= {"kind": "score.answered", "contract": "c-vectors", "by": "bank", "facts": FACTS}
    made = Receipt(entry, leaves.prove_inclusion(5, 7).serialize(), _head(leaves, 7))
    verify_receipt(made, BUREAU.public_key_hex)
    return {"bureau": BUREAU.public_key_hex, "receipt": made.as_dict(), "header": made.to_header()}


def _body(seq: int) -> bytes:
    kind, facts = ("score.answered", FACTS) if seq == 5 else ("contract.signed", {"names": ["一", "b"], "none": None})
    return encode_entry(seq, START + timedelta(seconds=seq), kind, "c-vectors", facts, "bank")


def _head(leaves: MerkleTree, size: int) -> SignedTreeHead:
    root = leaves.get_root(size).hex()
    signature = BUREAU.sign(head_signing_input(size, root, START)).hex()
    return SignedTreeHead(size=size, root=root, time=START, signature=signature)
