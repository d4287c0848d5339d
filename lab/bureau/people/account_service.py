"""Accounts as administrators manage them, and sign-ins, each change with its ledger entry.

Every attempt to sign in takes the same steps. First the form of a new password is checked, against what was sent and
nothing else, so that its refusal says nothing about the account. Then the account is read under its row's lock: the
password for an account that is locked, disabled or missing is compared with a dummy hash, so that nothing later can
depend on the real one. Argon2 takes long and holds no lock. Last, the attempt is decided under the lock again. Of many
parallel attempts, only as many are decided as could be one after another; the others find the account locked and learn
nothing, not even that their password was right.

Every refusal (no such account, wrong password, locked, disabled, signs in elsewhere) costs the same work (one
comparison, and one hash if a new password was sent) and gets the same response. The ledger has the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lab.bureau.ledger import BUREAU_ACTOR, Fact, record
from lab.bureau.ledger.rate_limited_entries import STRANGER_ENTRY_LIMIT, Tally, record_or_count
from lab.bureau.people import accounts, sign_ins
from lab.bureau.people.accounts import ACTIVE, DISABLED, Account, NewAccount, OidcSubject
from lab.bureau.people.lockout import (
    FIRST_LOCK,
    MAX_ATTEMPTS,
    NO_ACCOUNT,
    PasswordComparison,
    blocked_reason,
    record_failed_attempt,
    refusal_reason,
    reset_failures,
)
from lab.bureau.people.passwords import Passwords, check_new_password, make_one_time_password
from lab.bureau.people.permissions import AccountHolder, Role, account_actor, check_roles
from lab.bureau.people.sign_ins import SignIn, SignInTokens
from lab.bureau.store import Database
from lab.bureau.store.tables import AccountRow, ContractRow
from lab.terms.errors import Conflict, NotAuthentic, NotFound, ShulabError

_SIGN_IN_STEP = "sign in with `lab account sign-in NAME --service URL`"


class AccountService:
    """Accounts and sign-ins. ``by`` is the actor for the ledger: ``local`` or ``person:<account>``."""

    def __init__(self, store: Database, clock: Callable[[], datetime], passwords: Passwords | None = None) -> None:
        self._store = store
        self._now = clock
        self._passwords = passwords or Passwords()

    def list_accounts(self, *, after: str = "", limit: int | None = None) -> tuple[Account, ...]:
        """The accounts after the name ``after``, by name; at most ``limit``."""
        query = select(AccountRow).where(AccountRow.name > after).order_by(AccountRow.name).limit(limit)
        with self._store.begin_read() as session:
            return tuple(accounts.read_account(row) for row in session.scalars(query))

    def find(self, name: str) -> Account:
        """One account; raises ``NotFound``."""
        with self._store.begin_read() as session:
            row = session.get(AccountRow, name)
            if row is None:
                raise NotFound("There is no account by this name.", next_step="see `lab account list`")
            return accounts.read_account(row)

    def add(self, new: NewAccount, *, by: str) -> str | None:
        """Add an account; returns its one-time password, or None for somebody who signs in elsewhere."""
        password = None if new.oidc_subject else make_one_time_password()
        stored = self._passwords.hash(password) if password else None
        try:
            with self._store.begin() as session:
                accounts.insert_account(session, new, stored, self._now())
                facts: dict[str, Fact] = {"account": new.name, "department": new.department}
                facts |= {"roles": sorted(new.roles), "elsewhere": new.oidc_subject is not None}
                record(session, "account.added", None, facts, by=by)
        except IntegrityError:
            raise Conflict(f"The account {new.name} exists already.", next_step="choose another name") from None
        return password

    def set_roles(self, name: str, roles: frozenset[Role], *, by: str) -> Account:
        """Give an account other roles, from its next request on."""
        check_roles(roles)
        with self._store.begin() as session:
            rows = accounts.lock_account_rows(session)
            row = _of(rows, name)
            before = sorted(accounts.read_account(row).roles)
            row.roles = accounts.format_roles(roles)
            accounts.check_administrator_left(rows.values())
            record(session, "account.changed", None, {"account": name, "roles": sorted(roles), "before": before}, by=by)
            return accounts.read_account(row)

    def disable(self, name: str, *, by: str) -> Account:
        """Disable an account; its sign-ins end."""
        with self._store.begin() as session:
            rows = accounts.lock_account_rows(session)
            row = _of(rows, name)
            if row.state == DISABLED:
                raise Conflict(f"The account {name} is disabled already.", next_step="see `lab account list`")
            row.state = DISABLED
            accounts.check_administrator_left(rows.values())
            ended = sign_ins.end_all(session, name)
            record(session, "account.disabled", None, {"account": name, "ended": ended}, by=by)
            return accounts.read_account(row)

    def enable(self, name: str, *, by: str) -> Account:
        """Enable a disabled account, with its former password."""
        with self._store.begin() as session:
            row = accounts.lock_account_row(session, name)
            if row.state == ACTIVE:
                raise Conflict(f"The account {name} is not disabled.", next_step="see `lab account list`")
            row.state = ACTIVE
            record(session, "account.enabled", None, {"account": name}, by=by)
            return accounts.read_account(row)

    def unlock(self, name: str, *, by: str) -> Account:
        """Reset an account's failures, and end its lock."""
        with self._store.begin() as session:
            row = accounts.lock_account_row(session, name)
            reset_failures(row)
            record(session, "account.unlocked", None, {"account": name}, by=by)
            return accounts.read_account(row)

    def reset_password(self, name: str, *, by: str) -> str:
        """Replace a forgotten password by a one-time password, which is returned; sign-ins end, failures are reset."""
        password = make_one_time_password()
        stored = self._passwords.hash(password)
        with self._store.begin() as session:
            row = accounts.lock_account_row(session, name)
            if row.issuer is not None:
                raise Conflict(
                    f"The account {name} signs in at the OpenID provider and has no password here.",
                    next_step="reset it there",
                )
            row.password, row.must_change = stored, True
            reset_failures(row)
            ended = sign_ins.end_all(session, name)
            record(session, "account.reset", None, {"account": name, "ended": ended}, by=by)
        return password

    def sign_in(self, name: str, password: str, new_password: str | None = None) -> SignInTokens:
        """Sign in, and change the password if a new one is given.

        Raises ``InvalidInput`` for an unacceptable new password, whatever the old one is, and ``NotAuthentic``.
        """
        return self._enter(name, password, new_password, how="password")

    def change_password(self, sign_in: SignIn, password: str, new_password: str) -> SignInTokens:
        """Change the password of a signed-in person; every sign-in of the account ends, and a new one begins.

        The old password is required, and failures count, as for a sign-in.
        """
        return self._enter(sign_in.account.name, password, new_password, how="password change")

    def sign_in_with_oidc(self, subject: OidcSubject) -> SignInTokens:
        """Sign in a person whom the OpenID provider has identified; raises ``NotAuthentic`` without an account."""
        with self._store.begin() as session:
            row = accounts.find_by_subject(session, subject)
            if row is None or row.state != ACTIVE:
                facts: dict[str, Fact] = {"how": "openid", "reason": NO_ACCOUNT if row is None else "disabled"}
                facts |= {"account": row.name} if row is not None else {}
                _record_failed(session, facts, facts, self._now())
                tokens = None
            else:
                tokens = sign_ins.begin(session, row, self._now())
                _record_done(session, row.name, "openid")
        if tokens is None:
            raise NotAuthentic(
                "The provider has identified you, but the bureau has no account for you that is active.",
                next_step="ask an administrator for one",
            )
        return tokens

    def record_oidc_failure(self, detail: str) -> None:
        """Record that a sign-in through the provider failed."""
        with self._store.begin() as session:
            _record_failed(session, {"how": "openid", "reason": detail}, {"how": "openid"}, self._now())

    def find_sign_in(self, token: str) -> SignIn:
        """The sign-in of ``token``, whose activity is recorded; raises ``NotAuthentic``."""
        now = self._now()
        with self._store.begin_read() as session:
            found = sign_ins.find(session, token, now)
        if found is None:
            raise NotAuthentic("You are not signed in, or no longer.", next_step=_SIGN_IN_STEP)
        if now - found.seen_at >= sign_ins.ACTIVITY_INTERVAL:
            with self._store.begin() as session:
                sign_ins.record_activity(session, found.token_sha256, now)
        return found

    def sign_out(self, sign_in: SignIn) -> None:
        """End a sign-in."""
        with self._store.begin() as session:
            if sign_ins.end(session, sign_in.token_sha256):
                facts = {"account": sign_in.account.name}
                record(session, "sign-in.ended", None, facts, by=account_actor(sign_in.account.name))

    def record_refusal(
        self, person: AccountHolder, operation: str, error: ShulabError, contract: str | None = None
    ) -> None:
        """Record that a person was refused; the entry names ``contract`` if it exists."""
        with self._store.begin() as session:
            known = contract if contract is not None and session.get(ContractRow, contract) is not None else None
            about = {"operation": operation, "error": error.code}
            facts = about | {"detail": error.detail}
            # Counted whatever the contract: otherwise the ledger's size would reveal which ids are contracts.
            sort, now = known or "no contract", self._now()
            record_or_count(session, "refused", known, facts, Tally(about, sort=sort), by=person.actor, now=now)

    def _enter(self, name: str, password: str, new_password: str | None, *, how: str) -> SignInTokens:
        if new_password is not None:
            check_new_password(new_password, account=name, old=password)
        stored = self._comparable(name)
        checked = PasswordComparison(stored, self._passwords.verify(stored, password))
        fresh = self._passwords.hash(new_password) if new_password is not None else None
        tokens: SignInTokens | None = None
        with self._store.begin() as session:
            row, now = accounts.find_and_lock_row(session, name), self._now()
            reason = refusal_reason(row, checked, now)
            if row is None or reason:
                record_failed_attempt(session, row, reason, how, now)
            else:
                tokens = _begin_sign_in(session, row, fresh, now)
                _record_done(session, name, how)
        if tokens is None:
            raise NotAuthentic(
                "Account and password do not match, or the account cannot be used now: "
                f"after {MAX_ATTEMPTS} failures it is locked, for {int(FIRST_LOCK.total_seconds() // 60)} "
                "minutes at first.",
                next_step="check both, wait, or ask an administrator",
            )
        if stored is not None and fresh is None and self._passwords.needs_rehash(stored):
            self._make_anew(name, stored, password)
        return tokens

    def _comparable(self, name: str) -> str | None:
        """The hash to compare this account's password with; None if no password is accepted now."""
        with self._store.begin() as session:
            row = accounts.find_and_lock_row(session, name)
            return row.password if row is not None and not blocked_reason(row, self._now()) else None

    def _make_anew(self, name: str, stored: str, password: str) -> None:
        """Replace a hash of older parameters, after its password was accepted."""
        fresh = self._passwords.hash(password)
        with self._store.begin() as session:
            row = accounts.find_and_lock_row(session, name)
            if row is not None and row.password == stored:
                row.password = fresh


def _of(rows: dict[str, AccountRow], name: str) -> AccountRow:
    if name not in rows:
        raise NotFound("There is no account by this name.", next_step="see `lab account list`")
    return rows[name]


def _begin_sign_in(session: Session, row: AccountRow, new_hash: str | None, now: datetime) -> SignInTokens:
    """Begin a sign-in; a new password ends all others."""
    reset_failures(row)
    if new_hash is None:
        return sign_ins.begin(session, row, now)
    row.password, row.must_change = new_hash, False
    ended = sign_ins.end_all(session, row.name)
    tokens = sign_ins.begin(session, row, now)
    record(session, "password.changed", None, {"account": row.name, "ended": ended}, by=account_actor(row.name))
    return tokens


def _record_done(session: Session, name: str, how: str) -> None:
    record(session, "sign-in.done", None, {"account": name, "how": how}, by=account_actor(name))


def _record_failed(session: Session, facts: dict[str, Fact], about: dict[str, Fact], now: datetime) -> None:
    tally = Tally(about, first=STRANGER_ENTRY_LIMIT)
    record_or_count(session, "sign-in.failed", None, facts, tally, by=BUREAU_ACTOR, now=now)
