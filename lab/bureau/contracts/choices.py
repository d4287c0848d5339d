"""What an officer chooses for a contract, and where the choices come from: a proposal, or a contract to amend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lab.terms.contract import Ceilings, ConsentTerms, Contract, Detail, Operation, Purpose, ReleaseForm
from lab.terms.proposal import Proposal
from protocols.matching.bureau import DEFAULT_ENGINE
from protocols.scoring.params import DEFAULT_PARAMETERS

RECIPIENT = "信贷部 credit department"
"""Who receives results when nobody is named."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What an officer chooses for a contract. No operations: those that the detail needs."""

    purpose: Purpose = Purpose.CREDIT_APPROVAL
    detail: Detail = Detail.FULL
    operations: tuple[Operation, ...] = ()
    recipients: tuple[str, ...] = (RECIPIENT,)
    engine: str = DEFAULT_ENGINE
    parameters: str = DEFAULT_PARAMETERS
    days: int = 365
    retention_days: int = 365
    ceilings: Ceilings = field(default_factory=Ceilings)
    consent: ConsentTerms = field(default_factory=ConsentTerms)
    forms: Mapping[str, ReleaseForm] = field(default_factory=dict)
    """Release forms by item code, where they differ from what a model's input needs; other items may be added."""

    @classmethod
    def of_proposal(cls, proposal: Proposal, forms: Mapping[str, ReleaseForm] | None = None) -> Choices:
        """What a proposal asks for."""
        return cls(
            purpose=proposal.purpose,
            detail=proposal.detail,
            operations=proposal.operations,
            recipients=proposal.recipients,
            engine=proposal.engine or DEFAULT_ENGINE,
            parameters=proposal.parameters or DEFAULT_PARAMETERS,
            days=proposal.days,
            retention_days=proposal.retention_days,
            ceilings=proposal.ceilings,
            consent=proposal.consent,
            forms=forms or {},
        )

    @classmethod
    def of_contract(cls, contract: Contract) -> Choices:
        """What a contract says, for an amendment to start from; its term is left as long as it was."""
        return cls(
            purpose=contract.purpose,
            detail=contract.detail,
            operations=contract.operations,
            recipients=contract.recipients,
            engine=contract.engine,
            parameters=contract.parameters,
            days=max((contract.expires - contract.starts).days, 1),
            retention_days=contract.retention_days,
            ceilings=contract.ceilings,
            consent=contract.consent,
            forms={item.code: item.form for item in contract.items if item.form is not ReleaseForm.MODEL_INPUT_ONLY},
        )
