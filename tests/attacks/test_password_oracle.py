"""A stranger who guesses passwords wants to hear that a guess was right, also of an account that is locked or disabled.

Heard once, the password opens the account as soon as its lock ends, and everything else where it is used again. What
stops them: the form of a new password is judged before the old one and apart from it; an account that lets nobody in is
compared with nothing; and whatever keeps a try out gets one answer and costs one amount of work.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy

from lab.bureau.bureau import Bureau
from lab.bureau.configuration.home import BureauHome
from lab.bureau.key_management.keys import BureauKeys
from lab.bureau.ledger.rate_limited_entries import TALLY_WINDOW, close_tallies
from lab.bureau.people import Account, AccountService, NewAccount, OidcSubject, Role, SignInTokens
from lab.bureau.people.lockout import FIRST_LOCK, MAX_ATTEMPTS, PasswordComparison
from lab.bureau.people.passwords import MIN_LENGTH, check_new_password
from lab.bureau.people.sign_ins import IDLE_TIMEOUT
from lab.bureau.store.tables import AccountRow, LedgerEntryRow
from lab.terms.errors import NotAuthentic
from sandbox.app import create_app
from sandbox.oidc.pending_sign_ins import PendingSignIns
from sandbox.settings import load_settings
from tests.support.bureau_scene import Clock
from tests.support.password_guesses import GOOD, OTHER, WRONG, Counting, failed_tries

pytestmark = pytest.mark.threat(
    "Password oracle",
    who="a stranger",
    wants="to learn that a guessed password is right although the account is locked or disabled",
    stopped_by={
        "no comparison": (
            "A new password is validated first and by itself. For a locked or disabled account it is not "
            "compared. Response and work are the same in every case."
        ),
    },
    code=["lab.bureau.people"],
)

SHUT = ("unknown", "NOT A NAME", "locked", "disabled", "elsewhere", "locked-and-disabled", "locked-one-time")
OPEN = ("active", "one-time")
FORMS: dict[str, dict[str, Any]] = {
    "sign in": {},
    "too short a new one": {"new_password": "short"},
    "too long a new one": {"new_password": "x" * 201},
    "a good new one": {"new_password": OTHER},
    "a new one that is the old one": {"new_password": None},
    "for a browser": {"cookie": True},
    "for a browser, with a new one": {"cookie": True, "new_password": OTHER},
}
RANDOM = ("x-request-id", "date")
"""Headers that differ between any two answers; of the body it is ``instance``, the same id."""


class OfBefore(AccountService):
    """Judges as it did before: the new password's form is looked at once the old one was found right."""

    def _enter(self, name: str, password: str, new_password: str | None, *, how: str) -> SignInTokens:
        with self._store.begin_read() as session:
            row = session.get(AccountRow, name)
            stored = row.password if row is not None else None
        checked = PasswordComparison(stored, self._passwords.verify(stored, password))
        if checked.matches and new_password is not None:
            check_new_password(new_password, account=name, old=password)
            self._passwords.hash(new_password)
        if new_password is not None and len(new_password) < MIN_LENGTH:
            new_password = OTHER  # the old one did not fit, and that is the answer
        return super()._enter(name, password, new_password, how=how)


