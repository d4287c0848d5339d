"""Keys change while the work goes on: the bureau's matching keys, and a bank's signing key, against a real service."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
import sqlalchemy
from sqlalchemy import update

from lab.bank import home as rooms_home
from lab.bank import key_rotation as rooms_rotation
from lab.bank import keys as rooms_keys
from lab.bank.connection.client import BureauClient, RetryPolicy
from lab.bank.home import BankHome, PinnedBureau
from lab.bank.key_rotation import NEXT_CARD_FILE, KeyRotationStatus, rotate_key
from lab.bank.keys import BankKeys
from lab.bureau.bureau import Bureau
from lab.bureau.contracts.banks import KEY_GRACE_PERIOD, BankKeyState, register_bank
from lab.bureau.people import Role
from lab.bureau.store.tables import BankKeyRow, JobRow, LedgerEntryRow
from lab.terms.contract.document import ResultDetail
from lab.terms.errors import InvalidInput, NotAuthentic, Unreachable
from lab.terms.keys.party import Party
from protocols.matching.bureau import DEFAULT_ENGINE
from protocols.wire.http_signatures import Signer, sign_request
from tests.service.conftest import ROOT, Pilot, Process, Service, open_service
from tests.service.test_bank_session import Bank, firms
from tests.service.test_killed import progress_of, start_client
from tests.support.bureau_standin import Key
from tests.support.people_front import Front

PATIENCE = RetryPolicy(connect_timeout=5, read_timeout=60, tries=1, longest_wait=0.1)
ROWS, ROWS_PER_BATCH = 112, 8


@pytest.fixture
def service(tmp_path_factory: pytest.TempPathFactory, pilot: Pilot) -> Iterator[Service]:
    """A service of this test's own: key epochs are the whole bureau's."""
    with open_service(tmp_path_factory.mktemp("own"), pilot) as running:
        yield running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, pilot: Pilot) -> Iterator[Service]:
    """A service for tests whose matter is a bank's key."""
    with open_service(tmp_path_factory.mktemp("shared"), pilot) as running:
        yield running


@pytest.fixture
def bank(service: Service, tmp_path: Path) -> Bank:
    return Bank(service, tmp_path)


