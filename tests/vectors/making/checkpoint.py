"""Vectors of what witnesses see: a checkpoint of the ledger of the vectors, signed and cosigned."""

from __future__ import annotations

from typing import Any

from lab.terms.witnessing.checkpoint import ledger_origin, sign_checkpoint
from lab.terms.witnessing.cosignature import cosign
from lab.terms.witnessing.signed_note import SIGNATURE_COSIGNATURE, NoteKey
from tests.vectors.making import ledger
from tests.vectors.making.keys import BUREAU, NEXT, NEXT_SECRET
from tests.vectors.making.papers import START

WITNESS = "witness.example/vectors"


def checkpoint() -> dict[str, Any]:
    """The checkpoint over seven entries with the cosignature of a witness, whose key is the bank's next one."""
    head = ledger.tree()["heads"][-1]
    signed = sign_checkpoint(BUREAU.public_key_hex, BUREAU.sign, head["size"], head["root"])
    key = NoteKey(WITNESS, NEXT.public_key_hex, SIGNATURE_COSIGNATURE)
    whole = signed.with_signatures((cosign(key, NEXT.sign, signed.checkpoint.text, START),))
    return {
        "bureau": BUREAU.public_key_hex,
        "origin": ledger_origin(BUREAU.public_key_hex),
        "size": head["size"],
        "root": head["root"],
        "witness": WITNESS,
        "witness_secret": NEXT_SECRET.hex(),
        "witness_key": str(key),
        "time": int(START.timestamp()),
        "note": str(whole),
    }
