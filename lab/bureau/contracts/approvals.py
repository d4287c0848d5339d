"""Four eyes: nobody judges what they wrote, approves twice, or, where two departments are wanted, speaks for both."""

from __future__ import annotations

from lab.bureau.contracts.repository import ContractVersion
from lab.bureau.people.permissions import AccountHolder
from lab.terms.errors import NotAllowed


def check_not_author(document: ContractVersion, officer: AccountHolder, action: str) -> None:
    """Raise ``NotAllowed`` for the officer who drafted the version."""
    if officer.name == document.drafted_by:
        raise NotAllowed(
            f"Who drafted contract {document.contract.id} may not {action} it (four eyes).",
            next_step="ask another officer",
        )


def check_approver(document: ContractVersion, officer: AccountHolder) -> None:
    """Raise ``NotAllowed`` for the author, for who approved before, and, where two officers are needed, for a second
    one of the same department."""
    check_not_author(document, officer, "approve")
    if officer.name in {one.account for one in document.approvals}:
        raise NotAllowed(
            f"The account {officer.name} has approved contract {document.contract.id} already (four eyes).",
            next_step="ask another officer",
        )
    if document.officers_needed > 1 and _plain(officer.department) in {
        _plain(one.department) for one in document.approvals
    }:
        raise NotAllowed(
            f"Contract {document.contract.id} needs officers of different departments; "
            f"{officer.department} has approved it already.",
            next_step="ask an officer of another department",
        )


def _plain(department: str) -> str:
    return " ".join(department.split()).casefold()
