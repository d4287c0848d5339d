"""A stranger, or a bank, makes the bureau's signed ledger grow as fast as they can send requests that cost nothing.

Every entry is signed, hashed, kept for ever and read by auditors: a million of them bury what matters and fill the
disk. What stops them: whatever others can cause at will without being charged has some entries of its own within an
hour, and beyond them is counted; one entry tells the number. What is counted together is chosen by nothing that the
sender makes up.
"""

# ruff: noqa: F811 (fixtures of another room)
from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lab.bureau.contracts import banks
from lab.bureau.exchange.matching import match_requests
from lab.bureau.exchange.scoring import public_contexts
from lab.bureau.ledger import rate_limited_entries, record
from lab.bureau.ledger.rate_limited_entries import (
    COUNT_FACT,
    KNOWN_ENTRY_LIMIT,
    MAX_REFUNDS,
    STRANGER_ENTRY_LIMIT,
    TALLY_WINDOW,
    close_tallies,
)
from lab.bureau.people import AccountService, NewAccount, OidcSubject, Role
from lab.bureau.people import account_service as people_room
from lab.bureau.people import lockout as judging_room
from lab.bureau.people.lockout import FIRST_LOCK, MAX_ATTEMPTS
from lab.bureau.store import Database
from lab.bureau.store.tables import EntryTallyRow, LedgerEntryRow
from lab.bureau.watch.usage_counts import count_contracts_usage
from lab.terms.contract.document import Ceilings
from lab.terms.errors import NotAllowed, NotAuthentic, ShulabError
from lab.terms.keys.key_succession import KeySuccession, SignedKeySuccession
from lab.terms.keys.party import Party
from tests.support.bank_matching import request
from tests.support.bureau_fixtures import model, open_scene, scene, store, tables  # noqa: F401
from tests.support.bureau_scene import Clock, Scene
from tests.support.password_guesses import WRONG, Counting, failed_tries, locks

pytestmark = [
    pytest.mark.threat(
        "Ledger flood by one request",
        who="a bank",
        wants="to grow the ledger by sending one request, charged once, in every job",
        stopped_by={
            "answer limit": "A request is answered in at most 32 jobs.",
        },
        code=["lab.bureau.exchange.matching.match_requests"],
    ),
    pytest.mark.threat(
        "Ledger flood by a stranger",
        who="a stranger",
        wants="to grow the ledger with tries that cost nothing",
        stopped_by={
            "entries of strangers": (
                "Within an hour, the first failures of a kind are entries; the rest are one entry with their number."
            ),
        },
        code=["lab.bureau.ledger.rate_limited_entries"],
    ),
    pytest.mark.threat(
        "Ledger flood by a bank",
        who="a bank",
        wants="to grow the ledger with requests that are not charged, or whose charge comes back",
        stopped_by={
            "entries of banks": "Repeated requests become one entry with their number. The watch still counts each.",
            "limited numbers": (
                "Charges that come back are limited within an hour, new signing keys within a day, and public keys "
                "under a contract."
            ),
        },
        code=[
            "lab.bureau.ledger.rate_limited_entries",
            "lab.bureau.contracts.banks",
            "lab.bureau.exchange.scoring.public_contexts",
        ],
    ),
]

FLOOD = 40


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def people(store: Database, clock: Clock) -> AccountService:
    made = AccountService(store, clock, Counting())
    made.add(NewAccount("root", "it", frozenset({Role.ADMINISTRATOR})), by="local")
    made.add(NewAccount("li.wei", "credit", frozenset({Role.OFFICER})), by="local")
    return made


def entries(store: Database, kind: str) -> list[dict[str, Any]]:
    with store.begin_read() as session:
        query = sqlalchemy.select(LedgerEntryRow.body).where(LedgerEntryRow.kind == kind).order_by(LedgerEntryRow.seq)
        return [json.loads(body) for body in session.scalars(query)]


def fails(work: Any, *arguments: Any, **more: Any) -> None:
    with pytest.raises(ShulabError):
        work(*arguments, **more)


