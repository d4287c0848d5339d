"""The manifest: which segments the bureau's records consist of, in the order in which they were added.

What was known at the end of a day is the beginning of the list, so its manifest is the one that was the head then, byte
by byte.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from functools import cached_property, lru_cache
from typing import Any

import rfc8785

MANIFEST_FORMAT = "shulab-records/1"
_DATES = ("known_on", "held_first", "held_last")
_HASH_DIGITS = 64
_DIGITS = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Segment:
    """One Parquet file of one domain from one delivery, with what is beside it.

    ``held_first``, ``held_last``: the earliest and latest ``held_from`` of its rows. ``operations``: those that its
    rows have. ``codes_sha256``: the file that says which enterprises cannot be in it. ``personal_sha256``: the
    sealed file of its personal items, row for row; empty if the domain has none.
    """

    domain: str
    sha256: str
    rows: int
    bytes: int
    known_on: date
    held_first: date
    held_last: date
    operations: tuple[str, ...]
    source: str
    source_sha256: str
    mapping_sha256: str
    catalogue_sha256: str
    codes_sha256: str
    personal_sha256: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The row of the manifest; dates are ISO text."""
        found = {name: getattr(self, name) for name in _MEMBERS}
        found |= {name: found[name].isoformat() for name in _DATES}
        return found | {"operations": list(self.operations)}

    @property
    def row_sha256(self) -> str:
        """The hash of this row of the manifest, which the ledger entry names that added it."""
        return hashlib.sha256(_canonical_row(self)).hexdigest()

    @property
    def files(self) -> dict[str, str]:
        """The files of the segment, by name, with the SHA-256 of each."""
        found = {f"{self.sha256}.parquet": self.sha256, f"{self.codes_sha256}.codes": self.codes_sha256}
        if self.personal_sha256:
            found[f"{self.personal_sha256}.sealed"] = self.personal_sha256
        return found


_MEMBERS = tuple(one.name for one in fields(Segment))
_MEMBER_SET = frozenset(_MEMBERS)


@lru_cache(maxsize=20_000)
def _canonical_row(segment: Segment) -> bytes:
    return rfc8785.dumps(segment.as_dict())


_OPENING = b'{"format":' + rfc8785.dumps(MANIFEST_FORMAT) + b',"segments":['
_CLOSING = b"]}"


@dataclass(frozen=True)
class Manifest:
    """All segments, oldest first."""

    segments: tuple[Segment, ...] = ()

    @cached_property
    def content(self) -> bytes:
        """The canonical JSON (RFC 8785) that is stored and hashed."""
        # RFC 8785 writes no blanks and sorts members, so the rows of earlier manifests are put together as they are:
        # a manifest of thousands of segments is written again with every delivery.
        return _OPENING + b",".join(_canonical_row(one) for one in self.segments) + _CLOSING

    @cached_property
    def sha256(self) -> str:
        """The hash of ``content``, which names the manifest."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def known_on(self) -> date | None:
        """The day on which its newest segment became known; None if it is empty."""
        return self.segments[-1].known_on if self.segments else None

    @property
    def rows(self) -> int:
        """Stored rows of all segments: additions, corrections and deletions."""
        return sum(one.rows for one in self.segments)

    def of_domain(self, domain: str) -> tuple[Segment, ...]:
        """The segments of a domain, oldest first."""
        return tuple(one for one in self.segments if one.domain == domain)

    def as_of(self, day: date | None) -> Manifest:
        """What was known at the end of ``day``; None: all."""
        if day is None:
            return self
        return Manifest(tuple(one for one in self.segments if one.known_on <= day))


class ManifestBeginnings:
    """The hashes of growing manifests, each reckoned from where the one before ended."""

    def __init__(self) -> None:
        self._state, self._any = hashlib.sha256(_OPENING), False

    def add(self, segments: Sequence[Segment]) -> str:
        """The hash of the manifest of all segments until now and these."""
        for one in segments:
            self._state.update((b"," if self._any else b"") + _canonical_row(one))
            self._any = True
        made = self._state.copy()
        made.update(_CLOSING)
        return made.hexdigest()


def parse_manifest(content: bytes) -> Manifest:
    """The manifest of these bytes; raises ``ValueError`` for bytes that are not what ``Manifest.content`` writes."""
    found = json.loads(content)
    if not isinstance(found, dict) or set(found) != {"format", "segments"} or found["format"] != MANIFEST_FORMAT:
        raise ValueError("not a manifest of records of this version")
    manifest = Manifest(tuple(_segment(one) for one in found["segments"]))
    if manifest.content != content:
        raise ValueError("not in canonical form")
    return manifest


def _segment(found: Mapping[str, Any]) -> Segment:
    if set(found) != _MEMBER_SET:
        raise ValueError("a segment has other members")
    for name in ("sha256", "codes_sha256", "personal_sha256"):  # they become names of files
        absent = not found[name] and name == "personal_sha256"
        if not absent and (len(found[name]) != _HASH_DIGITS or not set(found[name]) <= _DIGITS):
            raise ValueError("not a hash")
    dates = {name: date.fromisoformat(found[name]) for name in _DATES}
    return Segment(**dict(found) | dates | {"operations": tuple(found["operations"])})
