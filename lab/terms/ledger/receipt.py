"""Receipts: with each response a bank gets the ledger entry about it, the proof that the entry is in the ledger, and
the signed tree head of that proof.

The entry says which batch and reply, or which request and response, it is about. Anybody can verify a receipt at any
time with the bureau's public key alone. ``_FACTS`` lists the kinds of entries that have receipts, and their facts.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Literal, Self

import rfc8785
from pydantic import BaseModel, ConfigDict, Field

from lab.terms.errors import InvalidInput, NotAuthentic
from lab.terms.ledger.proven_entry import ProvenEntry
from lab.terms.ledger.tree import SCHEMA as ENTRY_SCHEMA
from lab.terms.ledger.tree import SignedTreeHead, verify_inclusion
from lab.terms.names import ModelRef

SCHEMA = "shulab-receipt/2"
MAX_HEADER_BYTES = 8192
"""The longest accepted receipt in a header; with 2^40 entries in the ledger, a receipt has about 5,600 bytes."""


class _ReceiptFacts(BaseModel):
    """The facts that a receipt needs; the entry may have more."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    job: str


class _ScoreFacts(_ReceiptFacts):
    batch_sha256: str
    reply_sha256: str
    rows: int
    scored: int
    register_: str = Field(alias="register")
    register_version: int
    model: str
    model_version: int


class _MatchFacts(_ReceiptFacts):
    identifiers: int
    request_sha256: str
    response_sha256: str
    counting: bool
    epoch: int


SCORE_ANSWERED, MATCH_ANSWERED = "score.answered", "match.answered"
_FACTS: Mapping[str, type[_ReceiptFacts]] = {SCORE_ANSWERED: _ScoreFacts, MATCH_ANSWERED: _MatchFacts}
"""The kinds of entries that have receipts."""


class _ReceiptEntry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    schema_: Literal["shulab-entry/2"] = Field(alias="schema")
    seq: int = Field(ge=1)
    time: str
    kind: Literal["score.answered", "match.answered"]
    contract: str
    by: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Receipt(ProvenEntry):
    """A receipt from ``lab.bureau.ledger`` or ``read``; it proves nothing until ``verify_receipt`` has passed.

    ``body``: the entry. ``Receipt.read`` returns a ``ScoreReceipt`` or a ``MatchReceipt`` by the entry's kind; ``read``
    of a subclass accepts only that kind.
    """

    expected: ClassVar[str] = "a receipt"

    @property
    def kind(self) -> str:
        """The entry's kind."""
        return str(self.body["kind"])

    @property
    def facts(self) -> Mapping[str, Any]:
        """The entry's facts about the exchange."""
        facts: Mapping[str, Any] = self.body["facts"]
        return facts

    @property
    def contract(self) -> str:
        """The contract's id."""
        return str(self.body["contract"])

    @property
    def job(self) -> str:
        """The job's id, which the bank chose."""
        return str(self.facts["job"])

    def as_dict(self) -> dict[str, Any]:
        """The receipt as a JSON object."""
        return {
            "schema": SCHEMA,
            "entry": dict(self.body),
            "inclusion": self.inclusion,
            "head": self.head.as_dict(),
        }

    def to_header(self) -> str:
        """The receipt as the value of the header ``Shulab-Receipt``: base64 of JSON."""
        return base64.b64encode(json.dumps(self.as_dict(), separators=(",", ":")).encode()).decode()

    @classmethod
    def read(cls, found: object) -> Self:
        """Read a receipt's JSON object strictly; raises ``InvalidInput``. Verifies nothing."""
        try:
            if not isinstance(found, Mapping) or set(found) != {"schema", "entry", "inclusion", "head"}:
                raise ValueError
            if found["schema"] != SCHEMA or not isinstance(found["inclusion"], dict):
                raise ValueError
            body = _ReceiptEntry.model_validate(found["entry"])
            _FACTS[body.kind].model_validate(body.facts)
            datetime.fromisoformat(body.time)
            made = _CLASSES[body.kind](found["entry"], found["inclusion"], SignedTreeHead.read(found["head"]))
        except (ValueError, TypeError, InvalidInput):
            made = None
        if not isinstance(made, cls):
            raise InvalidInput(
                f"Expected {cls.expected} ({SCHEMA}, with an entry {ENTRY_SCHEMA}); found something else.",
                next_step="ask the bureau for its version",
            )
        return made

    @classmethod
    def from_header(cls, value: str) -> Self:
        """The receipt in a header; raises ``InvalidInput``."""
        try:
            found = json.loads(base64.b64decode(value, validate=True)) if len(value) <= MAX_HEADER_BYTES else None
        except (ValueError, binascii.Error, RecursionError):
            found = None
        return cls.read(found)


class ScoreReceipt(Receipt):
    """A receipt of a scored batch."""

    __slots__ = ()
    expected = "a receipt of an answered batch"

    @property
    def batch_sha256(self) -> str:
        """Hash of the batch."""
        return str(self.facts["batch_sha256"])

    @property
    def reply_sha256(self) -> str:
        """Hash of the reply."""
        return str(self.facts["reply_sha256"])

    @property
    def rows(self) -> int:
        """Enterprises in the batch."""
        return int(self.facts["rows"])

    @property
    def scored(self) -> int:
        """Enterprises that were scored: fewer than ``rows`` only in a batch that was named again. The reply says
        which."""
        return int(self.facts["scored"])

    @property
    def register(self) -> str:
        """Name of the register that the batch was scored against."""
        return str(self.facts["register"])

    @property
    def register_version(self) -> int:
        """Version of that register."""
        return int(self.facts["register_version"])

    @property
    def model(self) -> str:
        """Name of the model."""
        return str(self.facts["model"])

    @property
    def model_version(self) -> int:
        """Version of the model."""
        return int(self.facts["model_version"])

    @property
    def model_ref(self) -> ModelRef:
        """The model by name and version."""
        return ModelRef(self.model, self.model_version)


class MatchReceipt(Receipt):
    """A receipt of an answered matching or counting request."""

    __slots__ = ()
    expected = "a receipt of an answered matching request"

    @property
    def request_sha256(self) -> str:
        """Hash of the request."""
        return str(self.facts["request_sha256"])

    @property
    def response_sha256(self) -> str:
        """Hash of the response."""
        return str(self.facts["response_sha256"])

    @property
    def identifiers(self) -> int:
        """How many identifiers the request held."""
        return int(self.facts["identifiers"])

    @property
    def is_count(self) -> bool:
        """Whether it was a count."""
        return bool(self.facts["counting"])

    @property
    def epoch(self) -> int:
        """The key epoch."""
        return int(self.facts["epoch"])


_CLASSES: Mapping[str, type[Receipt]] = {SCORE_ANSWERED: ScoreReceipt, MATCH_ANSWERED: MatchReceipt}


def verify_receipt(receipt: Receipt, bureau_key: str) -> None:
    """Verify the head's signature under ``bureau_key`` (hexadecimal) and the proof that the entry is in its tree.

    Raises ``NotAuthentic``. A verified entry is what the bureau wrote into its ledger. Whether it matches what was sent
    and received is for the bank to compare (``lab.bank.contract.ledger_witness``).
    """
    receipt.head.verify(bureau_key)
    try:
        body = rfc8785.dumps(dict(receipt.body))
    except (rfc8785.CanonicalizationError, ValueError, TypeError, RecursionError):
        raise NotAuthentic("The receipt's entry has no canonical form.", next_step="ask the bureau") from None
    verify_inclusion(body, receipt.entry_number, receipt.head, receipt.inclusion)
