"""A bureau's statement that it restored its ledger from a backup: an entry, the first one after the restored ones.

A restored ledger is shorter than the one that banks and witnesses saw, or another one of the same length: exactly what
a bureau shows that rewrites its history. The statement does not make that harmless. It makes it public: the bureau says
with its signature how many entries it kept, and that others are lost. It explains a head that somebody kept only if

1. it is entry ``size + 1`` of a ledger that the bureau signed, proven by inclusion: it is the first thing that happened
   after the restoration, and every restoration is in the ledger for ever;
2. the restored ledger, of ``size`` entries, is smaller than the kept head's: there is a loss to explain;
3. it was written after the kept head was signed: a statement explains nothing that was shown after it, so that each
   one serves once, and going back again takes another.

Whoever accepts it keeps the lost head and the receipts of lost entries, which stay the bureau's own signed words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

import rfc8785
from pydantic import BaseModel, ConfigDict, Field

from lab.terms.errors import InvalidInput, NotAuthentic
from lab.terms.fields.field_types import Hex32
from lab.terms.ledger.proven_entry import ProvenEntry
from lab.terms.ledger.tree import Fact, SignedTreeHead, verify_inclusion

SCHEMA = "shulab-restoration/1"
LEDGER_RESTORED = "ledger.restored"
MAX_STATEMENTS = 1000
_Size = Annotated[int, Field(ge=0, lt=2**53)]


class RestorationFacts(BaseModel):
    """What the entry says: the number of entries that were kept and the root over them; the newest head that the
    bureau knew to be lost, if any; the backup, by the hash of its manifest and its time; and how many restorations the
    ledger has with this one."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    size: _Size
    root: Hex32
    known_size: _Size | None
    known_root: Hex32 | None
    backup_sha256: Hex32
    backup_made: str
    restorations: Annotated[int, Field(ge=1)]

    def as_facts(self) -> dict[str, Fact]:
        """The facts of the entry."""
        return self.model_dump()


class _RestorationEntry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    schema_: Literal["shulab-entry/2"] = Field(alias="schema")
    seq: int = Field(ge=1)
    time: str
    kind: Literal["ledger.restored"]
    contract: None
    by: str
    facts: RestorationFacts


@dataclass(frozen=True, slots=True)
class RestorationStatement(ProvenEntry):
    """A statement with its proof, named by its leaf hash; it shows nothing until ``verify`` has passed.

    ``body``: the entry. ``inclusion``: the proof that it is in the ledger of ``head``.
    """

    @property
    def facts(self) -> RestorationFacts:
        """What it says."""
        return RestorationFacts.model_validate(self.body["facts"])

    def verify(self, bureau_key: str) -> None:
        """Raise ``NotAuthentic`` unless the bureau with this key (hexadecimal) signed a ledger that has the entry in
        its place, right after those that were kept."""
        self.head.verify(bureau_key)
        verify_inclusion(rfc8785.dumps(dict(self.body)), self.entry_number, self.head, self.inclusion)
        if self.entry_number != self.facts.size + 1:
            raise NotAuthentic(
                f"The statement of a restoration is entry {self.entry_number}; one of {self.facts.size} entries can "
                "only be the next one.",
                next_step="keep it as evidence, and ask the bureau",
            )

    def explains(self, kept: SignedTreeHead) -> bool:
        """Whether it explains that the bureau's ledger does not continue this head; see the module."""
        return self.facts.size < kept.size and self.time > kept.time

    def as_dict(self) -> dict[str, Any]:
        """The statement as a JSON object."""
        return {
            "schema": SCHEMA,
            "entry": dict(self.body),
            "inclusion": self.inclusion,
            "head": self.head.as_dict(),
        }

    @classmethod
    def from_entry(cls, found: Mapping[str, Any]) -> RestorationStatement:
        """From an entry with its proof, as the bureau's ledger gives them."""
        return cls.read({"schema": SCHEMA, **found})

    @classmethod
    def read(cls, found: object) -> RestorationStatement:
        """Read a statement's JSON object strictly; raises ``InvalidInput``. Verifies nothing."""
        try:
            if not isinstance(found, Mapping) or set(found) != {"schema", "entry", "inclusion", "head"}:
                raise ValueError
            if found["schema"] != SCHEMA or not isinstance(found["inclusion"], dict):
                raise ValueError
            body = _RestorationEntry.model_validate(found["entry"])
            if datetime.fromisoformat(body.time).tzinfo is None:
                raise ValueError
            rfc8785.dumps(found["entry"])
            return cls(found["entry"], found["inclusion"], SignedTreeHead.read(found["head"]))
        except (ValueError, TypeError, RecursionError, InvalidInput):
            raise InvalidInput(
                f"Expected a bureau's statement that it restored its ledger ({SCHEMA}); found something else.",
                next_step="fetch it from the bureau's service: GET /v1/ledger/restorations",
            ) from None


@dataclass(frozen=True, slots=True)
class RestorationNote:
    """What a statement says, for somebody who has the whole ledger: its number, how many entries it kept, and when."""

    entry: int
    size: int
    time: datetime

    def explains(self, kept: SignedTreeHead) -> bool:
        """As ``RestorationStatement.explains``."""
        return self.size < kept.size and self.time > kept.time

    @classmethod
    def of_entry(cls, body: Mapping[str, Any]) -> list[RestorationNote]:
        """The note of an entry's body; none if it is not a statement in its place."""
        try:
            entry = _RestorationEntry.model_validate(body)
            time = datetime.fromisoformat(entry.time)
        except ValueError:
            return []
        fits = entry.seq == entry.facts.size + 1 and time.tzinfo is not None
        return [cls(entry.seq, entry.facts.size, time)] if fits else []


def read_statements(found: object) -> tuple[RestorationStatement, ...]:
    """The statements in a service's response, in the ledger's order; raises ``InvalidInput``."""
    listed = found.get("restorations") if isinstance(found, Mapping) else None
    if not isinstance(listed, Sequence) or isinstance(listed, str) or len(listed) > MAX_STATEMENTS:
        raise InvalidInput(
            "Expected a list of restorations from the bureau; found something else.",
            next_step="ask the bureau for its version",
        )
    return tuple(RestorationStatement.read(one) for one in listed)


def find_explanation(
    statements: Iterable[RestorationStatement], kept: SignedTreeHead, bureau_key: str
) -> RestorationStatement | None:
    """The verified statement that explains why a ledger does not continue ``kept``, or None.

    If there are several, the one that kept the fewest entries: up to there, the kept head's ledger is in the new one.
    """
    found = []
    for one in statements:
        try:
            one.verify(bureau_key)
        except NotAuthentic:
            continue
        if one.explains(kept):
            found.append(one)
    return min(found, key=lambda one: one.facts.size, default=None)