class Door:
    """A service in this process, accounts in every state, and a stranger before it."""

    def __init__(self, home: Path, migrated: Path, kind: type[AccountService]) -> None:
        BureauKeys.create(BureauHome.create(home, name="Test bureau"))
        shutil.copyfile(migrated, home / "bureau.db")
        self.bureau = Bureau.open(home)
        self.passwords, self.clock = Counting(), Clock()
        self.people = self.bureau.accounts = kind(self.bureau.store, self.clock, self.passwords)
        self.people.add(NewAccount("root", "it", frozenset({Role.ADMINISTRATOR})), by="local")
        self.right: dict[str, str] = {}
        for name in ("active", "locked", "disabled", "locked-and-disabled"):
            self.people.sign_in(name, self._add(name), GOOD)
            self.right[name] = GOOD
        for name in ("one-time", "locked-one-time"):
            self.right[name] = self._add(name)
        self._add("elsewhere", OidcSubject("https://id.example", "1"))
        for name in ("locked", "locked-and-disabled", "locked-one-time"):
            self.lock(name)
        for name in ("disabled", "locked-and-disabled"):
            self.people.disable(name, by="local")
        self._app = create_app(self.bureau, load_settings(home))

    def _add(self, name: str, elsewhere: OidcSubject | None = None) -> str:
        new = NewAccount(name, "credit", frozenset({Role.OFFICER}), "", elsewhere)
        return self.people.add(new, by="local") or ""

    def lock(self, name: str) -> None:
        for _ in range(MAX_ATTEMPTS):
            with pytest.raises(NotAuthentic):
                self.people.sign_in(name, WRONG)

    def account(self, name: str) -> Account:
        return self.people.find(name)

    def ask(self, name: str, password: str, form: dict[str, Any]) -> tuple[int, str, tuple[tuple[str, str], ...]]:
        """The answer to one request: status, body and headers, without what is random in any answer."""
        body = {"name": name, "password": password} | form
        if "new_password" in form and form["new_password"] is None:
            body["new_password"] = password
        self.passwords.work.clear()
        answer = self.post("/v1/sign-in", body, origin="http://bureau")
        told = answer.json()
        told.pop("instance", None)
        headers = tuple(sorted((name, value) for name, value in answer.headers.items() if name not in RANDOM))
        return answer.status_code, json.dumps(told, sort_keys=True), headers

    def post(self, path: str, body: dict[str, Any], **headers: str) -> httpx.Response:
        """One request to the service."""

        async def post() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://bureau", headers=headers) as client:
                return await client.post(path, json=body)

        return asyncio.run(post())

    @property
    def work(self) -> tuple[str, ...]:
        """The Argon2 calls of the last request: which, with which parameters."""
        return tuple(self.passwords.work)


@pytest.fixture
def door(tmp_path: Path, migrated_file: Path) -> Iterator[Door]:
    made = Door(tmp_path / "bureau", migrated_file, AccountService)
    yield made
    made.bureau.close()


@pytest.fixture
def door_of_before(tmp_path: Path, migrated_file: Path) -> Iterator[Door]:
    made = Door(tmp_path / "bureau", migrated_file, OfBefore)
    yield made
    made.bureau.close()


@pytest.mark.without_control("no comparison")
@pytest.mark.parametrize("state", ["locked", "disabled"])
def test_judged_in_the_old_order_the_password_of_a_shut_account_is_confirmed(door_of_before: Door, state: str) -> None:
    short = FORMS["too short a new one"]
    assert door_of_before.ask(state, WRONG, short)[0] == 401
    assert door_of_before.ask(state, GOOD, short)[0] == 422, "the guesser has the password"
    door_of_before.ask(state, WRONG, FORMS["a good new one"])
    wrong = door_of_before.work
    door_of_before.ask(state, GOOD, FORMS["a good new one"])
    assert len(door_of_before.work) == len(wrong) + 1, "and the time it takes tells the same"


@pytest.mark.with_control("no comparison")
@pytest.mark.parametrize("form", FORMS)
def test_no_answer_and_no_work_tells_a_right_password_of_a_shut_account(door: Door, form: str) -> None:
    """Every state that lets nobody in, with a right and a wrong password, and an open one with a wrong password."""
    answers, work = {}, {}
    for state in (*SHUT, *OPEN):
        for password in (WRONG, *([door.right.get(state, GOOD)] if state in SHUT else [])):
            answers[state, password] = door.ask(state, password, FORMS[form])
            work[state, password] = door.work
    assert len(set(answers.values())) == 1, answers
    assert len(set(work.values())) == 1, work
    status, _, headers = answers["locked", WRONG]
    malformed = form in ("too short a new one", "too long a new one", "a new one that is the old one")
    assert status == (422 if malformed else 401)
    calls = [call.split()[0] for call in work["locked", WRONG]]
    assert calls == ([] if malformed else ["verify", "hash"] if "new_password" in FORMS[form] else ["verify"])
    assert not {"retry-after", "set-cookie"} & {name for name, _ in headers}


@pytest.mark.with_control("no comparison")
@pytest.mark.parametrize("form", ["too short a new one", "too long a new one", "a new one that is the old one"])
@pytest.mark.parametrize("state", OPEN)
def test_a_new_password_that_is_none_is_refused_alike_for_right_and_wrong_ones(
    door: Door, state: str, form: str
) -> None:
    assert door.ask(state, WRONG, FORMS[form]) == door.ask(state, door.right[state], FORMS[form])
    assert not door.work, "nothing was compared"
    assert door.account(state).failures == 0


