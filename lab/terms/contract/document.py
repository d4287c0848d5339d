"""The data-use contract: what a bureau allows one bank to do with which items, for which purpose, until when.

A contract document never changes: an amendment is a new version with the same id, which both parties sign again. They
sign the same bytes, the RFC 8785 (JSON Canonicalization Scheme) form of the document, with Ed25519 (RFC 8032). The
state of a version at the bureau (draft, approved, active and so on) is not part of it
(``lab.bureau.contracts.workflow``). ``lab.terms.contract.odrl`` writes the same document as a W3C ODRL 2.2 Agreement,
``lab.terms.contract.plain_language`` in Chinese and English.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

import rfc8785
from pydantic import ConfigDict, Field, model_validator

from lab.terms.contract.prices import Prices
from lab.terms.errors import InvalidInput, NotAllowed, NotAuthentic
from lab.terms.fields.bounded_types import Moment, VersionNumber
from lab.terms.fields.field_types import ContractId, FrozenDocument, Hex32, Name, PositiveCount, RequestId, Slug
from lab.terms.keys.party import Party
from lab.terms.keys.signature import verify_signature
from lab.terms.names import IdKind, ModelRef
from lab.terms.text.escaping import describe_character, find_hidden
from lab.terms.witnessing.quorum import WitnessQuorum

SCHEMA, SCHEMA_WITH_PRICES = "shulab-contract/2", "shulab-contract/3"
"""The third form adds ``prices`` and ``request``. A contract with neither is still written in the second, so that banks
with an earlier version of this program can sign it."""
_FORMS = f"{SCHEMA} or {SCHEMA_WITH_PRICES}"


class Purpose(StrEnum):
    """The closed list of purposes, so that programs can compare them."""

    CREDIT_APPROVAL = "credit-approval"
    POST_LOAN_MONITORING = "post-loan-monitoring"
    PRODUCT_MATCHING = "product-matching"
    RESEARCH = "research"
    MODEL_TRAINING = "model-training"


class Operation(StrEnum):
    """What a bank can ask for under a contract.

    ``COUNT``: how many of the bank's identifiers the register holds, but not which, for a first talk before a contract
    names items. ``MATCH``: which ones; neither operation includes the other. ``SCORE``: totals. ``PORTRAIT``: subtotals
    too, from which the bank draws portraits (any detail but total). ``RESEARCH_RUN``: a researcher's code on the real
    data, inside the lab.
    """

    COUNT = "count"
    MATCH = "match"
    SCORE = "score"
    PORTRAIT = "portrait"
    RESEARCH_RUN = "research-run"


class ResultDetail(StrEnum):
    """How detailed a reply is. Subtotals always add up to the total; each gives a dishonest bank more equations.

    ``TOTAL``: one number an enterprise. ``DIMENSIONS``: a subtotal for each dimension. ``FEATURES``: a subtotal for
    each bank feature, and one for the public records. ``FULL``: subtotals of dimensions and features.
    """

    TOTAL = "total"
    DIMENSIONS = "dimensions"
    FEATURES = "features"
    FULL = "full"


class ReleaseForm(StrEnum):
    """In which form an item may be used, from least to most: each form allows those before it.

    ``NONE``: not at all. ``MODEL_INPUT_ONLY``: as an input of a model's encrypted evaluation. ``BAND``: a coarse band
    of its value may leave the bureau. ``EXACT``: its value may. No operation of this version releases a value or a
    band; later operations will have to respect the two forms.
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
    """Limits that the bureau enforces over all versions of the contract and all jobs of the bank under it.

    ``identifiers``: blinded identifiers evaluated over the whole term. The bureau cannot see repeated identifiers or
    canaries (``protocols/matching``), so both count.
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
    """Whether each enterprise must have agreed, and the reason."""

    required: bool = False
    why: Annotated[str, Field(min_length=1, max_length=1000)] = "公共记录 public records"
    """The default means that nobody gave a reason; a draft then derives one from the operations."""


class PinnedModel(FrozenDocument):
    """A model version that the contract allows; ``sheet_sha256`` pins the sheet that the bank gets."""

    name: Slug
    version: VersionNumber
    sheet_sha256: Hex32

    def __str__(self) -> str:
        return str(ModelRef(self.name, self.version))


class Contract(FrozenDocument):
    """One version of a data-use contract."""

    schema_: Annotated[Literal["shulab-contract/2", "shulab-contract/3"], Field(alias="schema")] = "shulab-contract/2"
    id: ContractId
    version: VersionNumber = 1
    bureau: Party
    bank: Party
    purpose: Purpose
    recipients: Annotated[tuple[Name, ...], Field(min_length=1, max_length=100)]
    """Departments or systems of the bank that may receive results."""
    items: tuple[ContractItem, ...]
    operations: tuple[Operation, ...]
    detail: ResultDetail
    models: Annotated[tuple[PinnedModel, ...], Field(min_length=1, max_length=20)]
    """Allowed model versions; the first is the default of a job."""
    id_kind: IdKind
    engine: Slug
    parameters: Slug
    ceilings: Ceilings
    consent: ConsentClause = ConsentClause()
    retention_days: Annotated[int, Field(ge=1, le=36_600)] = 365
    """How long either side may keep the data of a job."""
    witnesses: WitnessQuorum | None = None
    """Who cosigns the bureau's ledger; with None, receipts do not reveal a separate ledger for one bank."""
    prices: Prices | None = None
    """What use costs (third form); with None, the contract says nothing about prices."""
    request: RequestId | None = None
    """The granted request for data that the contract carries out (third form)."""
    starts: Moment
    expires: Moment

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    @model_validator(mode="after")
    def _check(self) -> Contract:
        if self.expires <= self.starts:
            raise ValueError("a contract must expire after it starts")
        if not self.operations:
            raise ValueError("a contract must allow at least one operation")
        if self.detail is not ResultDetail.TOTAL and Operation.PORTRAIT not in self.operations:
            raise ValueError("replies finer than totals need the operation portrait")
        return self

    @model_validator(mode="after")
    def _check_form(self) -> Contract:
        if self.schema_ != contract_form(self.prices, self.request):
            raise ValueError(f"a contract with prices or a request has the form {SCHEMA_WITH_PRICES}, another {SCHEMA}")
        return self

    @model_validator(mode="after")
    def _check_repetitions(self) -> Contract:
        if len({item.code for item in self.items}) != len(self.items):
            raise ValueError("a contract names each item once")
        if len({str(model) for model in self.models}) != len(self.models):
            raise ValueError("a contract names each model version once")
        keys = {party.public_key for party in self.witnesses.parties} if self.witnesses is not None else set()
        if keys & {self.bureau.public_key, self.bank.public_key}:
            raise ValueError("a witness has a key of its own, neither the bureau's nor the bank's")
        return self

    def find_model(self, name: str | None = None, version: int | None = None) -> PinnedModel:
        """The named model version, or the first; raises ``NotAllowed`` (term: models) if it is not allowed."""
        for model in self.models:
            if (name is None or model.name == name) and (version is None or model.version == version):
                return model
        allowed = ", ".join(str(model) for model in self.models)
        raise NotAllowed(
            f"Contract {self.id} allows the models {allowed}; another was asked for (term: models).",
            next_step="name one of these, or ask the bureau to amend the contract",
        )

    def free_texts(self) -> Iterator[tuple[str, str]]:
        """Every freely chosen text, with its clause."""
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
        """Raise ``InvalidInput``, naming clause and character, if a text has hidden characters
        (``lab.terms.text.escaping``): whoever signs must see all of it."""
        for term, text in self.free_texts():
            char = find_hidden(text)
            if char:
                place = " at an end or twice in a row" if char == " " else ""
                raise InvalidInput(
                    f"Expected texts without hidden characters; contract {self.id} holds "
                    f"{describe_character(char)}{place} in its term {term}.",
                    next_step="have it drafted again without that character",
                )

    def canonical_bytes(self) -> bytes:
        """The signed bytes: RFC 8785 of the document. ``witnesses``, ``prices`` and ``request`` are left out if they
        are None, so that contracts from before those fields keep their bytes."""
        document = self.model_dump(mode="json", by_alias=True)
        for name in ("witnesses", "prices", "request"):
            if document[name] is None:
                del document[name]
        return rfc8785.dumps(document)

    @property
    def counts_only(self) -> bool:
        """Whether it allows counts only; its models then only name the register."""
        return counts_only(self.operations)

    @property
    def sha256(self) -> str:
        """Hash of the canonical bytes, hexadecimal."""
        return hashlib.sha256(self.canonical_bytes()).hexdigest()

    def in_force(self, now: datetime) -> bool:
        """Whether ``now`` (aware) is within the term."""
        return self.starts <= now < self.expires