def one_entry_each(session: Any, kind: str, contract: Any, facts: Any, *, by: str, **_: Any) -> Any:
    """The ledger as it was: what happens is an entry."""
    return record(session, kind, contract, facts, by=by)


@pytest.mark.without_control("entries of strangers")
def test_with_an_entry_a_try_a_stranger_grows_the_ledger(
    people: AccountService,
    store: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for room in (people_room, judging_room):
        monkeypatch.setattr(room, "record_or_count", one_entry_each)
    for number in range(FLOOD):
        fails(people.sign_in, f"guess-{number}", WRONG)
    assert len(entries(store, "sign-in.failed")) == FLOOD


@pytest.mark.with_control("entries of strangers")
def test_a_flood_of_names_is_a_few_entries_and_a_number(
    people: AccountService,
    store: Database,
    clock: Clock,
) -> None:
    for number in range(FLOOD):
        fails(people.sign_in, f"guess-{number}", WRONG)
        fails(people.sign_in, f"NO NAME {number}", WRONG)
        clock.now += timedelta(seconds=1)
    assert len(entries(store, "sign-in.failed")) == STRANGER_ENTRY_LIMIT
    with store.begin_read() as session:
        assert session.scalar(sqlalchemy.select(sqlalchemy.func.count()).select_from(EntryTallyRow)) == 1
    clock.now += TALLY_WINDOW
    fails(people.sign_in, "later", WRONG)
    told = [entry["facts"] for entry in entries(store, "sign-in.failed")]
    assert len(told) == STRANGER_ENTRY_LIMIT + 2
    assert told[STRANGER_ENTRY_LIMIT][COUNT_FACT] == 2 * FLOOD - STRANGER_ENTRY_LIMIT, "none is lost"
    assert "guess" not in json.dumps(told)


@pytest.mark.with_control("entries of strangers")
def test_a_known_account_and_the_provider_are_no_way_round(
    people: AccountService,
    store: Database,
    clock: Clock,
) -> None:
    """Locked, by the wrong password, changing it, and by an OpenID provider that lets anybody begin."""
    for _ in range(FLOOD):
        fails(people.sign_in, "li.wei", WRONG)
    for number in range(FLOOD):
        people.record_oidc_failure(f"The provider said {number}.")
        fails(people.sign_in_with_oidc, OidcSubject("https://id.example", str(number)))
    # By password, whatever the name. Of the provider: what it said, and people without an account.
    assert len(entries(store, "sign-in.failed")) <= 3 * STRANGER_ENTRY_LIMIT
    assert locks(store, clock.now) == [int(FIRST_LOCK.total_seconds())]
    found = failed_tries(store, clock.now)
    assert (found["password"], found["locked"], found["no account"]) == (MAX_ATTEMPTS, FLOOD - MAX_ATTEMPTS, FLOOD)


@pytest.mark.with_control("entries of strangers")
def test_a_day_of_guessing_at_one_account_is_bounded(people: AccountService, store: Database, clock: Clock) -> None:
    end = clock.now + timedelta(days=1)
    while clock.now < end:
        fails(people.sign_in, "li.wei", WRONG)
        clock.now += FIRST_LOCK / 3
    close_tallies(store, clock.now + TALLY_WINDOW)
    written = len(entries(store, "sign-in.failed"))
    assert written <= 24 * 2 * (STRANGER_ENTRY_LIMIT + 1)
    assert sum(failed_tries(store, clock.now).values()) == 24 * 12


def test_a_persons_refusals_are_counted_too(people: AccountService, store: Database, clock: Clock) -> None:
    person = people.find("li.wei").person
    for number in range(FLOOD):
        people.record_refusal(person, "rotate keys", NotAllowed(f"No, for the {number}th time."))
    assert len(entries(store, "refused")) == KNOWN_ENTRY_LIMIT
    assert close_tallies(store, clock.now + TALLY_WINDOW) == 1
    last = entries(store, "refused")[-1]
    assert last["facts"][COUNT_FACT] == FLOOD - KNOWN_ENTRY_LIMIT and last["by"] == "person:li.wei"
    assert close_tallies(store, clock.now + TALLY_WINDOW) == 0, "told once"


@pytest.fixture
def contract(scene: Scene) -> Iterator[str]:
    yield scene.contract()


def flood(scene: Scene, contract: str) -> None:
    """What a bank may do for nothing: ask for what it is refused, repeat a match, fetch its set-up."""
    frame = request(scene.tables.codes[:8])
    scene.bank.open_job(scene.bureau, contract)
    for _ in range(FLOOD):
        scene.bureau.matching.match(contract, "job-1", frame)
        scene.bureau.matching.setup(contract, "job-1")
        fails(scene.bureau.jobs.sheet, contract, "none", 1)
        scene.bureau.refusals.record(contract, "replay", NotAuthentic("Used before."))


@pytest.mark.without_control("entries of banks")
def test_with_an_entry_a_request_a_bank_grows_the_ledger(
    scene: Scene,
    contract: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(match_requests, "record_or_count", one_entry_each)
    monkeypatch.setattr("lab.bureau.exchange.refusals.record_or_count", one_entry_each)
    before = scene.size()
    flood(scene, contract)
    assert scene.size() - before >= 3 * FLOOD


@pytest.mark.with_control("entries of banks")
def test_a_bank_that_repeats_itself_is_a_few_entries_and_the_watch_counts_them_all(
    scene: Scene,
    contract: str,
) -> None:
    before = scene.size()
    flood(scene, contract)
    # A key stated, a register evaluated, a job opened, a match charged and answered; beside them four counted sorts.
    assert scene.size() - before <= 5 + 4 * KNOWN_ENTRY_LIMIT
    with scene.bureau.store.begin_read() as session:
        (counted,) = count_contracts_usage(session, scene.clock.now + timedelta(hours=2))
        assert counted.counts["refused"] >= FLOOD, "also those in a window that is not over"
    scene.clock.now += TALLY_WINDOW
    scene.bureau.sweep()
    with scene.bureau.store.begin_read() as session:
        (counted,) = count_contracts_usage(session, scene.clock.now + timedelta(hours=2))
        assert counted.counts["refused"] >= FLOOD, "and afterwards, from the entry that tells the number"


def answered_in_many_jobs(scene: Scene) -> int:
    """Entries that tell of the answer to one request, which was charged once and sent again in each of many jobs."""
    contract, frame = scene.contract(ceilings=Ceilings(jobs_per_day=100)), request(scene.tables.codes[:8])
    try:
        for number in range(FLOOD):
            scene.bank.open_job(scene.bureau, contract, f"job-{number}")
            scene.bureau.matching.match(contract, f"job-{number}", frame)
    except NotAllowed as refused:
        assert "make the request anew" in refused.next_step
        scene.bureau.matching.match(contract, "job-0", frame)  # where it was answered it is answered
    assert scene.ledger().count("match.charged") == 1
    return scene.ledger().count("match.answered")


@pytest.mark.without_control("answer limit")
def test_answered_in_any_number_of_jobs_one_request_is_any_number_of_entries(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(match_requests, "_check_answering_jobs", lambda *_: None)
    assert answered_in_many_jobs(scene) == FLOOD


@pytest.mark.with_control("answer limit")
def test_one_request_is_answered_in_so_many_jobs(scene: Scene) -> None:
    assert answered_in_many_jobs(scene) == match_requests.MAX_ANSWERING_JOBS < FLOOD


def spoilt(frame: bytes) -> bytes:
    """A request whose last element is none of the group: it is found out when it is evaluated, after the charge."""
    return frame[:-32] + bytes(32)


def spoil(scene: Scene, contract: str) -> None:
    scene.bank.open_job(scene.bureau, contract)
    for _ in range(FLOOD):
        fails(scene.bureau.matching.match, contract, "job-1", spoilt(request(scene.tables.codes[:4])))


@pytest.mark.without_control("limited numbers")
def test_without_a_bound_charges_that_come_back_grow_the_ledger(
    scene: Scene, contract: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(match_requests, "check_refund_limit", lambda *_: None)
    spoil(scene, contract)
    assert scene.ledger().count("match.charged") == scene.ledger().count("match.returned") == FLOOD


@pytest.mark.with_control("limited numbers")
def test_charges_that_come_back_are_bounded(scene: Scene, contract: str) -> None:
    spoil(scene, contract)
    assert scene.ledger().count("match.charged") == scene.ledger().count("match.returned") == MAX_REFUNDS
    assert scene.ledger().count("refused") <= KNOWN_ENTRY_LIMIT
    with pytest.raises(NotAllowed, match="within an hour"):
        scene.bureau.matching.match(contract, "job-1", request(scene.tables.codes[:4]))
    scene.clock.now += TALLY_WINDOW
    scene.bureau.matching.match(contract, "job-1", request(scene.tables.codes[:4]))


@pytest.mark.with_control("limited numbers")
def test_contexts_are_bounded(scene: Scene, contract: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_contexts, "check_context", lambda *_: None)  # whatever it is, it is acceptable
    monkeypatch.setattr(scene.bureau.workers.scoring, "run", lambda work, *arguments: work(*arguments))
    scene.bank.open_job(scene.bureau, contract)
    frames = [number.to_bytes(4, "big") for number in range(FLOOD)]
    with pytest.raises(NotAllowed, match="as may be"):
        for frame in frames:
            scene.bureau.contexts.put(contract, "job-1", hashlib.sha256(frame).hexdigest(), frame)
    assert scene.ledger().count("context.kept") == public_contexts.MAX_CONTEXTS
    again = frames[0]
    assert not scene.bureau.contexts.put(contract, "job-1", hashlib.sha256(again).hexdigest(), again)


def test_what_is_counted_is_counted_in_the_transaction_in_which_it_happens(
    store: Database,
    clock: Clock,
) -> None:
    for _ in range(STRANGER_ENTRY_LIMIT):
        with store.begin() as session:
            rate_limited_entries.record_or_count(
                session,
                "refused",
                None,
                {},
                rate_limited_entries.Tally({}, STRANGER_ENTRY_LIMIT),
                by="bureau",
                now=clock.now,
            )
    with pytest.raises(RuntimeError), store.begin() as session:
        rate_limited_entries.record_or_count(
            session,
            "refused",
            None,
            {},
            rate_limited_entries.Tally({}, STRANGER_ENTRY_LIMIT),
            by="bureau",
            now=clock.now,
        )
        raise RuntimeError("rolled back")
    assert close_tallies(store, clock.now + TALLY_WINDOW) == 0


def succession(
    store: Database,
    bank: str,
    old: Ed25519PrivateKey,
    new: Ed25519PrivateKey,
    clock: Clock,
) -> SignedKeySuccession:
    keys = [key.public_key().public_bytes_raw().hex() for key in (old, new)]
    said = KeySuccession(bureau=store.bureau_key, bank=bank, old_key=keys[0], new_key=keys[1], time=clock.now)
    signatures = [key.sign(said.signing_input()).hex() for key in (old, new)]
    return SignedKeySuccession(statement=said, old_signature=signatures[0], new_signature=signatures[1])


@pytest.mark.with_control("limited numbers")
def test_a_bank_cannot_give_itself_keys_without_end(store: Database, clock: Clock) -> None:
    key = Ed25519PrivateKey.generate()
    party = Party(name="Test bank", public_key=key.public_key().public_bytes_raw().hex())
    with store.begin() as session:
        bank = banks.register_bank(session, party, by="local", now=clock.now, fingerprint=party.fingerprint)
    given = 0
    with pytest.raises(NotAllowed, match="24 hours"):
        for _ in range(FLOOD):
            fresh = Ed25519PrivateKey.generate()
            with store.begin() as session:
                banks.replace_key(session, bank, succession(store, bank, key, fresh, clock), now=clock.now)
            key, given = fresh, given + 1
    assert given == banks.MAX_KEYS_PER_DAY - 1  # its first key was added today as well
    assert len(entries(store, "bank.key-succeeded")) == given
