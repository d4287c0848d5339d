"""The proposal: what a bank, or an officer for it, wants a contract to say before it is drafted.

`lab bank plan` writes it from a portfolio; `lab officer draft --from` reads it. It binds nobody: when the bureau
drafts, it adds the items, the sheet's hash and its own key, and an officer reviews the draft.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lab.terms.contract.document import Ceilings, ConsentClause, Operation, Purpose, ResultDetail
from lab.terms.errors import InvalidInput
from lab.terms.fields.bounded_types import VersionNumber
from lab.terms.fields.field_types import Slug
from lab.terms.keys.party import Party
from lab.terms.names import IdKind
from lab.terms.text.visible_line import VisibleName, is_visible_line

SCHEMA = "shulab-proposal/1"
MAX_PROPOSAL_BYTES = 65_536
_Seconds = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
_Bytes = Annotated[int, Field(ge=0, le=2**53 - 1)]


class _ProposalPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class JobEstimate(_ProposalPart):
    """The expected cost of the job: enterprises, seconds by step (bank and bureau together), bytes up and down."""

    rows: Annotated[int, Field(ge=1, le=2**53 - 1)]
    seconds: Annotated[dict[Slug, _Seconds], Field(max_length=20)]
    bytes_up: _Bytes
    bytes_down: _Bytes

    @property
    def total_seconds(self) -> float:
        """The sum of all steps; encryption and scoring overlap, so the job takes less."""
        return sum(self.seconds.values())


class ContractProposal(_ProposalPart):
    """The proposed clauses. ``model_version`` None: the newest published one.

    ``engine`` and ``parameters`` None: the bureau chooses. ``days``: the term, from the day of drafting.
    """

    schema_: Annotated[Literal["shulab-proposal/1"], Field(alias="schema")] = "shulab-proposal/1"
    bank: Party
    model: Slug
    model_version: VersionNumber | None = None
    purpose: Purpose = Purpose.CREDIT_APPROVAL
    detail: ResultDetail = ResultDetail.TOTAL
    operations: Annotated[tuple[Operation, ...], Field(min_length=1, max_length=len(Operation))]
    recipients: Annotated[tuple[VisibleName, ...], Field(min_length=1, max_length=100)]
    ceilings: Ceilings
    id_kind: IdKind
    days: Annotated[int, Field(ge=1, le=36_600)]
    retention_days: Annotated[int, Field(ge=1, le=36_600)]
    consent: ConsentClause = ConsentClause()
    engine: Slug | None = None
    parameters: Slug | None = None
    estimate: JobEstimate | None = None

    @model_validator(mode="after")
    def _check(self) -> ContractProposal:
        if len(set(self.operations)) != len(self.operations):
            raise ValueError("a proposal names each operation once")
        if not is_visible_line(self.bank.name) or not is_visible_line(self.consent.why):
            raise ValueError("the texts of a proposal have no hidden characters")
        if self.detail is not ResultDetail.TOTAL and Operation.PORTRAIT not in self.operations:
            raise ValueError("replies finer than totals need the operation portrait")
        return self

    def to_json(self) -> str:
        """The document as the content of a file."""
        return self.model_dump_json(by_alias=True, indent=1) + "\n"


def parse_proposal(text: str | bytes) -> ContractProposal:
    """Read a proposal strictly; raises ``InvalidInput`` naming the parts that do not fit, never their values."""
    if len(text) > MAX_PROPOSAL_BYTES:
        raise InvalidInput(
            f"Expected a proposal ({SCHEMA}) of at most {MAX_PROPOSAL_BYTES} bytes; found more.",
            next_step="write it again with `lab bank plan`",
        )
    try:
        return ContractProposal.model_validate_json(text)
    except ValueError as error:
        # A key of `seconds` is free text, so it is not repeated.
        parts = sorted({_where(e["loc"]) for e in getattr(error, "errors", lambda: [])()})
        raise InvalidInput(
            f"Expected a proposal ({SCHEMA}); these parts do not fit: {', '.join(parts) or 'not JSON'}.",
            next_step="write it again with `lab bank plan`",
        ) from None


def _where(place: tuple[int | str, ...]) -> str:
    known = (
        set(ContractProposal.model_fields) | {"schema"} | set(Ceilings.model_fields) | set(ConsentClause.model_fields)
    )
    known |= set(JobEstimate.model_fields) | set(Party.model_fields)
    return ".".join(str(part) if isinstance(part, int) or part in known else "?" for part in place) or "the whole"
