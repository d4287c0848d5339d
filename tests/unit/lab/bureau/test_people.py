"""Accounts, passwords, lock-out and sign-ins, on both databases, by a clock that tests move."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy
from argon2 import extract_parameters
from argon2.profiles import RFC_9106_LOW_MEMORY

from lab.bureau.people import Account, AccountService, NewAccount, OidcSubject, Passwords, Role, SignInTokens
from lab.bureau.people.lockout import FIRST_LOCK, LONGEST_LOCK, MAX_ATTEMPTS
from lab.bureau.people.passwords import check_new_password, make_one_time_password
from lab.bureau.people.sign_ins import IDLE_TIMEOUT, MAX_LIFETIME
from lab.bureau.store import Database
from lab.bureau.store.tables import AccountRow, Base, LedgerEntryRow, SignInRow
from lab.terms.errors import Conflict, InvalidInput, NotAllowed, NotAuthentic, NotFound
from tests.support.bureau_scene import Clock
from tests.support.password_guesses import CHEAP, GOOD, OTHER, WRONG, Counting, failed_tries, locks


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def passwords() -> Counting:
    return Counting()


@pytest.fixture
def people(store: Database, clock: Clock, passwords: Counting) -> AccountService:
    made = AccountService(store, clock, passwords)
    made.add(NewAccount("root", "it", frozenset({Role.ADMINISTRATOR})), by="local")
    return made


@pytest.fixture
def officer(people: AccountService) -> Account:
    """An officer whose password is ``GOOD``."""
    return settle(people, "li.wei", Role.OFFICER)


def settle(people: AccountService, name: str, *roles: Role) -> Account:
    first = people.add(NewAccount(name, "credit", frozenset(roles), "李伟"), by="person:root")
    assert first is not None
    return people.sign_in(name, first, GOOD).account


def entries(store: Database) -> list[tuple[str, dict]]:
    with store.begin_read() as session:
        rows = session.scalars(sqlalchemy.select(LedgerEntryRow).order_by(LedgerEntryRow.seq))
        return [(row.kind, json.loads(row.body)) for row in rows]


def facts(store: Database, kind: str) -> list[dict]:
    return [body["facts"] for found, body in entries(store) if found == kind]


def row(store: Database, name: str) -> AccountRow:
    with store.begin_read() as session:
        found = session.get(AccountRow, name)
        assert found is not None
        return found


def test_a_one_time_password_is_changed_at_the_first_sign_in(people: AccountService, store: Database) -> None:
    first = people.add(NewAccount("li.wei", "credit", frozenset({Role.OFFICER})), by="local")
    assert first is not None and len(first) >= 20
    tokens = people.sign_in("li.wei", first)
    assert tokens.account.must_change_password
    for bad in ("short", first, "x" * 201, "li.wei-li.wei"):
        with pytest.raises(InvalidInput):
            people.change_password(people.find_sign_in(tokens.token), first, bad)
    changed = people.change_password(people.find_sign_in(tokens.token), first, GOOD)
    assert not changed.account.must_change_password
    with pytest.raises(NotAuthentic):
        people.find_sign_in(tokens.token)  # of before the change
    assert people.find_sign_in(changed.token).account.name == "li.wei"
    with pytest.raises(NotAuthentic):
        people.sign_in("li.wei", first)
    kinds = [kind for kind, _ in entries(store)]
    assert kinds == [
        *("account.added", "account.added", "sign-in.done", "password.changed", "sign-in.done", "sign-in.failed"),
    ]


def test_a_password_can_be_changed_while_signing_in(people: AccountService, officer: Account) -> None:
    assert not officer.must_change_password
    assert not people.sign_in("li.wei", GOOD, OTHER).account.must_change_password
    people.sign_in("li.wei", OTHER)
    with pytest.raises(InvalidInput):
        people.sign_in("li.wei", OTHER, OTHER)


def test_after_five_failures_the_account_is_locked_and_longer_each_time(
    people: AccountService, officer: Account, store: Database, clock: Clock
) -> None:
    for _ in range(MAX_ATTEMPTS):
        with pytest.raises(NotAuthentic) as wrong:
            people.sign_in("li.wei", WRONG)
    with pytest.raises(NotAuthentic) as locked:
        people.sign_in("li.wei", GOOD)
    assert str(locked.value) == str(wrong.value), "nobody learns that the password was right"
    assert failed_tries(store, clock.now) == {"password": MAX_ATTEMPTS, "locked": 1}
    lock = FIRST_LOCK
    for _ in range(10):
        assert row(store, "li.wei").locked_until == clock.now + lock
        clock.now += lock - timedelta(seconds=1)
        with pytest.raises(NotAuthentic):
            people.sign_in("li.wei", GOOD)
        clock.now += timedelta(seconds=1)
        with pytest.raises(NotAuthentic):
            people.sign_in("li.wei", WRONG)
        lock = min(lock * 2, LONGEST_LOCK)
    clock.now += lock
    people.sign_in("li.wei", GOOD)
    assert row(store, "li.wei").failures == 0
    assert locks(store, clock.now)[:3] == [900, 1800, 3600]


def test_an_administrator_ends_a_lock(people: AccountService, officer: Account, store: Database) -> None:
    for _ in range(MAX_ATTEMPTS):
        with pytest.raises(NotAuthentic):
            people.sign_in("li.wei", WRONG)
    people.unlock("li.wei", by="person:root")
    people.sign_in("li.wei", GOOD)
    assert facts(store, "account.unlocked") == [{"account": "li.wei"}]


@pytest.mark.parametrize("right", [False, True])
def test_parallel_tries_are_judged_one_after_another(
    people: AccountService, officer: Account, store: Database, clock: Clock, right: bool
) -> None:
    """Forty at once are no more tries than five: the rest find the account locked, right or wrong."""
    tries = [WRONG] * 40
    tries[39:] = [GOOD] if right else [WRONG]
    start = threading.Barrier(len(tries))

    def go(password: str) -> bool:
        start.wait()
        try:
            people.sign_in("li.wei", password)
        except NotAuthentic:
            return False
        return True

    with ThreadPoolExecutor(len(tries)) as pool:
        let_in = sum(pool.map(go, tries))
    failed = failed_tries(store, clock.now)
    # A right one among the first ones begins the count anew, once.
    assert let_in <= (1 if right else 0)
    assert failed["password"] <= MAX_ATTEMPTS * (1 + let_in)
    assert sum(failed.values()) + let_in == len(tries), "every try is in the ledger, alone or in a number"
    assert locks(store, clock.now) == [900]
    with pytest.raises(NotAuthentic):
        people.sign_in("li.wei", GOOD)


def test_an_unknown_name_costs_the_same_work_and_gets_the_same_answer(
    people: AccountService, officer: Account, passwords: Counting, store: Database, clock: Clock
) -> None:
    people.add(NewAccount("far", "credit", frozenset({Role.OFFICER}), "", OidcSubject("https://id", "1")), by="local")
    settle(people, "gone", Role.STEWARD)
    people.disable("gone", by="person:root")
    told, work = [], []
    for name in ("li.wei", "nobody", "gone", "far", "NOT A NAME", ""):
        for password in (WRONG, GOOD if name != "li.wei" else WRONG, "x" * 1000):
            passwords.work.clear()
            with pytest.raises(NotAuthentic) as refused:
                people.sign_in(name, password)
            told.append(str(refused.value))
            work.append(tuple(passwords.work))
    assert len(set(told)) == 1
    assert len(set(work)) == 1 and len(work[0]) == 1 and work[0][0].startswith("verify")
    assert set(failed_tries(store, clock.now)) == {"password", "no account", "disabled", "signs in elsewhere"}
    assert not [found for found in facts(store, "sign-in.failed") if "NOT A NAME" in str(found)]


def test_hashes_are_argon2id_of_rfc_9106_and_follow_its_parameters(
    store: Database, clock: Clock, people: AccountService, officer: Account
) -> None:
    before = row(store, "li.wei").password
    assert before and extract_parameters(before).memory_cost == CHEAP.memory_cost
    stronger = AccountService(store, clock)
    stronger.sign_in("li.wei", GOOD)
    after = row(store, "li.wei").password
    assert after and after.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert extract_parameters(after) == RFC_9106_LOW_MEMORY
    stronger.sign_in("li.wei", GOOD)
    assert row(store, "li.wei").password == after, "only a change of parameters makes a new hash"


def test_a_password_changed_while_it_was_compared_lets_nobody_in(
    people: AccountService, officer: Account, passwords: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits = passwords.verify

    def slow(stored: str | None, password: str) -> bool:
        found = fits(stored, password)
        monkeypatch.setattr(passwords, "verify", fits)
        people.reset_password("li.wei", by="person:root")
        return found

    monkeypatch.setattr(passwords, "verify", slow)
    with pytest.raises(NotAuthentic):
        people.sign_in("li.wei", GOOD)


@pytest.mark.property(
    "Sign-ins end",
    claim="A sign-in ends when it is idle, after 12 hours, and when its account is disabled.",
    topic="keys and people",
    code=["lab.bureau.people.sign_ins"],
)
def test_a_sign_in_ends_when_idle_and_in_any_case(people: AccountService, officer: Account, clock: Clock) -> None:
    idle = people.sign_in("li.wei", GOOD)
    clock.now += IDLE_TIMEOUT - timedelta(seconds=1)
    people.find_sign_in(idle.token)
    clock.now += IDLE_TIMEOUT
    with pytest.raises(NotAuthentic):
        people.find_sign_in(idle.token)
    busy = people.sign_in("li.wei", GOOD)
    end = clock.now + MAX_LIFETIME
    while clock.now + IDLE_TIMEOUT / 2 < end:
        clock.now += IDLE_TIMEOUT / 2
        assert people.find_sign_in(busy.token).account.name == "li.wei"
    clock.now = end
    with pytest.raises(NotAuthentic):
        people.find_sign_in(busy.token)


def test_sign_ins_that_are_over_are_cleared_away(
    people: AccountService, officer: Account, store: Database, clock: Clock
) -> None:
    people.sign_in("li.wei", GOOD)
    clock.now += MAX_LIFETIME
    people.sign_in("li.wei", GOOD)
    with store.begin_read() as session:
        assert session.scalar(sqlalchemy.select(sqlalchemy.func.count()).select_from(SignInRow)) == 1


def test_signing_out_ends_one_sign_in(people: AccountService, officer: Account, store: Database) -> None:
    one, other = people.sign_in("li.wei", GOOD), people.sign_in("li.wei", GOOD)
    people.sign_out(people.find_sign_in(one.token))
    with pytest.raises(NotAuthentic):
        people.find_sign_in(one.token)
    people.find_sign_in(other.token)
    assert facts(store, "sign-in.ended") == [{"account": "li.wei"}]


def test_a_disabled_account_is_out_at_once_and_comes_back_with_its_password(
    people: AccountService, officer: Account
) -> None:
    tokens = people.sign_in("li.wei", GOOD)
    people.disable("li.wei", by="person:root")
    for refused in (lambda: people.find_sign_in(tokens.token), lambda: people.sign_in("li.wei", GOOD)):
        with pytest.raises(NotAuthentic):
            refused()
    with pytest.raises(Conflict):
        people.disable("li.wei", by="person:root")
    people.enable("li.wei", by="person:root")
    with pytest.raises(NotAuthentic):
        people.find_sign_in(tokens.token)
    people.sign_in("li.wei", GOOD)


def test_a_reset_ends_sign_ins_and_gives_a_one_time_password(people: AccountService, officer: Account) -> None:
    tokens = people.sign_in("li.wei", GOOD)
    first = people.reset_password("li.wei", by="person:root")
    with pytest.raises(NotAuthentic):
        people.find_sign_in(tokens.token)
    with pytest.raises(NotAuthentic):
        people.sign_in("li.wei", GOOD)
    assert people.sign_in("li.wei", first).account.must_change_password


def test_roles_change_with_the_next_request_and_an_administrator_stays(
    people: AccountService, officer: Account
) -> None:
    tokens = people.sign_in("li.wei", GOOD)
    people.set_roles("li.wei", frozenset({Role.STEWARD}), by="person:root")
    assert people.find_sign_in(tokens.token).account.roles == {Role.STEWARD}
    with pytest.raises(InvalidInput):
        people.set_roles("li.wei", frozenset({Role.AUDITOR, Role.STEWARD}), by="person:root")
    for last in (
        lambda: people.set_roles("root", frozenset({Role.RESEARCHER}), by="person:root"),
        lambda: people.disable("root", by="person:root"),
    ):
        with pytest.raises(Conflict):
            last()
    settle(people, "second", Role.ADMINISTRATOR)
    people.disable("root", by="person:second")


def test_two_administrators_cannot_disable_each_other_at_once(people: AccountService, store: Database) -> None:
    settle(people, "second", Role.ADMINISTRATOR)
    start = threading.Barrier(2)

    def go(names: tuple[str, str]) -> bool:
        start.wait()
        try:
            people.disable(names[0], by=f"person:{names[1]}")
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(go, [("root", "second"), ("second", "root")])) == 1
    assert [account.state for account in people.list_accounts()].count("active") == 1


def test_people_of_the_provider_are_found_by_issuer_and_subject_together(
    people: AccountService, store: Database
) -> None:
    known = OidcSubject("https://id.example", "u-1")
    new = NewAccount("li.wei", "credit", frozenset({Role.OFFICER}), "", known)
    assert people.add(new, by="person:root") is None
    assert people.sign_in_with_oidc(known).account.name == "li.wei"
    for stranger in (OidcSubject("https://id.example", "u-2"), OidcSubject("https://other.example", "u-1")):
        with pytest.raises(NotAuthentic):
            people.sign_in_with_oidc(stranger)
    with pytest.raises(Conflict):
        people.reset_password("li.wei", by="person:root")
    with pytest.raises(Conflict):
        people.add(NewAccount("second", "credit", frozenset({Role.OFFICER}), "", known), by="local")
    people.disable("li.wei", by="person:root")
    with pytest.raises(NotAuthentic):
        people.sign_in_with_oidc(known)
    assert [found["reason"] for found in facts(store, "sign-in.failed")] == ["no account", "no account", "disabled"]


def test_what_cannot_be_an_account_is_not_made(people: AccountService) -> None:
    for name in ("", "A", "Li", "1a", "a b", "李伟", "a" * 65, "li\n", "li:wei"):
        with pytest.raises(InvalidInput):
            NewAccount(name, "credit", frozenset({Role.OFFICER}))
    for department in ("", " ", "x" * 101, "a\nb"):
        with pytest.raises(InvalidInput):
            NewAccount("li.wei", department, frozenset({Role.OFFICER}))
    with pytest.raises(Conflict):
        people.add(NewAccount("root", "it", frozenset({Role.STEWARD})), by="local")
    with pytest.raises(NotFound):
        people.unlock("nobody", by="local")


def test_the_same_signs_from_another_keyboard_are_the_same_password() -> None:
    passwords = Passwords(CHEAP)
    assert passwords.verify(passwords.hash("caf\u00e9 and cr\u00e8me"), "cafe\u0301 and cre\u0300me")
    assert not passwords.verify(passwords.hash("a" * 200), "a" * 201)
    assert not passwords.verify(passwords.hash(GOOD), "\ud800")
    assert not passwords.verify("no hash at all", GOOD)
    check_new_password("密码密码密码密码密码密码", account="li.wei", old=GOOD)
    assert len({make_one_time_password() for _ in range(1000)}) == 1000


def test_a_refusal_is_written_down_by_the_person(people: AccountService, officer: Account, store: Database) -> None:
    people.record_refusal(officer.person, "rotate keys", NotAllowed("No."), "c-none")
    kind, body = entries(store)[-1]
    assert (kind, body["by"], body["contract"]) == ("refused", "person:li.wei", None)
    assert body["facts"]["operation"] == "rotate keys"


def test_no_password_and_no_token_is_in_the_database(people: AccountService, officer: Account, store: Database) -> None:
    first = people.reset_password("li.wei", by="person:root")
    tokens: SignInTokens = people.sign_in("li.wei", first, OTHER)
    with pytest.raises(NotAuthentic):
        people.sign_in("li.wei", WRONG)
    with pytest.raises(NotAuthentic):
        people.sign_in("typed-in-the-wrong-field-7", WRONG)
    secrets = (first, GOOD, OTHER, WRONG, tokens.token, tokens.csrf, "typed-in-the-wrong-field-7")
    cells = list(everything(store))
    assert any(tokens.account.name in cell for cell in cells)
    assert not [cell for cell in cells for secret in secrets if secret in cell]
    assert not any(secret in repr(tokens) for secret in (tokens.token, tokens.csrf))


def everything(store: Database) -> Iterator[str]:
    with store.begin_read() as session:
        for table in Base.metadata.sorted_tables:
            for found in session.execute(sqlalchemy.select(table)):
                yield from (str(cell) for cell in found)
