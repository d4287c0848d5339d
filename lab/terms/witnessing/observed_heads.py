"""Tree heads and checkpoints that parties exchange by file: what each party was shown of a bureau's ledger.

Two heads of one size with different roots, both signed by the bureau, prove to anybody that it keeps two ledgers. Two
heads of different sizes are of one ledger only if the bureau can prove that the later one continues the earlier one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from lab.terms.errors import InvalidInput, NotAuthentic, NotFound
from lab.terms.keys.party import Party
from lab.terms.ledger.tree import Proof, SignedTreeHead, VerifiableTreeHead, verify_consistency
from lab.terms.witnessing.checkpoint import SignedCheckpoint

SCHEMA = "shulab-heads/1"
MAX_HEADS_BYTES = 4 * 1024 * 1024
_NOTE = "shulab/ledger/"


@dataclass(frozen=True, slots=True)
class ObservedHead:
    """A head that somebody was shown, and its source: the name of a file."""

    source: str
    head: VerifiableTreeHead


def write_heads(by: str, heads: Sequence[tuple[Party, SignedTreeHead, str | None]]) -> bytes:
    """A file of heads: its author, and for each bureau the newest head and the last cosigned checkpoint, if any."""
    listed = [
        {"bureau": bureau.model_dump(), "head": head.as_dict(), "checkpoint": checkpoint}
        for bureau, head, checkpoint in heads
    ]
    return json.dumps({"schema": SCHEMA, "by": by, "heads": listed}, ensure_ascii=False, indent=1).encode() + b"\n"


def read_heads(content: bytes, name: str, bureau_key: str) -> list[ObservedHead]:
    """The heads of this bureau (its key, hexadecimal) in a file called ``name``: a file of ``write_heads``, a head, a
    receipt, a run's manifest, or a checkpoint.

    Raises ``InvalidInput``, or ``NotAuthentic`` for a head that the bureau did not sign.
    """
    if len(content) > MAX_HEADS_BYTES:
        raise InvalidInput(
            f"Expected heads in {name}; it is too large.", next_step="give a file of `lab bank heads export`"
        )
    found = (
        [SignedCheckpoint.parse(content)]
        if content.startswith(_NOTE.encode())
        else _read_json(content, name, bureau_key)
    )
    for head in found:
        head.verify(bureau_key)
    return [ObservedHead(name, head) for head in found]


def _read_json(content: bytes, name: str, bureau_key: str) -> list[VerifiableTreeHead]:
    try:
        document = json.loads(content)
        if not isinstance(document, dict):
            raise ValueError
        return _read_heads_file(document, name, bureau_key) if document.get("schema") == SCHEMA else _read_run(document)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InvalidInput(
            f"Expected tree heads in {name}; found something else.",
            next_step="give files of `lab bank heads export`, heads of `lab audit head --out`, receipts or checkpoints",
        ) from None


def _read_heads_file(document: Mapping[str, Any], name: str, bureau_key: str) -> list[VerifiableTreeHead]:
    """The heads of this bureau in a file of ``write_heads``."""
    listed = [one for one in document["heads"] if one["bureau"]["public_key"] == bureau_key]
    if not listed:
        raise InvalidInput(
            f"Expected heads of the bureau whose key was given in {name}; found those of {len(document['heads'])} "
            "other keys.",
            next_step="compare the keys: a bureau with a key for each bank has a ledger for each; leave the file out "
            "only if it is of another bureau",
        )
    heads: list[VerifiableTreeHead] = [SignedTreeHead.read(one["head"]) for one in listed]
    notes = [one["checkpoint"] for one in listed if one["checkpoint"] is not None]
    return [*heads, *(SignedCheckpoint.parse(note.encode()) for note in notes)]


def _read_run(document: Mapping[str, Any]) -> list[VerifiableTreeHead]:
    """The heads in a receipt or a run's manifest, or the head that the document is."""
    members = [document, *document.get("receipts", ()), *document.get("match_receipts", ())]
    heads: list[VerifiableTreeHead] = [
        SignedTreeHead.read(one["head"]) for one in members if isinstance(one.get("head"), Mapping)
    ]
    if isinstance(document.get("cosigned"), Mapping):
        heads.append(SignedCheckpoint.parse(document["cosigned"]["checkpoint"].encode()))
    return heads or [SignedTreeHead.read(document)]


def compare_heads(shown: Sequence[ObservedHead], prove: Callable[[int, int], Proof] | None) -> int:
    """Compare all heads of one bureau; returns how many different sizes there are.

    ``prove(first, second)`` asks the bureau for a proof; with None only heads of one size are compared. Raises
    ``NotAuthentic`` naming two heads of different ledgers. Neighbours are compared, because consistency is transitive.
    """
    ordered = sorted(shown, key=lambda one: one.head.size)
    for older, newer in pairwise(ordered):
        if older.head.size == newer.head.size:
            fits = older.head.root == newer.head.root
        elif prove is None:
            continue
        else:
            fits = _continues(older.head, newer.head, prove)
        if not fits:
            raise NotAuthentic(
                f"The bureau has two ledgers: its head of {older.head.size} entries ({older.source}) and that of "
                f"{newer.head.size} ({newer.source}) are not of one history.",
                next_step="keep both files: the bureau's signatures on them are the evidence",
            )
    return len({one.head.size for one in ordered})


def _continues(older: VerifiableTreeHead, newer: VerifiableTreeHead, prove: Callable[[int, int], Proof]) -> bool:
    try:
        verify_consistency(older, newer, prove(older.size, newer.size))
    except (NotFound, NotAuthentic):
        return False
    return True


def heads_as_dicts(shown: Sequence[ObservedHead]) -> list[dict[str, Any]]:
    """The heads as JSON objects."""
    return [{"by": one.source, "size": one.head.size, "root": one.head.root} for one in shown]
