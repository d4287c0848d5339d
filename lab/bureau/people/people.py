"""The room's door: accounts as administrators keep them, and signing in, each change with its ledger entry.

A password is checked before its transaction and judged inside it: Argon2 takes long and holds no lock, and the count of
failures is read and raised under the row's lock. Of many tries at once only as many are judged as would be one after
another; the rest find the account locked and learn nothing, not even that they were right.

Whatever keeps somebody out (no such account, wrong password, locked, disabled, signs in elsewhere) costs the same work
and gets the same answer. The ledger has the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lab.bureau.ledger import Fact, record
from lab.bureau.people import accounts, sign_ins
from lab.bureau.people.accounts import ACTIVE, DISABLED, Account, NewAccount, Subject
from lab.bureau.people.judging import FIRST_LOCK, TRIES, Checked, record_failure, why_not
from lab.bureau.people.passwords import Passwords, check_new, make_one_time
from lab.bureau.people.roles import Person, Role, by_account, check_roles
from lab.bureau.people.sign_ins import SignIn, Tokens
from lab.bureau.store import Store
from lab.bureau.store.tables import AccountRow, ContractRow
from lab.terms.errors import Conflict, NotAuthentic, NotFound, ShulabError

_AGAIN = "sign in with `lab account sign-in NAME --service URL`"


class People:
    """Accounts and sign-ins. ``by`` is who does it, as the ledger has it: ``local`` or ``person:<account>``."""

    def __init__(self, store: Store, clock: Callable[[], datetime], passwords: Passwords | None = None) -> None:
        self._store = store
        self._now = clock
        self._passwords = passwords or Passwords()

    def list(self) -> tuple[Account, ...]:
        """All accounts, by name."""
        with self._store.read() as session:
            return tuple(accounts.read(row) for row in session.scalars(select(AccountRow).order_by(AccountRow.name)))

    def find(self, name: str) -> Account:
        """One account; raises ``NotFound``."""
        with self._store.read() as session:
            row = session.get(AccountRow, name)
            if row is None:
                raise NotFound("There is no account by this name.", next_step="see `lab account list`")
            return accounts.read(row)

    def add(self, new: NewAccount, *, by: str) -> str | None:
        """Add an account; returns its one-time password, or None for somebody who signs in elsewhere."""
        password = None if new.elsewhere else make_one_time()
        stored = self._passwords.hash(password) if password else None
        try:
            with self._store.begin() as session:
                accounts.insert(session, new, stored, self._now())
                facts: dict[str, Fact] = {"account": new.name, "department": new.department}
                facts |= {"roles": sorted(new.roles), "elsewhere": new.elsewhere is not None}
                record(session, "account.added", None, facts, by=by)
        except IntegrityError:
            raise Conflict(f"The account {new.name} exists already.", next_step="choose another name") from None
        return password

    def set_roles(self, name: str, roles: frozenset[Role], *, by: str) -> Account:
        """Give an account other roles, from its next request on."""
        check_roles(roles)
        with self._store.begin() as session:
            rows = accounts.lock_all(session)
            row = _of(rows, name)
            before = sorted(accounts.read(row).roles)
            row.roles = accounts.write_roles(roles)
            accounts.check_administrator_left(rows.values())
            record(session, "account.changed", None, {"account": name, "roles": sorted(roles), "before": before}, by=by)
            return accounts.read(row)

    def disable(self, name: str, *, by: str) -> Account:
        """Shut an account; its sign-ins end with it."""
        with self._store.begin() as session:
            rows = accounts.lock_all(session)
            row = _of(rows, name)
            if row.state == DISABLED:
                raise Conflict(f"The account {name} is disabled already.", next_step="see `lab account list`")
            row.state = DISABLED
            accounts.check_administrator_left(rows.values())
            ended = sign_ins.end_all(session, name)
            record(session, "account.disabled", None, {"account": name, "ended": ended}, by=by)
            return accounts.read(row)

    def enable(self, name: str, *, by: str) -> Account:
        """Open a disabled account again, with the password it had."""
        with self._store.begin() as session:
            row = accounts.lock(session, name)
            if row.state == ACTIVE:
                raise Conflict(f"The account {name} is not disabled.", next_step="see `lab account list`")
            row.state = ACTIVE
            record(session, "account.enabled", None, {"account": name}, by=by)
            return accounts.read(row)

    def unlock(self, name: str, *, by: str) -> Account:
        """Forget an account's failures before its lock ends by itself."""
        with self._store.begin() as session:
            row = accounts.lock(session, name)
            row.failures, row.locked_until = 0, None
            record(session, "account.unlocked", None, {"account": name}, by=by)
            return accounts.read(row)

    def reset(self, name: str, *, by: str) -> str:
        """Replace a forgotten password by a one-time one, which is returned; sign-ins end, failures are forgotten."""
        password = make_one_time()
        stored = self._passwords.hash(password)
        with self._store.begin() as session:
            row = accounts.lock(session, name)
            if row.issuer is not None:
                raise Conflict(
                    f"The account {name} signs in at the OpenID provider and has no password here.",
                    next_step="reset it there",
                )
            row.password, row.must_change = stored, True
            row.failures, row.locked_until = 0, None
            ended = sign_ins.end_all(session, name)
            record(session, "account.reset", None, {"account": name, "ended": ended}, by=by)
        return password

    def sign_in(self, name: str, password: str, new_password: str | None = None) -> Tokens:
        """Sign in, changing the password on the way if a new one is given; raises ``NotAuthentic``."""
        return self._enter(name, password, new_password, how="password")

    def change_password(self, sign_in: SignIn, password: str, new_password: str) -> Tokens:
        """Change the password of one who has signed in; every sign-in of the account ends and one begins.

        The old password is asked for, and its failures count, as at signing in.
        """
        return self._enter(sign_in.account.name, password, new_password, how="password change")

    def sign_in_elsewhere(self, subject: Subject) -> Tokens:
        """Sign in one whom the OpenID provider has identified; raises ``NotAuthentic`` for one without an account."""
        with self._store.begin() as session:
            row = accounts.by_subject(session, subject)
            if row is None or row.state != ACTIVE:
                reason = "no account" if row is None else "disabled"
                facts = {"reason": reason} | ({"account": row.name} if row else {})
                record(session, "sign-in.failed", None, facts | {"how": "openid"}, by="bureau")
                tokens = None
            else:
                tokens = sign_ins.begin(session, row, self._now())
                _record_done(session, row.name, "openid")
        if tokens is None:
            raise NotAuthentic(
                "The provider knows you; the bureau has no account for you that may be used.",
                next_step="ask an administrator for one",
            )
        return tokens

    def record_failure(self, detail: str) -> None:
        """Write down that the provider, or what came from it, let nobody in."""
        with self._store.begin() as session:
            record(session, "sign-in.failed", None, {"how": "openid", "reason": detail}, by="bureau")

    def whose(self, token: str) -> SignIn:
        """The sign-in of ``token``, which is noted as being in use; raises ``NotAuthentic``."""
        now = self._now()
        with self._store.read() as session:
            found = sign_ins.find(session, token, now)
        if found is None:
            raise NotAuthentic("You are not signed in, or no longer.", next_step=_AGAIN)
        if now - found.seen_at >= sign_ins.NOTED:
            with self._store.begin() as session:
                sign_ins.note_seen(session, found.token_sha256, now)
        return found

    def sign_out(self, sign_in: SignIn) -> None:
        """End a sign-in."""
        with self._store.begin() as session:
            if sign_ins.end(session, sign_in.token_sha256):
                facts = {"account": sign_in.account.name}
                record(session, "sign-in.ended", None, facts, by=by_account(sign_in.account.name))

    def record_refusal(self, person: Person, operation: str, error: ShulabError, contract: str | None = None) -> None:
        """Write down that a person was refused; ``contract`` goes into the entry if there is such a one."""
        with self._store.begin() as session:
            known = contract if contract is not None and session.get(ContractRow, contract) is not None else None
            facts = {"operation": operation, "error": error.code, "detail": error.detail}
            record(session, "refused", known, facts, by=person.by)

    def _enter(self, name: str, password: str, new_password: str | None, *, how: str) -> Tokens:
        checked = self._check(name, password)
        if checked.fits and new_password is not None:
            check_new(new_password, account=name, old=password)
        fresh: str | None = None
        if checked.fits and checked.stored is not None:
            if new_password is not None:
                fresh = self._passwords.hash(new_password)
            elif self._passwords.outdated(checked.stored):
                fresh = self._passwords.hash(password)
        tokens: Tokens | None = None
        with self._store.begin() as session:
            row, now = accounts.find_locked(session, name), self._now()
            reason = why_not(row, checked, now)
            if row is None or reason:
                record_failure(session, row, reason, how, now)
            else:
                row.failures, row.locked_until = 0, None
                row.password = fresh or row.password
                if new_password is not None:
                    row.must_change = False
                    ended = sign_ins.end_all(session, name)
                tokens = sign_ins.begin(session, row, now)
                if new_password is not None:
                    record(session, "password.changed", None, {"account": name, "ended": ended}, by=by_account(name))
                _record_done(session, name, how)
        if tokens is None:
            raise NotAuthentic(
                "Account and password do not fit, or the account cannot be used now: "
                f"after {TRIES} failures it is locked, for {int(FIRST_LOCK.total_seconds() // 60)} minutes at first.",
                next_step="check both, wait, or ask an administrator",
            )
        return tokens

    def _check(self, name: str, password: str) -> Checked:
        with self._store.read() as session:
            row = session.get(AccountRow, name)
            stored = row.password if row is not None else None
        return Checked(stored, self._passwords.fits(stored, password))


def _of(rows: dict[str, AccountRow], name: str) -> AccountRow:
    if name not in rows:
        raise NotFound("There is no account by this name.", next_step="see `lab account list`")
    return rows[name]


def _record_done(session: Session, name: str, how: str) -> None:
    record(session, "sign-in.done", None, {"account": name, "how": how}, by=by_account(name))