class SignedContract(FrozenDocument):
    """A contract and its parties' signatures (Ed25519, hexadecimal); None for a missing one."""

    contract: Contract
    bureau_signature: str | None = None
    bank_signature: str | None = None

    def verify(self, *, require: tuple[Literal["bureau", "bank"], ...] = ("bureau", "bank")) -> None:
        """Verify the signatures named in ``require``.

        Raises ``NotAuthentic`` if one is missing or does not verify under the party's key in the document.
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
    """Whether these operations are counts only: then no item is used, and the reply has no detail."""
    return set(operations) == {Operation.COUNT}


def contract_form(prices: Prices | None, request: str | None) -> Literal["shulab-contract/2", "shulab-contract/3"]:
    """The form of a document with these clauses: the earliest that has them."""
    return "shulab-contract/2" if prices is None and request is None else "shulab-contract/3"


def signing_input(contract: Contract) -> bytes:
    """The domain-separated bytes that both parties sign; the form's number is in the separator."""
    form = contract.schema_.rpartition("/")[2].encode()
    return b"shulab contract v" + form + b"\x00" + contract.canonical_bytes()


def parse_contract(text: str | bytes, *, kept: bool = False) -> SignedContract:
    """Read a signed contract from JSON strictly; raises ``InvalidInput`` naming the fields, never their values.

    Texts with hidden characters are refused (``Contract.check_free_texts``), unless the contract was ``kept`` here and
    is to be shown or ended.
    """
    try:
        signed = SignedContract.model_validate_json(text)
    except ValueError as error:
        fields = sorted({".".join(str(part) for part in e["loc"]) for e in getattr(error, "errors", lambda: [])()})
        raise InvalidInput(
            f"Expected a contract document ({_FORMS}); these parts do not fit: {', '.join(fields) or 'not JSON'}.",
            next_step="export the contract again from the bureau",
        ) from None
    if not kept:
        signed.contract.check_free_texts()
    return signed
