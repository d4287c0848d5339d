"""Which entry of an exported ledger was tampered with, and how: told from the bureau's signature on each entry.

An entry's number is part of what is signed. So every line tells where it belongs, also when somebody renumbered it: the
numbers nearby are tried until the signature fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic_core import from_json

from lab.terms.errors import NotAuthentic
from lab.terms.ledger.tree import entry_signing_input, hash_leaf

_PREFIX = b'{"entry":'
_LEAF, _SIGNATURE, _END = b',"leaf":"', b'","signature":"', b'"}'
_LEAF_AT = len(_LEAF) + 64 + len(_SIGNATURE) + 128 + len(_END)
_REACH = 16
"""How far from its place a renumbered entry is looked for."""


class LedgerFaultKind(StrEnum):
    """What happened to the ledger."""

    ALTERED = "altered"
    DROPPED = "dropped"
    REORDERED = "reordered"
    INSERTED = "inserted"
    HEAD = "head"
    """A tree head was altered; the entries are as the bureau signed them."""
    REWRITTEN = "rewritten"
    """The bureau itself signed two histories."""

    @property
    def zh(self) -> str:
        """In Chinese."""
        return {
            LedgerFaultKind.ALTERED: "被改动",
            LedgerFaultKind.DROPPED: "被删除",
            LedgerFaultKind.REORDERED: "被调换次序",
            LedgerFaultKind.INSERTED: "被插入",
            LedgerFaultKind.HEAD: "树头被改动",
            LedgerFaultKind.REWRITTEN: "台账被重写",
        }[self]


class LedgerFault(NotAuthentic):
    """An exported ledger is not as the bureau wrote it. ``entry`` is the first that is not, where one can be named."""

    def __init__(self, how: LedgerFaultKind, entry: int | None, detail: str) -> None:
        super().__init__(detail, next_step="keep the file as evidence; ask the bureau for a new export")
        self.kind, self.entry = how, entry

    def as_dict(self) -> dict[str, Any]:
        """The error as a program reads it, with ``how`` and ``entry``."""
        return {**super().as_dict(), "how": self.kind.value, "entry": self.entry}


@dataclass(frozen=True, slots=True)
class EntryLine:
    """A line of an export, cut into what was signed (bytes as they stand), the leaf's hash and the signature."""

    body: bytes
    leaf: str
    signature: str

    @classmethod
    def split(cls, line: bytes) -> EntryLine:
        """Cut a line by its fixed lengths; one of another form has an empty leaf and signature."""
        line = line.rstrip(b"\n")
        body, rest = line[len(_PREFIX) : -_LEAF_AT], line[-_LEAF_AT:]
        leaf, signature = rest[len(_LEAF) : len(_LEAF) + 64], rest[-128 - len(_END) : -len(_END)]
        whole = _PREFIX + body + _LEAF + leaf + _SIGNATURE + signature + _END
        if whole != line or not (leaf + signature).isalnum():
            return cls(line, "", "")
        return cls(body, leaf.decode(), signature.decode())

    def parse(self) -> dict[str, Any] | None:
        """The body as JSON members, or None if it is no object."""
        try:
            found = from_json(self.body)  # half the time of json.loads, over a million lines
        except ValueError:
            return None
        return found if isinstance(found, dict) else None


class _EntryVerifier:
    """Tells of a line which number the bureau signed it under."""

    def __init__(self, bureau_key: str) -> None:
        self._key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(bureau_key))

    def is_entry(self, line: EntryLine, place: int) -> bool:
        """Whether the line is entry ``place``, byte for byte."""
        body = line.parse()
        fits = body is not None and body.get("seq") == place and line.leaf == hash_leaf(line.body).hex()
        return fits and self._signed(line.body, line.signature)

    def signed_number(self, line: EntryLine, near: int) -> int | None:
        """The number that the bureau signed this line under; None if it signed no such entry."""
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


def find_ledger_fault(lines: Callable[[], Iterator[EntryLine]], bureau_key: str, start: int) -> LedgerFault | None:
    """The first line from number ``start`` on that is not the entry that belongs there; None if all are.

    ``lines`` gives the lines from the first on, each time anew.
    """
    judge = _EntryVerifier(bureau_key)
    for place, line in enumerate(lines(), start=1):
        if place >= start and not judge.is_entry(line, place):
            return _name(judge, lines, place, line)
    return None


def _name(judge: _EntryVerifier, lines: Callable[[], Iterator[EntryLine]], place: int, line: EntryLine) -> LedgerFault:
    number = judge.signed_number(line, place)
    if number == place:
        return LedgerFault(
            LedgerFaultKind.ALTERED, place, f"Entry {place} was altered: its line is not as the bureau wrote it."
        )
    if number is None:
        if place in _later(judge, lines, place, (place,)):
            return LedgerFault(
                LedgerFaultKind.INSERTED, place, f"An entry that the bureau never signed was put in as {place}."
            )
        return LedgerFault(
            LedgerFaultKind.ALTERED, place, f"Entry {place} was altered: the bureau did not sign it as it stands."
        )
    if number < place:
        return LedgerFault(LedgerFaultKind.INSERTED, place, f"Entry {number} stands a second time, put in as {place}.")
    later = _later(judge, lines, place, (place, number))
    if place not in later:
        return LedgerFault(
            LedgerFaultKind.DROPPED, place, f"Entry {place} was dropped: entry {number} stands in its place."
        )
    if number in later:
        return LedgerFault(LedgerFaultKind.INSERTED, place, f"Entry {number} stands twice, once put in as {place}.")
    return LedgerFault(
        LedgerFaultKind.REORDERED, place, f"Entry {place} was moved: entry {number} stands in its place."
    )


def _later(
    judge: _EntryVerifier, lines: Callable[[], Iterator[EntryLine]], place: int, wanted: tuple[int, ...]
) -> frozenset[int]:
    """Which of the numbers ``wanted`` stand after ``place``: nearby under any number, further on under their own."""
    found = set()
    for at, line in enumerate(lines(), start=1):
        if at <= place:
            continue
        if at <= place + _REACH:
            number = judge.signed_number(line, place)
        else:
            body = line.parse()
            claimed = None if body is None else body.get("seq")
            number = claimed if claimed in wanted and judge.is_entry(line, claimed) else None
        if number in wanted:
            found.add(number)
        if len(found) == len(wanted):
            break
    return frozenset(found)
