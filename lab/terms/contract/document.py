"""The data-use contract: what a bureau lets one bank do with which items, for which purpose, until when.

A contract document never changes: an amendment is a new version with the same id, signed again by both. The parties
sign the same bytes, the RFC 8785 (JSON Canonicalization Scheme) form of the document, with Ed25519 (RFC 8032). Where a
version stands at the bureau (draft, approved, active, ...) is not part of it (``lab.bureau.contracts.workflow``).
``lab.terms.contract.odrl`` tells the same document as a W3C ODRL 2.2 Agreement, ``lab.terms.contract.plain_language``
in Chinese and English.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

import rfc8785
from pydantic import AwareDatetime, ConfigDict, Field, model_validator

from lab.terms.errors import InvalidInput, NotAllowed, NotAuthentic
from lab.terms.field_types import ContractId, FrozenDocument, Hex32, Name, PositiveCount, Slug
from lab.terms.keys.party import Party
from lab.terms.keys.signature import verify_signature
from lab.terms.names import IdKind, ModelRef
from lab.terms.text.escaping import describe_character, find_hidden
from lab.terms.witnessing.quorum import WitnessQuorum

SCHEMA = "shulab-contract/2"


class Purpose(StrEnum):
    """Coded purposes; the list is closed so that a purpose can be compared by machine."""

    CREDIT_APPROVAL = "credit-approval"
    POST_LOAN_MONITORING = "post-loan-monitoring"
    PRODUCT_MATCHING = "product-matching"
    RESEARCH = "research"
    MODEL_TRAINING = "model-training"


class Operation(StrEnum):
    """What can be asked for under a contract.

    ``COUNT`` gives how many of the bank's identifiers the register holds, and nothing of which: for the first
    conversation, before a contract names items. ``MATCH`` gives which; neither includes the other. ``SCORE`` gives
    totals; ``PORTRAIT`` adds the subtotals from which a bank draws portraits (any detail but total);
    ``RESEARCH_RUN`` is a researcher's code on the real data, inside the lab.
    """

    COUNT = "count"
    MATCH = "match"
    SCORE = "score"
    PORTRAIT = "portrait"
    RESEARCH_RUN = "research-run"


class ResultDetail(StrEnum):
    """How fine a reply is. Every finer form adds up to the total exactly; each gives a dishonest bank more equations.

    ``TOTAL_OUTPUT``: one number an enterprise. ``DIMENSIONS``: a subtotal for each dimension. ``FEATURES``: a subtotal
    for each bank feature, and what the public records alone add. ``FULL``: dimension subtotals and feature subtotals.
    """

    TOTAL = "total"
    DIMENSIONS = "dimensions"
    FEATURES = "features"
    FULL = "full"


class ReleaseForm(StrEnum):
    """In which form an item may be used, from the least to the most: each allows what stands before it.

    ``NONE``: not at all. ``MODEL_INPUT_ONLY``: as an input of a model's encrypted evaluation. ``BAND``: a coarse band
    of its value may leave the bureau. ``EXACT``: its value may. No operation of this version releases an item's value
    or band: the two are terms that later operations are held against.
    """

    NONE = "none"
    MODEL_INPUT_ONLY = "model-input-only"
    BAND = "band"
    EXACT = "exact"

    def allows(self, wanted: ReleaseForm) -> bool:
        """Whether an item released in this form may be used in form ``wanted``."""
        order = list(ReleaseForm)
        return order.index(wanted) <= order.index(self)


class ContractItem(FrozenDocument):
    """A catalogue item (by code) and the form in which it may be used."""

    code: Annotated[str, Field(min_length=1, max_length=100)]
    form: ReleaseForm = ReleaseForm.MODEL_INPUT_ONLY


class Ceilings(FrozenDocument):
    """Limits the bureau counts, over all versions of the contract and all jobs of the bank under it.

    ``identifiers``: blinded identifiers evaluated over the whole term; the bureau cannot see whether two are the same,
    nor which are canaries (``protocols/matching``), so both count.
    ``scores_per_enterprise``: within any ``period_days`` days. ``jobs_per_day``: jobs opened within any 24 hours.
    ``precision``: the smallest step between two replies, in the model's quanta (1: as the model computes).
    """

    identifiers: PositiveCount = 1_000_000
    identifiers_per_match: PositiveCount = 100_000
    scores_per_enterprise: PositiveCount = 100
    period_days: Annotated[int, Field(ge=1, le=3660)] = 365
    jobs_per_day: PositiveCount = 100
    rows_per_job: PositiveCount = 1_000_000
    rows_per_batch: Annotated[int, Field(ge=1, le=8192)] = 8192
    precision: Annotated[int, Field(ge=1, le=1_000_000)] = 1


class ConsentClause(FrozenDocument):
    """Whether the enterprise itself must have agreed, and why, or why not."""

    required: bool = False
    why: Annotated[str, Field(min_length=1, max_length=1000)] = "公共记录 public records"
    """As it stands, nobody gave a reason: a draft then says it by what may be asked for."""


class PinnedModel(FrozenDocument):
    """A model version the contract allows; ``sheet_sha256`` pins what the bank is told of it."""

    name: Slug
    version: PositiveCount
    sheet_sha256: Hex32

    def __str__(self) -> str:
        return str(ModelRef(self.name, self.version))


class Contract(FrozenDocument):
    """One version of a data-use contract."""

    schema_: Annotated[Literal["shulab-contract/2"], Field(alias="schema")] = "shulab-contract/2"
    id: ContractId
    version: PositiveCount = 1
    bureau: Party
    bank: Party
    purpose: Purpose
    recipients: Annotated[tuple[Name, ...], Field(min_length=1, max_length=100)]
    """Who in the bank may receive results: departments or systems by name."""
    items: tuple[ContractItem, ...]
    operations: tuple[Operation, ...]
    detail: ResultDetail
    models: Annotated[tuple[PinnedModel, ...], Field(min_length=1, max_length=20)]
    """Model versions allowed; the first is the one meant when a job names none."""
    id_kind: IdKind
    engine: Slug
    parameters: Slug
    ceilings: Ceilings
    consent: ConsentClause = ConsentClause()
    retention_days: Annotated[int, Field(ge=1, le=36_600)] = 365
    """How long either side may keep what a job left with it."""
    witnesses: WitnessQuorum | None = None
    """Who cosigns the bureau's ledger; none: a ledger made for one bank is not found out by receipts."""
    starts: AwareDatetime
    expires: AwareDatetime

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    @model_validator(mode="after")
    def _check(self) -> Contract:
        if self.expires <= self.starts:
            raise ValueError("a contract must expire after it starts")
        if not self.operations:
            raise ValueError("a contract must allow at least one operation")
        if len({item.code for item in self.items}) != len(self.items):
            raise ValueError("a contract names each item once")
        if len({str(model) for model in self.models}) != len(self.models):
            raise ValueError("a contract names each model version once")
        if self.detail is not ResultDetail.TOTAL and Operation.PORTRAIT not in self.operations:
            raise ValueError("replies finer than totals need the operation portrait")
        keys = {party.public_key for party in self.witnesses.parties} if self.witnesses is not None else set()
        if keys & {self.bureau.public_key, self.bank.public_key}:
            raise ValueError("a witness has a key of its own, neither the bureau's nor the bank's")
        return self

    def find_model(self, name: str | None = None, version: int | None = None) -> PinnedModel:
        """The model version named, or the first; raises ``NotAllowed`` (term: models) if it is not allowed."""
        for model in self.models:
            if (name is None or model.name == name) and (version is None or model.version == version):
                return model
        allowed = ", ".join(str(model) for model in self.models)
        raise NotAllowed(
            f"Contract {self.id} allows the models {allowed}; another was asked for (term: models).",
            next_step="name one of these, or ask the bureau to amend the contract",
        )

    def free_texts(self) -> Iterator[tuple[str, str]]:
        """Every text that somebody chose freely, by its term."""
        yield "bureau", self.bureau.name
        yield "bank", self.bank.name
        for recipient in self.recipients:
            yield "recipients", recipient
        for item in self.items:
            yield "items", item.code
        yield "consent.why", self.consent.why
        for witness in self.witnesses.parties if self.witnesses else ():
            yield "witnesses", witness.name

    def check_free_texts(self) -> None:
        """Raise ``InvalidInput``, naming term and character, if a text hides something (``lab.terms.text.escaping``):
        who signs must be able to see all that is signed."""
        for term, text in self.free_texts():
            char = find_hidden(text)
            if char:
                place = " at an end or twice in a row" if char == " " else ""
                raise InvalidInput(
                    f"Wanted texts of which everything is seen; contract {self.id} holds "
                    f"{describe_character(char)}{place} "
                    f"in its term {term}.",
                    next_step="have it drafted anew without that character",
                )

    def canonical_bytes(self) -> bytes:
        """The bytes that are signed: RFC 8785 of the document; a term ``witnesses`` that names none is left out, so a
        contract from before there was one has the bytes that it had."""
        document = self.model_dump(mode="json", by_alias=True)
        if self.witnesses is None:
            del document["witnesses"]
        return rfc8785.dumps(document)

    @property
    def counts_only(self) -> bool:
        """Whether it allows a count and nothing else; its models then only name the register that is counted in."""
        return counts_only(self.operations)

    @property
    def sha256(self) -> str:
        """Hash of the canonical bytes, hexadecimal."""
        return hashlib.sha256(self.canonical_bytes()).hexdigest()

    def in_force(self, now: datetime) -> bool:
        """Whether ``now`` (aware) lies within the term."""
        return self.starts <= now < self.expires


class SignedContract(FrozenDocument):
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


def counts_only(operations: Iterable[Operation]) -> bool:
    """Whether these operations give a count and nothing else: no item is used, and nothing comes back that has a
    detail."""
    return set(operations) == {Operation.COUNT}


def signing_input(contract: Contract) -> bytes:
    """Domain-separated message that both parties sign."""
    return b"shulab contract v2\x00" + contract.canonical_bytes()


def parse_contract(text: str | bytes, *, kept: bool = False) -> SignedContract:
    """Strictly parse a signed contract from JSON; raises ``InvalidInput`` naming the fields, never their values.

    Its texts must hide nothing (``Contract.check_texts``), unless it was ``kept`` here from before and is to be shown
    or ended.
    """
    try:
        signed = SignedContract.model_validate_json(text)
    except ValueError as error:
        fields = sorted({".".join(str(part) for part in e["loc"]) for e in getattr(error, "errors", lambda: [])()})
        raise InvalidInput(
            f"Wanted a contract document ({SCHEMA}); these parts do not fit: {', '.join(fields) or 'not JSON'}.",
            next_step="export the contract again from the bureau",
        ) from None
    if not kept:
        signed.contract.check_free_texts()
    return signed
