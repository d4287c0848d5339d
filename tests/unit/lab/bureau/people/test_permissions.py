"""The role matrix, every permission against every role, and the roles that no one person has together."""

from __future__ import annotations

import itertools

import pytest

from lab.bureau.people.permissions import (
    INCOMPATIBLE_ROLES,
    ROLE_PERMISSIONS,
    AccountHolder,
    Permission,
    Role,
    check_roles,
)
from lab.terms.errors import InvalidInput, NotAllowed

ABLE: dict[Permission, str] = {
    Permission.READ_CONTRACTS: "officer steward auditor",
    Permission.DRAFT_CONTRACTS: "officer",
    Permission.REVIEW_CONTRACTS: "officer",
    Permission.APPROVE_CONTRACTS: "officer",
    Permission.SUSPEND_CONTRACTS: "officer",
    Permission.REVOKE_CONTRACTS: "officer",
    Permission.READ_FINDINGS: "officer auditor",
    Permission.READ_BANKS: "officer steward auditor administrator",
    Permission.REGISTER_BANKS: "officer",
    Permission.REVOKE_BANK_KEYS: "administrator",
    Permission.READ_CONSENTS: "officer steward auditor",
    Permission.MANAGE_CONSENTS: "steward",
    Permission.READ_RECORDS: "steward",
    Permission.READ_PERSONAL_ITEMS: "steward",
    Permission.READ_REPAIRS: "officer steward auditor",
    Permission.MANAGE_REPAIRS: "steward",
    Permission.READ_CATALOGUE: "officer steward auditor",
    Permission.READ_LEDGER: "auditor",
    Permission.READ_INQUIRIES: "auditor",
    Permission.READ_ACCOUNTS: "auditor administrator",
    Permission.MANAGE_ACCOUNTS: "administrator",
    Permission.ROTATE_KEYS: "administrator",
    Permission.REQUEST_DATA: "requester",
    Permission.READ_REQUESTS: "officer steward auditor",
    Permission.ANSWER_REQUESTS: "steward",
}
"""The matrix written the other way round, by hand: a slip in either shows."""


def person(*roles: Role) -> AccountHolder:
    return AccountHolder("li.wei", "credit", frozenset(roles))


@pytest.mark.parametrize(("permission", "role"), list(itertools.product(Permission, Role)))
def test_every_permission_is_the_roles_it_should_be(permission: Permission, role: Role) -> None:
    able = role.value in ABLE[permission].split()
    assert person(role).has_permission(permission) is able
    if able:
        person(role).check_permission(permission)
    else:
        with pytest.raises(NotAllowed, match=permission.value):
            person(role).check_permission(permission)


def test_roles_add_up_and_nobody_may_nothing() -> None:
    both = person(Role.OFFICER, Role.STEWARD)
    may = {permission for permission in Permission if both.has_permission(permission)}
    assert may == ROLE_PERMISSIONS[Role.OFFICER] | ROLE_PERMISSIONS[Role.STEWARD]
    assert not any(person().has_permission(permission) for permission in Permission)
    assert set(ROLE_PERMISSIONS) == set(Role)


@pytest.mark.parametrize("first", Role)
@pytest.mark.parametrize("second", Role)
def test_duties_are_apart(first: Role, second: Role) -> None:
    """An auditor is nothing else, and who asks for data is nobody of the bureau; an administrator decides nothing about
    contracts or consents."""
    roles = frozenset({first, second})
    auditor = bool(roles & {Role.AUDITOR, Role.REQUESTER}) and len(roles) == 2
    administrator = Role.ADMINISTRATOR in roles and bool(roles & {Role.OFFICER, Role.STEWARD})
    assert any(pair <= roles for pair in INCOMPATIBLE_ROLES) is (auditor or administrator)
    if auditor or administrator:
        with pytest.raises(InvalidInput):
            check_roles(roles)
    else:
        check_roles(roles)


def test_an_account_has_a_role() -> None:
    with pytest.raises(InvalidInput):
        check_roles(frozenset())
