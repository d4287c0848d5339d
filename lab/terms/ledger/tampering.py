"""Finds the first entry of an exported ledger that somebody tampered with, by the bureau's signature on each entry.

The bureau signs an entry together with its number. So the place of a renumbered entry can still be found: nearby
numbers are tried until the signature verifies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic_core import from_json

from lab.terms.errors import NotAuthentic
from lab.terms.ledger.tree import entry_signing_input, hash_leaf
from lab.terms.progress import ProgressStage
from lab.terms.text.bilingual import BilingualEnum

_PREFIX = b'{"entry":'
_LEAF, _SIGNATURE, _END = b',"leaf":"', b'","signature":"', b'"}'
_LEAF_AT = len(_LEAF) + 64 + len(_SIGNATURE) + 128 + len(_END)
_STEP = 1024
_REACH = 16
"""How far from its place a renumbered entry is searched."""


class LedgerFaultKind(BilingualEnum):
    """What happened to the ledger."""

    ALTERED = "altered", "被改动", "altered"
    DROPPED = "dropped", "被删除", "dropped"
    REORDERED = "reordered", "被调换次序", "reordered"
    INSERTED = "inserted", "被插入", "inserted"
    HEAD = "head", "树头被改动", "head"
    """A tree head was altered; the entries are as the bureau signed them."""
    REWRITTEN = "rewritten", "台账被重写", "rewritten"
    """The bureau itself signed two histories."""


class LedgerFault(NotAuthentic):
    """An exported ledger differs from what the bureau wrote. ``entry``: the first that differs, if it is known."""

    def __init__(self, how: LedgerFaultKind, entry: int | None, detail: str) -> None:
        super().__init__(detail, next_step="keep the file as evidence; ask the bureau for a new export")
        self.kind, self.entry = how, entry

    def as_dict(self) -> dict[str, Any]:
        """The error for programs, with ``how`` and ``entry``."""
        return {**super().as_dict(), "how": self.kind.value, "entry": self.entry}


@dataclass(frozen=True, slots=True)
class EntryLine:
    """A line of an export: the signed bytes, the leaf's hash and the signature (both hexadecimal)."""

    body: bytes
    leaf: str
    signature: str

    @classmethod
    def split(cls, line: bytes) -> EntryLine:
        """Split a line by its fixed lengths; a malformed line gets an empty leaf and signature."""
        line = line.rstrip(b"\n")
        body, rest = line[len(_PREFIX) : -_LEAF_AT], line[-_LEAF_AT:]
        leaf, signature = rest[len(_LEAF) : len(_LEAF) + 64], rest[-128 - len(_END) : -len(_END)]
        whole = _PREFIX + body + _LEAF + leaf + _SIGNATURE + signature + _END
        if whole != line or not (leaf + signature).isalnum():
            return cls(line, "", "")
        return cls(body, leaf.decode(), signature.decode())

    def parse(self) -> dict[str, Any] | None:
        """The body as a JSON object, or None."""
        try:
            found = from_json(self.body)  # half the time of json.loads, over a million lines
        except ValueError:
            return None
        return found if isinstance(found, dict) else None


class _EntryVerifier:
    """Finds the number under which the bureau signed a line."""

    def __init__(self, bureau_key: str) -> None:
        self._key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(bureau_key))

    def is_entry(self, line: EntryLine, place: int) -> bool:
        """Whether the line is entry ``place``, byte for byte."""
        body = line.parse()
        fits = body is not None and body.get("seq") == place and line.leaf == hash_leaf(line.body).hex()
        return fits and self._signed(line.body, line.signature)

    def signed_number(self, line: EntryLine, near: int) -> int | None:
        """The number under which the bureau signed this line; None if it did not sign it."""
        body = line.parse()
        if body is None:
            return None
        claimed = body.get("seq")
        if isinstance(claimed, int) and self._signed(line.body, line.signature):
            return claimed
        tries = [near, *(near + way * step for step in range(1, _REACH + 1) for way in (1, -1))]
        for number in tries:
            try:
                renumbered = rfc8785.dumps({**body, "seq": number})
            except (rfc8785.CanonicalizationError, ValueError, TypeError, RecursionError):
                return None
            if number > 0 and self._signed(renumbered, line.signature):
                return number
        return None

    def _signed(self, body: bytes, signature: str) -> bool:
        try:
            self._key.verify(bytes.fromhex(signature), entry_signing_input(body))
        except (InvalidSignature, ValueError):
            return False
        return True


def find_ledger_fault(
    lines: Callable[[], Iterator[EntryLine]], bureau_key: str, start: int, stage: ProgressStage | None = None
) -> LedgerFault | None:
    """The first line from number ``start`` on that is not the entry of that number; None if all are.

    ``lines`` returns all lines from the first on, at each call. ``stage`` advances by the verified entries.
    """
    verifier = _EntryVerifier(bureau_key)
    for place, line in enumerate(lines(), start=1):
        if place < start:
            continue
        if not verifier.is_entry(line, place):
            return _describe_fault(verifier, lines, place, line)
        if stage is not None and place % _STEP == 0:
            stage.advance(_STEP)
    return None


def _describe_fault(
    verifier: _EntryVerifier, lines: Callable[[], Iterator[EntryLine]], place: int, line: EntryLine
) -> LedgerFault:
    number = verifier.signed_number(line, place)
    if number == place:
        return LedgerFault(
            LedgerFaultKind.ALTERED, place, f"Entry {place} was altered: its line is not as the bureau wrote it."
        )
    if number is None:
        if place in _later(verifier, lines, place, (place,)):
            return LedgerFault(
                LedgerFaultKind.INSERTED, place, f"An entry that the bureau never signed was inserted as {place}."
            )
        return LedgerFault(
            LedgerFaultKind.ALTERED, place, f"Entry {place} was altered: the bureau did not sign it in this form."
        )
    if number < place:
        return LedgerFault(
            LedgerFaultKind.INSERTED, place, f"Entry {number} appears a second time, inserted as {place}."
        )
    later = _later(verifier, lines, place, (place, number))
    if place not in later:
        return LedgerFault(
            LedgerFaultKind.DROPPED, place, f"Entry {place} was dropped: entry {number} is in its place."
        )
    if number in later:
        return LedgerFault(LedgerFaultKind.INSERTED, place, f"Entry {number} appears twice, once inserted as {place}.")
    return LedgerFault(LedgerFaultKind.REORDERED, place, f"Entry {place} was moved: entry {number} is in its place.")


def _later(
    verifier: _EntryVerifier, lines: Callable[[], Iterator[EntryLine]], place: int, wanted: tuple[int, ...]
) -> frozenset[int]:
    """Which of the numbers ``wanted`` come after ``place``: nearby under any number, further on under their own."""
    found = set()
    for at, line in enumerate(lines(), start=1):
        if at <= place:
            continue
        if at <= place + _REACH:
            number = verifier.signed_number(line, place)
        else:
            body = line.parse()
            claimed = None if body is None else body.get("seq")
            number = claimed if claimed in wanted and verifier.is_entry(line, claimed) else None
        if number in wanted:
            found.add(number)
        if len(found) == len(wanted):
            break
    return frozenset(found)
