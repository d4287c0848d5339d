"""The data-use contract: what a bureau lets one bank do with which items, for which purpose, until when.

A contract document never changes: an amendment is a new version. Both parties sign the same bytes, the RFC 8785 (JSON
Canonicalization Scheme) form of the document, with Ed25519 (RFC 8032). The state of a contract at the bureau (draft,
approved, expired, revoked) is not part of the document; it lives in ``lab.bureau.contracts``.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from lab.terms.errors import InvalidInput, NotAuthentic

SCHEMA = "shulab-contract/1"
Hex32 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class Purpose(StrEnum):
    """Coded purposes; the list is closed so that a purpose can be compared by machine."""

    CREDIT_APPROVAL = "credit-approval"
    POST_LOAN_MONITORING = "post-loan-monitoring"
    PRODUCT_MATCHING = "product-matching"
    TRIAL = "trial"


class Operation(StrEnum):
    """What the service can be asked to do under a contract."""

    MATCH = "match"
    SCORE = "score"


class Detail(StrEnum):
    """How fine a reply is. Every finer form adds up to the total exactly; each gives a dishonest bank more equations.

    ``TOTAL``: one number an enterprise. ``DIMENSIONS``: a subtotal for each dimension. ``FEATURES``: a subtotal for
    each bank feature, and what the public records alone add. ``FULL``: dimension subtotals and feature subtotals.
    """

    TOTAL = "total"
    DIMENSIONS = "dimensions"
    FEATURES = "features"
    FULL = "full"


class ReleaseForm(StrEnum):
    """In which form an item may leave the bureau; in this version items enter a model and nothing else."""

    MODEL_INPUT_ONLY = "model-input-only"


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class Party(_Document):
    """A named organisation and its Ed25519 public key (32 bytes, hexadecimal)."""

    name: Name
    public_key: Hex32

    @property
    def fingerprint(self) -> str:
        """First 16 hexadecimal digits of SHA-256 of the public key, in groups of four, to be read aloud."""
        digits = hashlib.sha256(bytes.fromhex(self.public_key)).hexdigest()[:16]
        return "-".join(digits[i : i + 4] for i in range(0, 16, 4))


class Item(_Document):
    """A catalogue item (by code) and the form in which it may be used."""

    code: Annotated[str, Field(min_length=1, max_length=100)]
    form: ReleaseForm = ReleaseForm.MODEL_INPUT_ONLY


class Ceilings(_Document):
    """Limits the bureau counts. All are per contract; ``scores_per_enterprise`` over the contract's whole term."""

    identifiers: Annotated[int, Field(ge=1)] = 1_000_000
    identifiers_per_match: Annotated[int, Field(ge=1)] = 100_000
    scores_per_enterprise: Annotated[int, Field(ge=1)] = 100
    rows_per_batch: Annotated[int, Field(ge=1, le=8192)] = 8192


class ModelTerms(_Document):
    """The one model version the contract allows; ``sheet_sha256`` pins what the bank is told of it."""

    name: Slug
    version: Annotated[int, Field(ge=1)]
    sheet_sha256: Hex32


class Contract(_Document):
    """A data-use contract, first form."""

    schema_: Annotated[Literal["shulab-contract/1"], Field(alias="schema")] = "shulab-contract/1"
    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{3,63}$")]
    version: Annotated[int, Field(ge=1)] = 1
    bureau: Party
    bank: Party
    purpose: Purpose
    items: tuple[Item, ...]
    operations: tuple[Operation, ...]
    detail: Detail
    model: ModelTerms
    id_kind: Literal["uscc", "opaque"]
    engine: Slug
    parameters: Slug
    ceilings: Ceilings
    starts: AwareDatetime
    expires: AwareDatetime

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    @model_validator(mode="after")
    def _check(self) -> Contract:
        if self.expires <= self.starts:
            raise ValueError("a contract must expire after it starts")
        if not self.operations:
            raise ValueError("a contract must allow at least one operation")
        return self

    def canonical(self) -> bytes:
        """The bytes that are signed: RFC 8785 of the document."""
        return rfc8785.dumps(self.model_dump(mode="json", by_alias=True))

    @property
    def sha256(self) -> str:
        """Hash of the canonical bytes, hexadecimal."""
        return hashlib.sha256(self.canonical()).hexdigest()

    def in_force(self, now: datetime) -> bool:
        """Whether ``now`` (aware) lies within the term."""
        return self.starts <= now < self.expires


class SignedContract(_Document):
    """A contract and the signatures (hexadecimal Ed25519) of its parties; either may still be missing."""

    contract: Contract
    bureau_signature: str | None = None
    bank_signature: str | None = None

    def verify(self, *, require: tuple[Literal["bureau", "bank"], ...] = ("bureau", "bank")) -> None:
        """Check the signatures named in ``require``.

        Raises ``NotAuthentic`` when one is missing or does not verify under the party's key in the document.
        """
        message = signing_input(self.contract)
        for role in require:
            party = self.contract.bureau if role == "bureau" else self.contract.bank
            signature = self.bureau_signature if role == "bureau" else self.bank_signature
            if signature is None:
                step = "lab officer approve" if role == "bureau" else "lab bank sign"
                raise NotAuthentic(
                    f"Contract {self.contract.id} needs the {role}'s signature and has none.",
                    next_step=f"have the {role} run `{step} {self.contract.id}`",
                )
            verify_signature(party.public_key, signature, message, what=f"the {role}'s signature of {self.contract.id}")


def signing_input(contract: Contract) -> bytes:
    """Domain-separated message that both parties sign."""
    return b"shulab contract v1\x00" + contract.canonical()


def verify_signature(public_key: str, signature: str, message: bytes, *, what: str) -> None:
    """Verify an Ed25519 signature (hexadecimal) under ``public_key`` (hexadecimal); raises ``NotAuthentic``."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        raise NotAuthentic(
            f"Wanted {what} to verify; it does not.", next_step="check that both parties hold the same document"
        ) from None


def parse_contract(text: str | bytes) -> SignedContract:
    """Strictly parse a signed contract from JSON; raises ``InvalidInput`` naming the fields, never their values."""
    try:
        return SignedContract.model_validate_json(text)
    except ValueError as error:
        fields = sorted({".".join(str(part) for part in e["loc"]) for e in getattr(error, "errors", lambda: [])()})
        raise InvalidInput(
            f"Wanted a contract document ({SCHEMA}); these parts do not fit: {', '.join(fields) or 'not JSON'}.",
            next_step="export the contract again from the bureau",
        ) from None
