"""Who may do what at the bureau: the one role matrix.

This module decides permission ("may this person?"); policy ("does the state allow it?") is in
``lab.bureau.contracts.policy`` and ``workflow``. A bank is not a person: its machines sign their requests, and a
contract says what they may request.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lab.terms.errors import InvalidInput, NotAllowed


class Role(StrEnum):
    """A person's role at the bureau."""

    OFFICER = "officer"
    """Data officer: writes, reviews, approves, suspends and revokes contracts."""
    STEWARD = "steward"
    """Data steward: registers, models, consents."""
    RESEARCHER = "researcher"
    """Prototypes on look-alike data and requests runs."""
    AUDITOR = "auditor"
    """Reads the ledger and what explains it; changes nothing."""
    ADMINISTRATOR = "administrator"
    """Manages accounts, banks' keys and the bureau's key epochs; takes no step of a contract."""
    REQUESTER = "requester"
    """Asks for data in the name of an organisation outside the bureau, which is the account's department."""


class Permission(StrEnum):
    """One thing a person may be allowed to do."""

    READ_CONTRACTS = "read contracts"
    DRAFT_CONTRACTS = "draft contracts"
    REVIEW_CONTRACTS = "review contracts"
    APPROVE_CONTRACTS = "approve contracts"
    SUSPEND_CONTRACTS = "suspend contracts"
    REVOKE_CONTRACTS = "revoke contracts"
    READ_FINDINGS = "read the watch's findings"
    READ_BANKS = "read banks"
    REGISTER_BANKS = "register banks"
    REVOKE_BANK_KEYS = "revoke banks' keys"
    READ_CONSENTS = "read consents"
    MANAGE_CONSENTS = "keep consents"
    READ_REPAIRS = "read cases of credit repair"
    MANAGE_REPAIRS = "keep cases of credit repair"
    READ_RECORDS = "read an enterprise's records"
    READ_PERSONAL_ITEMS = "read personal items of an enterprise's records"
    READ_CATALOGUE = "read the catalogue"
    READ_LEDGER = "read the ledger"
    READ_INQUIRIES = "read an enterprise's inquiries"
    READ_ACCOUNTS = "read accounts"
    MANAGE_ACCOUNTS = "keep accounts"
    ROTATE_KEYS = "rotate keys"
    REQUEST_DATA = "ask for data"
    READ_REQUESTS = "read requests for data"
    ANSWER_REQUESTS = "answer requests for data"


P = Permission
ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.OFFICER: frozenset(
        {
            *(P.READ_CONTRACTS, P.DRAFT_CONTRACTS, P.REVIEW_CONTRACTS, P.APPROVE_CONTRACTS),
            *(P.SUSPEND_CONTRACTS, P.REVOKE_CONTRACTS, P.READ_BANKS, P.REGISTER_BANKS, P.READ_CONSENTS),
            *(P.READ_FINDINGS, P.READ_REQUESTS, P.READ_REPAIRS, P.READ_CATALOGUE),
        }
    ),
    Role.STEWARD: frozenset(
        {
            *(P.READ_CONTRACTS, P.READ_BANKS, P.READ_CONSENTS, P.MANAGE_CONSENTS),
            *(P.READ_REQUESTS, P.ANSWER_REQUESTS),
            *(P.READ_RECORDS, P.READ_PERSONAL_ITEMS),
            *(P.READ_REPAIRS, P.MANAGE_REPAIRS, P.READ_CATALOGUE),
        }
    ),
    Role.RESEARCHER: frozenset(),
    Role.AUDITOR: frozenset(
        {
            *(P.READ_CONTRACTS, P.READ_FINDINGS, P.READ_BANKS, P.READ_CONSENTS, P.READ_LEDGER, P.READ_INQUIRIES),
            *(P.READ_ACCOUNTS, P.READ_REQUESTS, P.READ_REPAIRS, P.READ_CATALOGUE),
        }
    ),
    Role.ADMINISTRATOR: frozenset(
        {P.READ_BANKS, P.REVOKE_BANK_KEYS, P.READ_ACCOUNTS, P.MANAGE_ACCOUNTS, P.ROTATE_KEYS}
    ),
    Role.REQUESTER: frozenset({P.REQUEST_DATA}),
}
"""The matrix. A permission that a role does not list is refused."""

INCOMPATIBLE_ROLES: tuple[frozenset[Role], ...] = (
    frozenset({Role.ADMINISTRATOR, Role.OFFICER}),
    frozenset({Role.ADMINISTRATOR, Role.STEWARD}),
    *(frozenset({Role.AUDITOR, other}) for other in Role if other is not Role.AUDITOR),
    *(frozenset({Role.REQUESTER, other}) for other in Role if other not in (Role.REQUESTER, Role.AUDITOR)),
)
"""Separation of duties: roles that no person has together."""


@dataclass(frozen=True, slots=True)
class AccountHolder:
    """A signed-in person. ``name`` is the account's name."""

    name: str
    department: str
    roles: frozenset[Role]

    @property
    def actor(self) -> str:
        """The person as an actor in the ledger."""
        return account_actor(self.name)

    def has_permission(self, permission: Permission) -> bool:
        """Whether one of this person's roles has the permission."""
        return any(permission in ROLE_PERMISSIONS[role] for role in self.roles)

    def check_permission(self, permission: Permission) -> None:
        """Raise ``NotAllowed``, naming the permission and the roles with it, unless this person has it."""
        if not self.has_permission(permission):
            able = ", ".join(role.value for role in Role if permission in ROLE_PERMISSIONS[role]) or "nobody"
            raise NotAllowed(
                f"The account {self.name} may not {permission.value}; it needs one of the roles {able}.",
                next_step="ask someone who has the role, or an administrator",
            )


def account_actor(name: str) -> str:
    """The holder of the account ``name`` as an actor in the ledger."""
    return f"person:{name}"


def check_roles(roles: frozenset[Role]) -> None:
    """Raise ``InvalidInput`` for no role, or for roles that one person may not have together."""
    if not roles:
        raise InvalidInput("Expected at least one role; found none.", next_step=f"give one of {', '.join(Role)}")
    for pair in INCOMPATIBLE_ROLES:
        if pair <= roles:
            raise InvalidInput(
                f"One person may not be {' and '.join(sorted(pair))}.", next_step="make two accounts for two people"
            )


def permission_table() -> str:
    """The matrix as a Markdown table, for the page on people."""
    lines = [f"| | {' | '.join(Role)} |", f"|---|{'---|' * len(Role)}"]
    for permission in Permission:
        marks = " | ".join("✓" if permission in ROLE_PERMISSIONS[role] else "" for role in Role)
        lines.append(f"| {permission} | {marks} |")
    return "\n".join(lines)
