"""Options of a draft: what an officer wants a contract to say. An omitted option keeps the present or default value.

An officer's command sends them with a new draft or an amendment; a bank's proposal can be turned into them. They bind
nobody.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from lab.terms.contract.document import Ceilings, ConsentClause, Operation, Purpose, ReleaseForm, ResultDetail
from lab.terms.contract.prices import Prices
from lab.terms.contract.proposal import ContractProposal
from lab.terms.errors import InvalidInput
from lab.terms.fields.field_types import ModelRefText, RequestId, Slug
from lab.terms.names import IdKind, ModelRef
from lab.terms.text.visible_line import VisibleLine, VisibleName
from lab.terms.witnessing.quorum import WitnessQuorum

ItemCode = Annotated[VisibleLine, Field(min_length=1, max_length=100)]
CeilingName = Literal[
    "identifiers",
    "identifiers_per_match",
    "scores_per_enterprise",
    "period_days",
    "jobs_per_day",
    "rows_per_job",
    "rows_per_batch",
    "precision",
]


class DraftOptions(BaseModel):
    """Clauses by name; None: not chosen. ``models`` are NAME (newest published) or NAME@VERSION."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: Annotated[tuple[ModelRefText, ...], Field(min_length=1, max_length=20)] | None = None
    purpose: Purpose | None = None
    detail: ResultDetail | None = None
    operations: Annotated[tuple[Operation, ...], Field(min_length=1, max_length=len(Operation))] | None = None
    recipients: Annotated[tuple[VisibleName, ...], Field(min_length=1, max_length=100)] | None = None
    forms: Annotated[dict[ItemCode, ReleaseForm], Field(max_length=10_000)] | None = None
    """Release forms by item code."""
    ceilings: dict[CeilingName, int] = {}
    consent: ConsentClause | None = None
    retention_days: Annotated[int, Field(ge=1, le=36_600)] | None = None
    days: Annotated[int, Field(ge=1, le=36_600)] | None = None
    """The term in days, from the day of drafting."""
    id_kind: IdKind | None = None
    """The kind of identifiers that the register must hold; the register decides it."""
    engine: Slug | None = None
    parameters: Slug | None = None
    witnesses: WitnessQuorum | Literal["none"] | None = None
    """Who cosigns the bureau's ledger; ``none``: nobody, even if the contract to amend names witnesses."""
    prices: Prices | Literal["none"] | None = None
    """What use costs; ``none``: the contract says nothing about prices, even if the contract to amend does."""
    request: RequestId | None = None
    """The granted request for data that a new contract carries out; an amendment keeps it."""

    @classmethod
    def from_proposal(cls, proposal: ContractProposal) -> Self:
        """The options that a proposal asks for."""
        return cls(
            models=(str(ModelRef(proposal.model, proposal.model_version)),),
            purpose=proposal.purpose,
            detail=proposal.detail,
            operations=proposal.operations,
            recipients=proposal.recipients,
            ceilings={name: getattr(proposal.ceilings, name) for name in Ceilings.model_fields},
            consent=proposal.consent,
            retention_days=proposal.retention_days,
            days=proposal.days,
            id_kind=proposal.id_kind,
            engine=proposal.engine,
            parameters=proposal.parameters,
        )

    def with_defaults(self, others: DraftOptions) -> DraftOptions:
        """These options; where one is not chosen, that of ``others``."""
        mine = self.model_dump(exclude_none=True, exclude={"ceilings"})
        ceilings = others.ceilings | self.ceilings
        return DraftOptions.model_validate(others.model_dump(exclude_none=True) | mine | {"ceilings": ceilings})

    def apply_to_ceilings(self, ceilings: Ceilings) -> Ceilings:
        """``ceilings`` with the chosen ones; raises ``InvalidInput`` naming those out of their limits."""
        try:
            return Ceilings.model_validate(ceilings.model_dump() | self.ceilings)
        except ValueError as error:
            names = sorted({str(fault["loc"][0]) for fault in getattr(error, "errors", lambda: [])()})
            raise InvalidInput(
                f"Expected ceilings within their limits; these are not: {', '.join(names)}.",
                next_step="choose others",
            ) from None
