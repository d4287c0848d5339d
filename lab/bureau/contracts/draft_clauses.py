"""The options of a draft: the defaults, or those of the contract to amend, with an officer's changes."""

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
from lab.terms.contract.prices import Prices
from lab.terms.witnessing.quorum import WitnessQuorum
from protocols.matching.bureau import DEFAULT_ENGINE
from protocols.scoring.parameters import DEFAULT_PARAMETERS

DEFAULT_RECIPIENT = "信贷部 credit department"
"""The recipient of results when none is named."""


COUNTING_CEILINGS = Ceilings(identifiers=100_000, jobs_per_day=1)
"""Default ceilings where only a count is allowed: one portfolio, because the counts of sets that differ a little reveal
single enterprises (``protocols/matching``)."""


@dataclass(frozen=True, slots=True)
class ContractOptions:
    """What an officer chooses for a contract. Without operations: those that the detail needs."""

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
    """By default no consent is needed, for the usual reason (``default_consent``)."""
    forms: Mapping[str, ReleaseForm] = field(default_factory=dict)
    """Release forms by item code, where they differ from what a model's input needs; other items may be added."""
    witnesses: WitnessQuorum | None = None
    """The witnesses that cosign the ledger before the bank accepts receipts of it."""
    prices: Prices | None = None
    request: str | None = None
    """The request for data that the contract carries out."""

    @classmethod
    def from_contract(cls, contract: Contract) -> ContractOptions:
        """The options of a contract, for an amendment to start from; the length of its term stays."""
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
            prices=contract.prices,
            request=contract.request,
        )

    def with_changes(self, changes: DraftOptions) -> ContractOptions:
        """These options with an officer's changes; raises ``InvalidInput`` for impossible ceilings.

        A change to counting only drops the default detail and the former forms of items.
        """
        changed = self._with_operations(changes)
        named = ("purpose", "recipients", "engine", "parameters", "retention_days", "consent")
        given = {name: value for name in named if (value := getattr(changes, name))}
        if changes.days:
            given["term_days"] = changes.days
        if changes.forms is not None:
            given["forms"] = changes.forms
        if changes.witnesses:
            given["witnesses"] = None if changes.witnesses == "none" else changes.witnesses
        if changes.prices:
            given["prices"] = None if changes.prices == "none" else changes.prices
        if changes.request is not None:
            given["request"] = changes.request
        return replace(changed, ceilings=changes.apply_to_ceilings(changed.ceilings), **given)

    def _with_operations(self, changes: DraftOptions) -> ContractOptions:
        """These options with the operations and the detail of ``changes``, and what follows from them."""
        if changes.operations is None:
            return self._with_detail(changes.detail or self.detail)
        if not counts_only(changes.operations):
            return replace(self, operations=changes.operations, detail=changes.detail or self.detail)
        ceilings = COUNTING_CEILINGS if self.ceilings == Ceilings() else self.ceilings
        detail = changes.detail or ResultDetail.TOTAL
        return replace(self, operations=changes.operations, detail=detail, forms={}, ceilings=ceilings)

    def _with_detail(self, detail: ResultDetail) -> ContractOptions:
        """These options with another detail, whose default operations replace those that depend on it."""
        if detail is self.detail or not self.operations:
            return replace(self, detail=detail)
        kept = (one for one in self.operations if one in (Operation.COUNT, Operation.RESEARCH_RUN))
        return replace(self, detail=detail, operations=(*default_operations(detail), *kept))


def default_consent(operations: Collection[Operation]) -> ConsentClause:
    """The default clause: no consent is needed; the reason depends on the most far-reaching operation."""
    for operation, why in (
        (Operation.RESEARCH_RUN, "公共记录，在本平台内用于研究 public records, used for research inside the lab"),
        (Operation.SCORE, "公共记录，仅提供评分 public records; scores alone are disclosed"),
        (
            Operation.MATCH,
            "公共记录，仅提供哪些企业已登记 public records; only which enterprises are registered is disclosed",
        ),
        (Operation.COUNT, "公共记录，仅提供数量 public records; only how many are registered is disclosed"),
    ):
        if operation in operations:
            return ConsentClause(why=why)
    return ConsentClause()


def default_operations(detail: ResultDetail) -> tuple[Operation, ...]:
    """The default operations of a contract of this detail."""
    usual = (Operation.MATCH, Operation.SCORE)
    return usual if detail is ResultDetail.TOTAL else (*usual, Operation.PORTRAIT)
