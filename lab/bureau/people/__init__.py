"""Who may sign in at the bureau, what they may do there, and how they prove who they are."""

from lab.bureau.people.account_service import People
from lab.bureau.people.accounts import Account, NewAccount, Subject, read_roles, read_subject
from lab.bureau.people.passwords import Passwords
from lab.bureau.people.permissions import MATRIX, Permission, Person, Role
from lab.bureau.people.sign_ins import SignIn, Tokens

__all__ = [
    "MATRIX",
    "Account",
    "NewAccount",
    "Passwords",
    "People",
    "Permission",
    "Person",
    "Role",
    "SignIn",
    "Subject",
    "Tokens",
    "read_roles",
    "read_subject",
]
