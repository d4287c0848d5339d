"""What is chosen for a contract: the usual, or what a contract to amend says, and an officer's wishes over it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from lab.terms.contract.document import (
    Ceilings,
    ConsentClause,
    Contract,
    Operation,
    Purpose,
    ReleaseForm,
    ResultDetail,
    counts_only,
)
from lab.terms.contract.draft_options import DraftOptions
from lab.terms.witnessing.quorum import WitnessQuorum
from protocols.matching.bureau import DEFAULT_ENGINE
from protocols.scoring.parameters import DEFAULT_PARAMETERS

DEFAULT_RECIPIENT = "信贷部 credit department"
"""Who receives results when nobody is named."""


COUNTING_CEILINGS = Ceilings(identifiers=100_000, jobs_per_day=1)
"""The usual ceilings where a count alone is allowed: one portfolio, since sets that differ a little tell of single
enterprises (``protocols/matching``)."""


@dataclass(frozen=True, slots=True)
class ContractOptions:
    """What an officer chooses for a contract. No operations: those that the detail needs."""

    purpose: Purpose = Purpose.CREDIT_APPROVAL
    detail: ResultDetail = ResultDetail.FULL
    operations: tuple[Operation, ...] = ()
    recipients: tuple[str, ...] = (DEFAULT_RECIPIENT,)
    engine: str = DEFAULT_ENGINE
    parameters: str = DEFAULT_PARAMETERS
    term_days: int = 365
    retention_days: int = 365
    ceilings: Ceilings = field(default_factory=Ceilings)
    consent: ConsentClause = field(default_factory=ConsentClause)
    """As it is, no consent is needed, for the usual reason (``default_consent``)."""
    forms: Mapping[str, ReleaseForm] = field(default_factory=dict)
    """Release forms by item code, where they differ from what a model's input needs; other items may be added."""
    witnesses: WitnessQuorum | None = None
    """Who cosigns the ledger before the bank takes receipts of it."""

    @classmethod
    def from_contract(cls, contract: Contract) -> ContractOptions:
        """What a contract says, for an amendment to start from; its term is left as long as it was."""
        return cls(
            purpose=contract.purpose,
            detail=contract.detail,
            operations=contract.operations,
            recipients=contract.recipients,
            engine=contract.engine,
            parameters=contract.parameters,
            term_days=max((contract.expires - contract.starts).days, 1),
            retention_days=contract.retention_days,
            ceilings=contract.ceilings,
            consent=ConsentClause() if contract.consent == default_consent(contract.operations) else contract.consent,
            forms={item.code: item.form for item in contract.items if item.form is not ReleaseForm.MODEL_INPUT_ONLY},
            witnesses=contract.witnesses,
        )

    def with_changes(self, wishes: DraftOptions) -> ContractOptions:
        """These choices with an officer's wishes; raises ``InvalidInput`` for ceilings that cannot be.

        Where only a count is wished for, neither the usual detail nor forms of items that stood before are kept.
        """
        detail = wishes.detail or self.detail
        operations = self.operations
        forms, ceilings = self.forms, self.ceilings
        if wishes.operations is not None:
            operations = wishes.operations
            if counts_only(operations):
                detail, forms = wishes.detail or ResultDetail.TOTAL, {}
                ceilings = COUNTING_CEILINGS if ceilings == Ceilings() else ceilings
        elif detail is not self.detail and operations:
            kept = (one for one in operations if one in (Operation.COUNT, Operation.RESEARCH_RUN))
            operations = (*default_operations(detail), *kept)
        return replace(
            self,
            purpose=wishes.purpose or self.purpose,
            detail=detail,
            operations=operations,
            recipients=wishes.recipients or self.recipients,
            engine=wishes.engine or self.engine,
            parameters=wishes.parameters or self.parameters,
            term_days=wishes.days or self.term_days,
            retention_days=wishes.retention_days or self.retention_days,
            ceilings=wishes.apply_to_ceilings(ceilings),
            consent=wishes.consent or self.consent,
            forms=forms if wishes.forms is None else wishes.forms,
            witnesses=None if wishes.witnesses == "none" else wishes.witnesses or self.witnesses,
        )


def default_consent(operations: Collection[Operation]) -> ConsentClause:
    """That no consent is needed, and why, where nobody says anything of it: by the most that is asked for."""
    for operation, why in (
        (Operation.RESEARCH_RUN, "公共记录，在本平台内用于研究 public records, used for research inside the lab"),
        (Operation.SCORE, "公共记录，仅告知评分 public records, of which scores alone are told"),
        (Operation.MATCH, "公共记录，仅告知哪些企业已登记 public records, of which is told who is there"),
        (Operation.COUNT, "公共记录，仅告知数量 public records, of which is told how many are there"),
    ):
        if operation in operations:
            return ConsentClause(why=why)
    return ConsentClause()


def default_operations(detail: ResultDetail) -> tuple[Operation, ...]:
    """What a contract of this detail is for, unless something else is chosen."""
    usual = (Operation.MATCH, Operation.SCORE)
    return usual if detail is ResultDetail.TOTAL else (*usual, Operation.PORTRAIT)
