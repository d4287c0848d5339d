"""Tree heads and checkpoints that parties exchange by file: what each of them was shown of a bureau's ledger.

Two of one size and different roots, both signed by the bureau, are the proof of two ledgers, for anybody. Two of
different sizes fit each other only if the bureau can prove that the later continues the earlier.
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
    """A head that somebody was shown: ``by`` says where it comes from."""

    source: str
    head: VerifiableTreeHead


def write_heads(by: str, heads: Sequence[tuple[Party, SignedTreeHead, str | None]]) -> bytes:
    """A file of heads: who exports it, and for each bureau the newest head, and the last cosigned checkpoint if any."""
    listed = [
        {"bureau": bureau.model_dump(), "head": head.as_dict(), "checkpoint": checkpoint}
        for bureau, head, checkpoint in heads
    ]
    return json.dumps({"schema": SCHEMA, "by": by, "heads": listed}, ensure_ascii=False, indent=1).encode() + b"\n"


def read_heads(content: bytes, name: str, bureau_key: str) -> list[ObservedHead]:
    """The heads of this bureau (its key, hexadecimal) in a file: of ``write_heads``, a head or receipt by itself, a
    run's manifest, or a checkpoint. ``name`` stands for a file that does not say whose it is.

    Raises ``InvalidInput``, or ``NotAuthentic`` for a head that the bureau did not sign.
    """
    if len(content) > MAX_HEADS_BYTES:
        raise InvalidInput(
            f"Wanted heads in {name}; it is too large.", next_step="give a file of `lab bank heads export`"
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
        if document.get("schema") == SCHEMA:
            listed = [one for one in document["heads"] if one["bureau"]["public_key"] == bureau_key]
            if not listed:
                raise InvalidInput(
                    f"Wanted heads of the bureau whose key was given in {name}; it has those of "
                    f"{len(document['heads'])} other keys.",
                    next_step="compare the keys: a bureau that has a key for each bank has a ledger for each; leave "
                    "the file out only if it is of another bureau",
                )
            heads: list[VerifiableTreeHead] = [SignedTreeHead.read(one["head"]) for one in listed]
            notes = [one["checkpoint"] for one in listed if one["checkpoint"] is not None]
            return [*heads, *(SignedCheckpoint.parse(note.encode()) for note in notes)]
        members = [document, *document.get("receipts", ()), *document.get("match_receipts", ())]
        heads = [SignedTreeHead.read(one["head"]) for one in members if isinstance(one.get("head"), Mapping)]
        if isinstance(document.get("cosigned"), Mapping):
            heads.append(SignedCheckpoint.parse(document["cosigned"]["checkpoint"].encode()))
        return heads or [SignedTreeHead.read(document)]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InvalidInput(
            f"Wanted tree heads in {name}; found something else.",
            next_step="give files of `lab bank heads export`, heads of `lab audit head --out`, receipts or checkpoints",
        ) from None


def compare_heads(shown: Sequence[ObservedHead], prove: Callable[[int, int], Proof] | None) -> int:
    """Hold all heads of one bureau against each other; how many different sizes there were.

    ``prove(first, second)`` asks the bureau; None: only heads of one size are compared. Raises ``NotAuthentic`` naming
    the two that are of two ledgers. That one continues the next is enough: then every one continues all before it.
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
    """The heads as a program reads them."""
    return [{"by": one.source, "size": one.head.size, "root": one.head.root} for one in shown]
