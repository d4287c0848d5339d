"""Accounts: who may sign in, in which department and roles. All functions run in a session that the caller commits."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.people.permissions import AccountHolder, Role, check_roles
from lab.bureau.store.tables import AccountRow
from lab.terms.errors import Conflict, InvalidInput, NotFound
from lab.terms.text.visible_line import check_visible_line

_NAME = re.compile(r"[a-z][a-z0-9._-]{1,63}")
ACTIVE, DISABLED = "active", "disabled"


@dataclass(frozen=True, slots=True)
class OidcSubject:
    """A person at an OpenID provider, identified by issuer and subject together."""

    issuer: str
    subject: str


@dataclass(frozen=True, slots=True)
class Account:
    """An account as administrators see it; no password in any form."""

    name: str
    display_name: str
    department: str
    roles: frozenset[Role]
    state: str
    must_change_password: bool
    locked_until: datetime | None
    failures: int
    oidc_subject: OidcSubject | None
    created_at: datetime

    @property
    def person(self) -> AccountHolder:
        """The person whose account this is."""
        return AccountHolder(self.name, self.department, self.roles)


@dataclass(frozen=True, slots=True)
class NewAccount:
    """The data of a new account; raises ``InvalidInput`` for data that no account may have."""

    name: str
    department: str
    roles: frozenset[Role]
    display_name: str = ""
    oidc_subject: OidcSubject | None = None

    def __post_init__(self) -> None:
        check_name(self.name)
        check_roles(self.roles)
        check_visible_line(self.department, "a department", longest=100)
        check_visible_line(self.display_name or self.name, "a shown name")
        if self.oidc_subject is not None:
            check_visible_line(self.oidc_subject.issuer, "an issuer", longest=500)
            check_visible_line(self.oidc_subject.subject, "a subject", longest=255)


def parse_subject(issuer: str | None, subject: str | None) -> OidcSubject | None:
    """A person at a provider, None if both are empty; raises ``InvalidInput`` for one without the other."""
    if not issuer and not subject:
        return None
    if not issuer or not subject:
        raise InvalidInput("Expected an issuer and a subject together; found one of them.", next_step="give both")
    return OidcSubject(issuer, subject)


def check_name(name: str) -> str:
    """``name``; raises ``InvalidInput`` unless it can name an account."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            "Expected an account's name of 2 to 64 small letters, digits, dots, hyphens and underscores, a "
            "letter first; "
            "found something else.",
            next_step="choose a name such as li.wei",
        )
    return name


def parse_roles(words: Iterable[str]) -> frozenset[Role]:
    """Roles by their names; raises ``InvalidInput`` with the known names."""
    try:
        return frozenset(Role(word) for word in words)
    except ValueError:
        raise InvalidInput("Expected roles; found another word.", next_step=f"choose among {', '.join(Role)}") from None


def read_account(row: AccountRow) -> Account:
    """The row as an account."""
    elsewhere = OidcSubject(row.issuer, row.subject) if row.issuer is not None and row.subject is not None else None
    return Account(
        name=row.name,
        display_name=row.shown_name,
        department=row.department,
        roles=parse_roles(json.loads(row.roles)),
        state=row.state,
        must_change_password=row.must_change,
        locked_until=row.locked_until,
        failures=row.failures,
        oidc_subject=elsewhere,
        created_at=row.created_at,
    )


def format_roles(roles: frozenset[Role]) -> str:
    """Roles as JSON for the table."""
    return json.dumps(sorted(roles))


def insert_account(session: Session, new: NewAccount, password: str | None, now: datetime) -> AccountRow:
    """Add the account; raises ``Conflict`` if its name or its person at the provider has one."""
    if session.get(AccountRow, new.name) is not None:
        raise Conflict(f"The account {new.name} exists already.", next_step="choose another name")
    if new.oidc_subject is not None and find_by_subject(session, new.oidc_subject) is not None:
        raise Conflict("This subject of the provider has an account already.", next_step="use that account")
    row = AccountRow(
        name=new.name,
        shown_name=new.display_name or new.name,
        department=new.department,
        roles=format_roles(new.roles),
        password=password,
        must_change=password is not None,
        failures=0,
        locks=0,
        issuer=new.oidc_subject.issuer if new.oidc_subject else None,
        subject=new.oidc_subject.subject if new.oidc_subject else None,
        state=ACTIVE,
        created_at=now,
    )
    session.add(row)
    session.flush()
    return row


def find_by_subject(session: Session, subject: OidcSubject) -> AccountRow | None:
    """The account of a provider's subject."""
    query = select(AccountRow).where(AccountRow.issuer == subject.issuer, AccountRow.subject == subject.subject)
    return session.scalars(query).one_or_none()


def lock_account_row(session: Session, name: str) -> AccountRow:
    """The account's row, locked for a change; raises ``NotFound``."""
    row = find_and_lock_row(session, name)
    if row is None:
        raise NotFound("There is no account by this name.", next_step="see `lab account list`")
    return row


def find_and_lock_row(session: Session, name: str) -> AccountRow | None:
    """The account's row, locked for a change, or None; an impossible name is not looked up."""
    if not _NAME.fullmatch(name):
        return None
    return session.scalars(select(AccountRow).where(AccountRow.name == name).with_for_update()).one_or_none()


def lock_account_rows(session: Session) -> dict[str, AccountRow]:
    """All rows, locked in the order of their names, for a change that reads more than one."""
    query = select(AccountRow).order_by(AccountRow.name).with_for_update()
    return {row.name: row for row in session.scalars(query)}


def check_administrator_left(rows: Iterable[AccountRow]) -> None:
    """Raise ``Conflict`` if none of ``rows`` is an active administrator: nobody could undo the change."""
    if not any(row.state == ACTIVE and Role.ADMINISTRATOR in parse_roles(json.loads(row.roles)) for row in rows):
        raise Conflict(
            "This would leave no administrator who can sign in.", next_step="make another administrator first"
        )