@pytest.mark.with_control("no comparison")
def test_the_password_is_not_confirmed_where_it_is_changed_either(door: Door) -> None:
    """The same at ``/v1/me/password``, for whoever holds a sign-in (a stolen one, say) and guesses the password."""
    token = door.people.sign_in("active", GOOD).token
    told = []
    for locked in (False, True):
        if locked:
            door.lock("active")
        for password in (WRONG, GOOD):
            form = {"password": password, "new_password": "short"}
            answer = door.post("/v1/me/password", form, authorization=f"Bearer {token}")
            told.append((answer.status_code, answer.json()["detail"]))
    assert len(set(told)) == 1 and told[0][0] == 422
    works = []
    for password in (WRONG, GOOD):
        door.passwords.work.clear()
        form = {"password": password, "new_password": OTHER}
        answer = door.post("/v1/me/password", form, authorization=f"Bearer {token}")
        works.append((answer.status_code, door.work))
    assert works[0] == works[1] and works[0][0] == 401


def test_a_token_that_never_was_and_one_that_has_ended_get_one_answer(door: Door) -> None:
    """Tokens that were stolen and have ended: nobody hears whether one was right once, and whose."""
    people, clock = door.people, door.clock
    ended = people.sign_in("active", GOOD).token
    people.sign_out(people.find_sign_in(ended))
    idle = people.sign_in("active", GOOD).token
    clock.now += IDLE_TIMEOUT
    disabled = people.sign_in("active", GOOD).token
    people.disable("active", by="local")
    told = set()
    for token in (ended, idle, disabled, "never-was", "x" * 43):
        for path in ("/v1/me/password", "/v1/sign-out"):
            body = {"password": GOOD, "new_password": OTHER}
            door.passwords.work.clear()
            answer = door.post(path, body, authorization=f"Bearer {token}")
            found = {name: part for name, part in answer.json().items() if name != "instance"}
            headers = sorted((name, value) for name, value in answer.headers.items() if name not in RANDOM)
            told.add(json.dumps([answer.status_code, found, headers], sort_keys=True))
            assert not door.work
    assert len(told) == 1 and "401" in told.pop()


def test_a_code_that_is_spent_and_one_that_never_was_are_one(door: Door) -> None:
    """The one-time codes of an OpenID sign-in: neither tells that it was right, nor that the verifier was wrong."""
    waiting = PendingSignIns()
    tokens = door.people.sign_in("active", GOOD)
    challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"  # RFC 7636, appendix B
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    code = waiting.issue_code(tokens, challenge)
    assert waiting.redeem_code(code, "k" * 43) is None, "the verifier was wrong, and the code is spent"
    assert waiting.redeem_code(code, verifier) is None
    assert waiting.redeem_code("never-was", verifier) is None
    assert waiting.redeem_code(waiting.issue_code(tokens, challenge), verifier) is tokens


def test_tries_while_locked_count_and_neither_prolong_nor_lengthen_a_lock(door: Door) -> None:
    """Or a stranger with one request a day would keep an officer out for ever."""
    before = door.account("locked")
    for password in (WRONG, GOOD) * 20:
        with pytest.raises(NotAuthentic):
            door.people.sign_in("locked", password)
    after = door.account("locked")
    assert after.locked_until == before.locked_until
    assert after.failures == before.failures + 40
    door.clock.now += FIRST_LOCK
    with pytest.raises(NotAuthentic):
        door.people.sign_in("locked", WRONG)
    assert door.account("locked").locked_until == door.clock.now + 2 * FIRST_LOCK, "twice the first, whatever was tried"
    door.clock.now += 2 * FIRST_LOCK
    assert door.people.sign_in("locked", GOOD).account.failures == 0
    assert failed_tries(door.bureau.store, door.clock.now)["locked"] == 40


def test_what_is_written_of_a_locked_account_does_not_depend_on_the_guess(door: Door) -> None:
    told, store = [], door.bureau.store
    for password in (WRONG, door.right["locked"]):
        door.people.unlock("locked", by="local")
        close_tallies(store, door.clock.now + TALLY_WINDOW)
        door.lock("locked")
        with pytest.raises(NotAuthentic):
            door.people.sign_in("locked", password)
        close_tallies(store, door.clock.now + TALLY_WINDOW)
        with store.begin_read() as session:
            last = session.scalars(sqlalchemy.select(LedgerEntryRow).order_by(LedgerEntryRow.seq.desc()).limit(1)).one()
            told.append(json.loads(last.body)["facts"])
    assert told[0] == told[1] and told[0]["of"] == ["locked: locked: 1"]
