"""Who may sign in at the bureau, what each person may do, and how they authenticate."""

from lab.bureau.people.account_service import AccountService
from lab.bureau.people.accounts import Account, NewAccount, OidcSubject, parse_roles, parse_subject
from lab.bureau.people.passwords import Passwords
from lab.bureau.people.permissions import ROLE_PERMISSIONS, AccountHolder, Permission, Role
from lab.bureau.people.sign_ins import SignIn, SignInTokens

__all__ = [
    "ROLE_PERMISSIONS",
    "Account",
    "AccountHolder",
    "AccountService",
    "NewAccount",
    "OidcSubject",
    "Passwords",
    "Permission",
    "Role",
    "SignIn",
    "SignInTokens",
    "parse_roles",
    "parse_subject",
]
