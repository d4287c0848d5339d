"""The list of packs: which segments of a domain each holds, with its hash. Its own hash is in the newest ledger entry
of the kind ``records.compacted``."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import rfc8785

from lab.bureau.data.records.manifest import Segment

PACKS_FORMAT = "shulab-record-packs/1"
COMPACTED = "records.compacted"
"""The kind of ledger entry that names a list."""
PLACE, ROW = "_place", "_row"
"""Columns of a pack beside those of its segments: the segment's place in its domain's list, the row's number in it."""
_HASH_DIGITS = 64
_DIGITS = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Pack:
    """One file with the rows of neighbouring segments of a domain, all written under one catalogue.

    ``first``: the place of the first in the domain's list. ``segments``: their SHA-256, in order. ``removed``: their
    own files are gone, so the pack is the only place of their rows. ``codes_sha256``: the filter of its enterprises.
    """

    domain: str
    first: int
    segments: tuple[str, ...]
    sha256: str
    bytes: int
    rows: int
    codes_sha256: str
    catalogue_sha256: str
    removed: bool = False

    @property
    def end(self) -> int:
        """The place after that of its last segment."""
        return self.first + len(self.segments)

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"{self.sha256}.pack"

    @property
    def codes_name(self) -> str:
        """The name of its filter of codes."""
        return f"{self.codes_sha256}.packcodes"

    @property
    def files(self) -> dict[str, str]:
        """Its files, by name, with the SHA-256 of each."""
        return {self.name: self.sha256, self.codes_name: self.codes_sha256}

    def holds(self, listed: Sequence[Segment]) -> bool:
        """Whether it holds segments of this list of its domain's, and none that is not where it says."""
        here = tuple(one.sha256 for one in listed[self.first : self.end])
        return bool(here) and here == self.segments[: len(here)]

    def as_dict(self) -> dict[str, Any]:
        """The row of the list."""
        return {name: getattr(self, name) for name in _MEMBERS} | {"segments": list(self.segments)}


_MEMBERS = tuple(one.name for one in fields(Pack))


@dataclass(frozen=True)
class PackList:
    """All packs, by domain and place."""

    packs: tuple[Pack, ...] = ()

    @cached_property
    def content(self) -> bytes:
        """The canonical JSON (RFC 8785) that is stored and hashed."""
        return rfc8785.dumps({"format": PACKS_FORMAT, "packs": [one.as_dict() for one in self.packs]})

    @cached_property
    def sha256(self) -> str:
        """The hash of ``content``; empty for no packs at all."""
        return hashlib.sha256(self.content).hexdigest() if self.packs else ""

    @property
    def files(self) -> dict[str, str]:
        """The files of all packs, by name, with the SHA-256 of each."""
        return {name: sha256 for one in self.packs for name, sha256 in one.files.items()}

    def of_domain(self, domain: str) -> tuple[Pack, ...]:
        """The packs of a domain, by place."""
        return tuple(one for one in self.packs if one.domain == domain)

    def replace(self, domain: str, packs: Sequence[Pack]) -> PackList:
        """The list with other packs of a domain."""
        kept = [one for one in self.packs if one.domain != domain]
        return PackList(tuple(sorted([*kept, *packs], key=lambda one: (one.domain, one.first))))


def needed_files(segments: Sequence[Segment], packs: PackList) -> dict[str, str]:
    """The files of a manifest's segments that are to be there, by name, with the SHA-256 of each: of those whose own
    file was removed, only the sealed personal items, which are never packed."""
    gone = {(one.domain, place) for one in packs.packs if one.removed for place in range(one.first, one.end)}
    places: Counter[str] = Counter()
    found: dict[str, str] = {}
    for segment in segments:
        removed = (segment.domain, places[segment.domain]) in gone
        places[segment.domain] += 1
        found |= {name: one for name, one in segment.files.items() if not removed or name.endswith(".sealed")}
    return found


def parse_packs(content: bytes) -> PackList:
    """The list of these bytes; raises ``ValueError``, ``TypeError``, ``KeyError`` for other bytes."""
    found = json.loads(content)
    if not isinstance(found, dict) or set(found) != {"format", "packs"} or found["format"] != PACKS_FORMAT:
        raise ValueError("not a list of packs of this version")
    made = PackList(tuple(_pack(one) for one in found["packs"]))
    if made.content != content:
        raise ValueError("not in canonical form")
    return made


def _pack(found: Mapping[str, Any]) -> Pack:
    if set(found) != set(_MEMBERS):
        raise ValueError("a pack has other members")
    for one in (found["sha256"], found["codes_sha256"], *found["segments"]):  # they become names of files
        if len(one) != _HASH_DIGITS or not set(one) <= _DIGITS:
            raise ValueError("not a hash")
    return Pack(**dict(found) | {"segments": tuple(found["segments"])})