def lab(*words: str | Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "lab.cli", *map(str, words), "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def stopped_in_the_middle(bank: Bank, contract: str, portfolio: Path) -> subprocess.Popen[bytes]:
    """A client that has scored some batches and stands still."""
    client = start_client(bank, contract, portfolio)
    until = time.monotonic() + 120
    while progress_of(bank) < 2 and client.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    client.send_signal(signal.SIGSTOP)
    assert client.poll() is None, (bank.folder / "client.log").read_text()
    assert 2 <= progress_of(bank) < ROWS // ROWS_PER_BATCH
    return client


def goes_on(bank: Bank, client: subprocess.Popen[bytes]) -> None:
    client.send_signal(signal.SIGCONT)
    assert client.wait(180) == os.EX_OK, (bank.folder / "client.log").read_text()
    assert pl.read_parquet(bank.out)["status"].to_list() == ["scored"] * ROWS


@pytest.mark.property(
    "Key rotation",
    claim="A rotation of matching keys loses no work: a job ends in the epoch in which it began.",
    topic="keys and people",
    code=["lab.bureau.exchange.matching.key_epochs", "lab.bureau.key_management.keys"],
)
def test_a_job_half_done_ends_under_its_own_keys_and_the_next_uses_the_new_ones(service: Service, bank: Bank) -> None:
    contract = bank.contract(
        detail=ResultDetail.TOTAL, rows_per_batch=ROWS_PER_BATCH, scores_per_enterprise=2, jobs_per_day=5
    )
    portfolio = bank.portfolio(firms(*range(ROWS)))
    bureau, home = service.bureau, service.bureau.home.folder
    own = bureau.keys.with_matching_key(DEFAULT_ENGINE, 1, contract, "match", bytes)
    secrets = [own, bureau.keys._matching[DEFAULT_ENGINE, 1]]
    client = stopped_in_the_middle(bank, contract, portfolio)
    sealed = (home / "keys" / f"matching-{DEFAULT_ENGINE}-1.sealed").read_bytes()
    made = home / "evaluated/by-contract/1"
    assert (values := list(made.rglob("values"))) and all(path.stat().st_size == 32 * 400 for path in values)

    done = lab("bureau", "rotate-keys", "--home", home)
    assert [(epoch["number"], epoch["state"], epoch["jobs"]) for epoch in done["epochs"]] == [
        (2, "current", 0),
        (1, "closing", 1),
    ]
    assert lab("bureau", "close-epochs", "--home", home)["destroyed"] == []
    goes_on(bank, client)
    assert lab("bureau", "close-epochs", "--home", home)["destroyed"] == [1]

    again = start_client(bank, contract, bank.portfolio(firms(*range(ROWS)), "again.csv"), "--again")
    assert again.wait(180) == os.EX_OK, (bank.folder / "client.log").read_text()
    with bureau.store.begin_read() as session:
        jobs = session.execute(sqlalchemy.select(JobRow.epoch, JobRow.rows_used).order_by(JobRow.opened_at)).all()
    assert [tuple(job) for job in jobs] == [(1, ROWS), (2, ROWS)]
    assert not made.exists() and (home / "evaluated/by-contract/2").exists()
    for folder in (home, bank.folder):
        for file in folder.rglob("*"):
            if file.is_file():
                content = file.read_bytes()
                assert sealed not in content
                assert not any(one in content or one.hex().encode() in content for one in secrets)
    # What was counted under the old keys still counts: each enterprise was scored twice, which is the ceiling.
    third = start_client(bank, contract, bank.portfolio(firms(*range(ROWS)), "third.csv"), "--again")
    assert third.wait(180) == 4
    assert "scores_per_enterprise" in (bank.folder / "client.log").read_text()


def test_a_banks_key_changes_while_its_job_runs(service: Service, bank: Bank) -> None:
    contract = bank.contract(detail=ResultDetail.TOTAL, rows_per_batch=ROWS_PER_BATCH)
    client = stopped_in_the_middle(bank, contract, bank.portfolio(firms(*range(ROWS))))
    old = bank.home.public_key
    done = lab("bank", "rotate-key", "--home", bank.home.folder)
    assert done["done"] and done["old_key"] == old and done["waiting"] == []
    # A request that was signed before may still be on its way, in the day of grace; after some more batches none is.
    before = progress_of(bank)
    client.send_signal(signal.SIGCONT)
    while progress_of(bank) < before + 3 and client.poll() is None:
        time.sleep(0.01)
    service.bureau.banks.revoke_key(old, "test", by="local")
    assert client.poll() is None and progress_of(bank) < ROWS // ROWS_PER_BATCH
    goes_on(bank, client)
    home = BankHome.open(bank.home.folder)
    assert home.public_key == done["new_key"] and home.own_public_keys == {old, done["new_key"]}
    assert "bank.key-succeeded" in kinds(service)


def kinds(service: Service) -> list[str]:
    with service.bureau.store.begin_read() as session:
        return list(session.scalars(sqlalchemy.select(LedgerEntryRow.kind).order_by(LedgerEntryRow.seq)))


def asks(service: Service, contract: str, key: Signer) -> httpx.Response:
    path = f"/v1/contracts/{contract}"
    bureau_key = service.bureau.keys.public_key_hex
    with httpx.Client(base_url=service.url, trust_env=False, timeout=60) as client:
        return client.get(path, headers=sign_request("GET", path, b"", key, bureau_key=bureau_key))


@pytest.mark.property(
    "Revoked keys",
    claim="A revoked key gets the same answer as an unknown one.",
    topic="keys and people",
    code=["sandbox.auth.bank"],
)
def test_a_revoked_an_unknown_and_another_banks_key_and_no_contract_look_the_same(shared: Service) -> None:
    own, other = Key(), Key()
    shared.key = own
    contract = shared.contract(job=False)
    shared.key = other
    shared.contract(job=False)
    assert asks(shared, contract, own).status_code == 200
    answers = [asks(shared, contract, other), asks(shared, contract, Key()), asks(shared, "c-none", own)]
    before = kinds(shared).count("refused")
    shared.bureau.banks.revoke_key(own.public_key_hex, "test", by="local")
    answers += [asks(shared, contract, own) for _ in range(3)]
    bodies = [{name: value for name, value in answer.json().items() if name != "instance"} for answer in answers]
    assert all(answer.status_code == 401 for answer in answers)
    assert all(body == bodies[0] for body in bodies)
    assert len({tuple(answer.headers) for answer in answers}) == 1
    assert kinds(shared).count("refused") == before + 1  # the revoked key, once


def test_a_succeeded_key_is_accepted_for_a_day(shared: Service) -> None:
    old = Key()
    shared.key = old
    contract = shared.contract(job=False)
    for ended, status in ((timedelta(0), 200), (KEY_GRACE_PERIOD - timedelta(minutes=1), 200), (KEY_GRACE_PERIOD, 401)):
        with shared.bureau.store.begin() as session:
            row = session.get(BankKeyRow, old.public_key_hex)
            assert row is not None
            row.state, row.ended_at = BankKeyState.SUCCEEDED.value, datetime.now(UTC) - ended
        assert asks(shared, contract, old).status_code == status


class Place:
    """A bureau and its service, and the connection of a bank to it."""

    def __init__(self, bureau: Bureau, process: Process) -> None:
        self.bureau, self.process = bureau, process

    def know(self, home: BankHome) -> None:
        with self.bureau.store.begin() as session:
            register_bank(session, home.card, by="local", now=datetime.now(UTC), fingerprint=home.card.fingerprint)
        home.pin(self.bureau.party, self.process.url)

    def accepts(self, keys: BankKeys) -> bool:
        """Whether a request of this bank, signed as its outlet signs, is accepted."""
        with BureauClient(self.process.url, keys, retry_policy=PATIENCE) as outlet:
            try:
                outlet.own_bank_id()
            except NotAuthentic:
                return False
            return True

    def active(self) -> list[str]:
        """Keys of its only bank that are active."""
        (bank,) = self.bureau.banks.list_banks()
        return [key.public_key for key in bank.keys if key.state is BankKeyState.ACTIVE]


@pytest.fixture
def open_place(tmp_path: Path) -> Iterator[Callable[[str], Place]]:
    """Opens bureaus without registers, each with its service."""
    places: list[Place] = []

    def make(name: str) -> Place:
        bureau = Bureau.create(tmp_path / name, name=name)
        place = Place(bureau, Process(tmp_path / name))
        place.process.start()
        places.append(place)
        return place

    yield make
    for place in places:
        place.process.stop()
        place.bureau.close()


@pytest.fixture
def home(tmp_path: Path) -> BankHome:
    return BankHome.create(tmp_path / "bank", name="某银行", key_file=tmp_path / "bank.key")[0]


def connect(pin: PinnedBureau, signer: Signer) -> BureauClient:
    return BureauClient(pin.url, signer, bureau_key=pin.bureau.public_key, retry_policy=PATIENCE)


def rotated(home: BankHome) -> KeyRotationStatus:
    now = BankHome.open(home.folder)
    return rotate_key(now, now.open_keys(), now.pins(), connect)


@pytest.mark.soak
def test_a_bureau_that_is_away_does_not_stop_the_others(home: BankHome, open_place: Callable[[str], Place]) -> None:
    here, away = open_place("here"), open_place("away")
    here.know(home)
    away.know(home)
    away.process.stop()
    running = home.open_keys()  # another process of the bank, open all the while
    first = rotated(home)
    assert first.notified == ("here",) and first.pending == ("away",) and isinstance(first.failure, Unreachable)
    assert not first.is_complete and BankHome.open(home.folder).public_key == home.public_key
    with here.bureau.store.begin() as session:  # the day of grace is over at the one that was told
        row = session.get(BankKeyRow, home.public_key)
        assert row is not None
        row.ended_at = datetime.now(UTC) - KEY_GRACE_PERIOD
    away.process.start()
    assert here.accepts(running) and away.accepts(running)
    home.pin(away.bureau.party, away.process.url)
    second = rotated(home)
    assert second.is_complete and second.new == first.new and set(second.notified) == {"here", "away"}
    assert here.active() == away.active() == [first.new.public_key]
    assert here.accepts(running) and away.accepts(running) and running.public_key_hex == first.new.public_key
    assert not (home.folder / NEXT_CARD_FILE).exists()
    third = rotated(home)
    assert third.is_complete and third.new != second.new
    assert BankHome.open(home.folder).own_public_keys == {home.public_key, second.new.public_key, third.new.public_key}


@pytest.mark.soak
def test_only_the_bureaus_named_are_told_and_strangers_are_not(
    home: BankHome, open_place: Callable[[str], Place], tmp_path: Path
) -> None:
    here, there, stranger = (open_place(name) for name in ("here", "there", "stranger"))
    here.know(home)
    there.know(home)
    found = lab("bank", "rotate-key", "--home", home.folder, "--bureau", here.process.url)
    assert (found["told"], found["waiting"], found["done"]) == (["here"], ["there"], False)
    from lab.bank.key_rotation import select_pinned_bureaus

    with pytest.raises(InvalidInput, match="pinned"):
        select_pinned_bureaus(home, [stranger.process.url], lambda _: stranger.bureau.party.public_key)
    assert lab("bank", "rotate-key", "--home", home.folder, "--bureau", there.process.url)["done"]


@pytest.mark.soak
def test_a_bank_whose_key_was_revoked_comes_back_by_the_card_of_its_next_key(
    home: BankHome, open_place: Callable[[str], Place], tmp_path: Path
) -> None:
    place = open_place("here")
    place.know(home)
    front = Front(place.bureau, place.process)
    session = tmp_path / "session.json"
    password = front.account("root", Role.ADMINISTRATOR)
    front.ok(
        "account", "sign-in", "root", "--service", front.url,
        session=session, SHULAB_PASSWORD=password, SHULAB_NEW_PASSWORD="correct horse battery",
    )  # fmt: skip
    revoked = front.ok("bank-key", "revoke", home.public_key, "--reason", "stolen", session=session)
    assert [key["state"] for key in revoked["keys"]] == ["revoked"]
    done = rotated(home)
    assert not done.is_complete and isinstance(done.failure, NotAuthentic) and NEXT_CARD_FILE in done.failure.next_step
    card = home.folder / NEXT_CARD_FILE
    wrong = front.lab("bank-key", "add", card, "--fingerprint", "0000-0000-0000-0000", session=session)
    assert wrong.returncode == 6 and "read out again" in wrong.stdout
    fingerprint = Party(**json.loads(card.read_text())).fingerprint
    added = front.ok("bank-key", "add", card, "--fingerprint", fingerprint, session=session)
    assert [key["state"] for key in added["keys"]] == ["revoked", "active"]
    finished = rotated(home)
    assert finished.is_complete and finished.new == done.new and place.accepts(BankHome.open(home.folder).open_keys())
    listed = front.ok("bank-key", "list", session=session)["banks"]
    assert [key["public_key"] for key in listed[0]["keys"]] == [home.public_key, done.new.public_key]
    (entry,) = front.entries("bank.key-added")
    assert entry["by"] == "person:root" and entry["facts"]["key"] == done.new.public_key


@pytest.mark.soak
def test_officers_see_banks_keys_and_cannot_change_them(home: BankHome, open_place: Callable[[str], Place]) -> None:
    place = open_place("here")
    place.know(home)
    front = Front(place.bureau, place.process)
    officer, auditor = front.settle("li", Role.OFFICER), front.settle("he", Role.AUDITOR)
    researcher = front.settle("shi", Role.RESEARCHER)
    for token, status in ((officer, 200), (auditor, 200), (researcher, 403), ("", 401)):
        with front.client(token) as client:
            assert client.get("/v1/banks").status_code == status
    revocation = f"/v1/banks/keys/{home.public_key}/revocation"
    for token in (officer, auditor, researcher):
        with front.client(token) as client:
            assert client.post(revocation, json={"reason": "x"}).status_code == 403
            card = {"name": "某银行", "public_key": Key().public_key_hex}
            assert client.post("/v1/banks/keys/added", json=card).status_code == 403
    assert place.active() == [home.public_key]
    assert {entry["by"] for entry in front.entries("refused")} >= {"person:li", "person:he", "person:shi"}


def test_the_request_must_be_signed_with_the_key_that_is_succeeded(
    home: BankHome, open_place: Callable[[str], Place]
) -> None:
    place = open_place("here")
    place.know(home)
    keys = home.open_keys()
    pin = home.pins()[0]
    first = rotated(home)
    # Whoever has the new key alone cannot hand over the old one again, nor a stranger anything.
    for signer in (BankHome.open(home.folder).open_keys(), Key()):
        with BureauClient(pin.url, signer, retry_policy=PATIENCE) as outlet, pytest.raises(NotAuthentic):
            answer = outlet._request("POST", "/v1/banks/keys", statement_of(place, keys, first))
            pytest.fail(str(answer.status))


def statement_of(place: Place, keys: BankKeys, done: KeyRotationStatus) -> bytes:
    """A well-formed statement from the old key of a rotation to a stranger's."""
    return json.dumps(
        {
            "statement": {
                "schema": "shulab-succession/1",
                "bureau": place.bureau.party.public_key,
                "bank": place.bureau.banks.list_banks()[0].id,
                "old_key": done.old.public_key,
                "new_key": Key().public_key_hex,
                "time": datetime.now(UTC).isoformat(timespec="seconds"),
            },
            "old_signature": "44" * 64,
            "new_signature": "55" * 64,
        }
    ).encode()


def rotate_killed(home: BankHome, steps: int) -> int:
    """Rotate in a process that kills itself before or after a step, the one of this number; its exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    left = steps

    def tick() -> None:
        nonlocal left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

    def step(real: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*args: Any, **kwargs: Any) -> Any:
            tick()
            done = real(*args, **kwargs)
            tick()
            return done

        return stepped

    try:
        for room in (rooms_home, rooms_keys, rooms_rotation):
            for name in ("write_private", "replace_private", "sync_folder"):
                if hasattr(room, name):
                    setattr(room, name, step(getattr(room, name)))
        os.replace = step(os.replace)
        BureauClient._send = step(BureauClient._send)  # type: ignore[method-assign]
        os._exit(0 if rotated(home).is_complete else 9)
    except BaseException:
        os._exit(3)


@pytest.mark.property(
    "Key changes survive kills",
    claim="Changing a bank's key or the bureau's seal loses nothing if it is interrupted.",
    topic="keys and people",
    code=["lab.bank.key_rotation", "lab.bureau.key_management.secret_store"],
)
def test_killed_at_any_step_the_home_works_and_the_same_command_finishes(
    home: BankHome, open_place: Callable[[str], Place]
) -> None:
    place = open_place("here")
    place.know(home)
    running = home.open_keys()
    steps = 0
    while (code := rotate_killed(home, steps)) != 0:
        assert code == -signal.SIGKILL
        now = BankHome.open(home.folder)
        assert now.open_keys().public_key_hex == BankHome.open(home.folder).public_key
        # Every process of the bank is accepted, also one that was open all the while.
        assert place.accepts(now.open_keys()) and place.accepts(running)
        begun = now.open_keys().next_key()
        if begun is not None:
            done = rotated(home)
            assert done.is_complete and done.new.public_key == begun.public_key_hex
            assert place.active() == [done.new.public_key]
        with place.bureau.store.begin() as session:  # as if each were of another day: a bank has ten new keys in one
            session.execute(update(BankKeyRow).values(added_at=datetime.now(UTC) - timedelta(days=2)))
        steps += 1
    assert steps >= 16
    assert place.active() == [BankHome.open(home.folder).public_key]
    assert not BankHome.open(home.folder).open_keys().notified_bureaus()
