"""Four eyes: no officer approves their own draft or approves twice; two who must approve are of two departments."""

from __future__ import annotations

from lab.bureau.contracts.repository import ContractVersion
from lab.bureau.people.permissions import AccountHolder
from lab.terms.errors import NotAllowed


def check_not_author(version: ContractVersion, officer: AccountHolder, action: str) -> None:
    """Raise ``NotAllowed`` for the officer who drafted the version."""
    if officer.name == version.drafted_by:
        raise NotAllowed(
            f"The officer who drafted contract {version.contract.id} may not {action} it (four eyes).",
            next_step="ask another officer",
        )


def check_approver(version: ContractVersion, officer: AccountHolder) -> None:
    """Raise ``NotAllowed`` for the author, for an officer who approved before, and, where two officers are needed, for
    a second one of the same department."""
    check_not_author(version, officer, "approve")
    if officer.name in {one.account for one in version.approvals}:
        raise NotAllowed(
            f"The account {officer.name} has approved contract {version.contract.id} already (four eyes).",
            next_step="ask another officer",
        )
    departments = {_normalise(one.department) for one in version.approvals}
    if version.officers_needed > 1 and _normalise(officer.department) in departments:
        raise NotAllowed(
            f"Contract {version.contract.id} needs officers of different departments; "
            f"{officer.department} has approved it already.",
            next_step="ask an officer of another department",
        )


def _normalise(department: str) -> str:
    return " ".join(department.split()).casefold()
