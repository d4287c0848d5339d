"""What is checked long after it was made: the ledger's heads, proofs and export, receipts, sealed secrets."""

from __future__ import annotations

import hmac
import json
from base64 import b64encode

from lab.terms.errors import InvalidInput, NotAuthentic
from lab.terms.keys.sealing import SealKey, open_sealed
from lab.terms.ledger.export import verify_export
from lab.terms.ledger.receipt import Receipt, verify_receipt
from lab.terms.ledger.tree import SignedTreeHead, verify_consistency, verify_inclusion
from lab.terms.witnessing.checkpoint import SignedCheckpoint
from lab.terms.witnessing.cosignature import read_cosignature
from lab.terms.witnessing.signed_note import SIGNATURE_COSIGNATURE, NoteKey
from tests.fuzz.target import Target, as_file, vectors

_BUREAU = vectors("receipt")["bureau"]
_TOKEN = SealKey.from_token(lambda message: hmac.digest(bytes(range(32, 64)), message, "sha256"))
_FILE = SealKey.from_file_bytes(bytes(range(40)))


def read_receipt(data: bytes) -> None:
    """A receipt in a header, as it stands or (then it begins as JSON does) to be put into base64 first; its proof."""
    header = b64encode(data) if data.startswith(b"{") else data
    receipt = Receipt.from_header(header.decode("latin-1"))
    assert Receipt.from_header(receipt.to_header()) == receipt
    verify_receipt(receipt, _BUREAU)


def receipts() -> list[bytes]:
    """The vectors' receipt in both forms."""
    found = vectors("receipt")
    return [json.dumps(found["receipt"], separators=(",", ":")).encode(), found["header"].encode()]


def read_proofs(data: bytes) -> None:
    """Lines: a head, a later head, a proof of inclusion and one of consistency."""
    first, second, inclusion, consistency = (data.split(b"\n") + [b""] * 4)[:4]
    old, new = SignedTreeHead.read(first), SignedTreeHead.read(second)
    old.to_json()
    for proof, check in ((inclusion, _include), (consistency, verify_consistency)):
        try:
            found = json.loads(proof)
        except (ValueError, RecursionError):
            continue
        try:
            check(old, new, found)
        except NotAuthentic:
            continue
    new.verify(_BUREAU)


def _include(old: SignedTreeHead, new: SignedTreeHead, proof: dict[str, object]) -> None:
    verify_inclusion(b"body", 3, new, proof)


def proofs() -> list[bytes]:
    """Heads of 3 and 7 entries with proofs between them."""
    found = vectors("ledger")
    heads = [head for head in found["heads"] if head["size"] in (3, 7)]
    inclusion = next(each for each in found["inclusion"] if each["metadata"] == found["inclusion"][-1]["metadata"])
    parts = [*heads, inclusion, found["consistency"][4]]
    return [b"\n".join(json.dumps(part).encode() for part in parts)]


def exports() -> list[bytes]:
    """The vectors' ledger as an export."""
    found = vectors("ledger")
    lines = [b'{"bureau":{"name":"B","public_key":"%b"},"schema":"shulab-ledger-export/1"}' % _BUREAU.encode()]
    for entry in found["entries"]:
        leaf, signature = entry["leaf"], entry["signature"]
        lines.append(f'{{"entry":{entry["body"]},"leaf":"{leaf}","signature":"{signature}"}}'.encode())
    heads = [json.dumps(head, separators=(",", ":"), sort_keys=True).encode() for head in found["heads"]]
    return [b"\n".join([*lines, *heads]) + b"\n", b"\n".join([*lines[:4], heads[1]]) + b"\n"]


def read_sealed(data: bytes) -> None:
    """A box is opened by its own key, or refused."""
    for key in (_TOKEN, _FILE):
        try:
            open_sealed(data, key, b"matching key 1")
        except NotAuthentic:
            continue


def read_checkpoint(data: bytes) -> None:
    """A checkpoint that is taken is written as it was read; its signatures are looked at."""
    signed = SignedCheckpoint.parse(data)
    assert str(signed).encode() == data
    assert signed.checkpoint.text == signed.note.text
    key = NoteKey.parse(vectors("checkpoint")["witness_key"], kind=SIGNATURE_COSIGNATURE)
    for line in signed.note.signatures:
        if line.claims_key(key):
            read_cosignature(key, line, signed.note.text)
    signed.verify(_BUREAU)


TARGETS = (
    Target(
        "checkpoint",
        read_checkpoint,
        (InvalidInput, NotAuthentic),
        lambda: [vectors("checkpoint")["note"].encode()],
    ),
    Target(
        "receipt",
        read_receipt,
        (InvalidInput, NotAuthentic),
        receipts,
    ),
    Target("proofs", read_proofs, (InvalidInput, NotAuthentic), proofs),
    Target(
        "ledger-export",
        as_file(lambda path: verify_export(path, _BUREAU)),
        (InvalidInput, NotAuthentic),
        exports,
        16_384,
    ),
    Target(
        "sealed",
        read_sealed,
        (InvalidInput,),
        lambda: [bytes.fromhex(each["sealed"]) for each in vectors("sealed")["boxes"]],
    ),
)
