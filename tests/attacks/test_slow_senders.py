"""Bank A sends slowly, or announces much and sends nothing, so that bank B is told for hours that the service is busy.

The attacker is a registered bank (its requests are signed), or a stranger. Every place for heavy work used to be taken
before a body was read: four connections that sent a byte now and then were the end of it. What stops it: a body is
received first, within its bank's share of the room, counting what came and not what was announced; a trickle is cut
off; a place is taken for work alone; and one bank cannot have all of them. A stranger gets no room at all.

The application is the service's own, over sockets; the bureau behind it is a stand-in with two banks.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

import sandbox.app
from protocols.wire.frame import Frame, FrameKind
from protocols.wire.http_signatures import sign_request
from sandbox.api.banks import matching
from sandbox.api.request_body import receive_signed_body
from sandbox.http.limits import CapacityLimit
from sandbox.http.upload_limits import UploadLimiter
from tests.support.bureau_standin import BUREAU_KEY, CONTRACT, JOB, Key, Running, running
from tests.support.waiting import wait_until

pytestmark = pytest.mark.threat(
    "Slow senders",
    who="a bank",
    wants="to keep other banks out by sending slowly, or by announcing much and sending nothing",
    stopped_by={
        "body first": "A request takes a place for work once its whole body is here. A slow upload is cut off.",
        "bytes that came": "A bank's share of the disk counts the bytes that arrived, not those announced.",
    },
    shipped=("1 GiB and 8 bodies for each bank at a time, at least 16 KiB/s, three of the four places for each bank"),
    code=["sandbox.http.upload_limits", "sandbox.http.limits"],
)

OTHER = "contract-2"
FRAME = Frame(FrameKind.MATCH_REQUEST, {}, (b"blinded",)).pack()
LARGE = 60_000_000
FEW, MANY = 4, 40


class TwoBanks:
    """Bank A has the stand-in's contract, bank B another."""

    def __init__(self, a: str, b: str) -> None:
        self._keys = {a: "b-1", b: "b-2"}

    def find_id_by_contract(self, contract: str) -> str | None:
        return {CONTRACT: "b-1", OTHER: "b-2"}.get(contract)

    def find_by_key(self, key: str) -> Any:
        bank = self._keys.get(key)
        return bank and (SimpleNamespace(id=bank, name=bank), SimpleNamespace(is_accepted=lambda now: True))


class Place:
    """The service, both banks' keys, and its room for bodies."""

    def __init__(self, service: Running, uploads: Any) -> None:
        self.service, self.uploads = service, uploads
        self.a, self.b = service.key, Key()
        bureau: Any = service.bureau
        signed = bureau.bank_contracts.find(CONTRACT)
        bureau.banks = TwoBanks(self.a.public_key_hex, self.b.public_key_hex)
        bureau.bank_contracts.find = lambda contract: signed

    def honest(self, key: Key | None = None, contract: str = OTHER) -> httpx.Response:
        """What bank B gets for a whole request."""
        path = f"/v1/contracts/{contract}/matching?job={JOB}"
        headers = sign_request("POST", path, FRAME, key or self.b, bureau_key=BUREAU_KEY)
        headers["content-type"] = "application/octet-stream"
        return httpx.post(self.service.url + path, content=FRAME, headers=headers, timeout=30)

    def slow(self, announced: int, sent: bytes = b"\0", key: Key | None = None) -> socket.socket:
        """A request of bank A that has announced a body and sent little of it."""
        address = urlsplit(self.service.url)
        path = f"/v1/contracts/{CONTRACT}/matching?job={JOB}"
        connection = socket.create_connection((address.hostname, address.port), timeout=30)
        # Signed over another body: the digest is looked at when the body has come.
        headers = sign_request("POST", path, b"", key or self.a, bureau_key=BUREAU_KEY)
        headers |= {"host": address.netloc, "content-type": "application/octet-stream"}
        headers["content-length"] = str(announced)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        connection.sendall(f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + sent)
        return connection


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Starts the service with settings, and sees its room."""
    made: list[Any] = []

    class Seen(UploadLimiter):
        def __init__(self, folder: Path | None, **named: int) -> None:
            super().__init__(folder, **named)
            self.asked = 0
            made.append(self)

        def open(self, who: str, announced: int = 0) -> Any:
            self.asked += 1
            return super().open(who, announced)

    monkeypatch.setattr(sandbox.app, "UploadLimiter", Seen)

    @contextmanager
    def start(**settings: Any) -> Iterator[Place]:
        with running(tmp_path, retry_after=1, linger_seconds=0.2, **settings) as service:
            yield Place(service, made[-1])

    return start


@contextmanager
def senders(place: Place, count: int, announced: int = 1_000_000, sent: bytes = b"\0") -> Iterator[list[socket.socket]]:
    """So many slow requests of bank A, all of them on the service's desk."""
    with ExitStack() as stack, ThreadPoolExecutor(8) as threads:
        before = place.uploads.asked
        made = list(threads.map(lambda _: stack.enter_context(place.slow(announced, sent)), range(count)))
        wait_until(lambda: place.uploads.asked == before + count)
        yield made


@asynccontextmanager
async def place_first(request: Any, caller: Any, service: Any, **named: Any) -> AsyncIterator[Any]:
    """The former order: the place, and then the body."""
    async with service.heavy_work_limit.acquire(), matching_received(request, caller, service, **named) as body:
        yield body


matching_received = receive_signed_body


@pytest.mark.without_control("body first")
def test_where_the_place_is_taken_first_four_slow_senders_hold_everybody(
    opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "receive_signed_body", place_first)
    with opened(heavy_places=4) as place, senders(place, FEW):
        assert place.honest().status_code == 503


@pytest.mark.with_control("body first")
@pytest.mark.parametrize("count", [FEW, MANY])
def test_slow_senders_of_one_bank_hold_nobody(opened: Any, count: int) -> None:
    with opened(heavy_places=4) as place, senders(place, count):
        answer = place.honest()
        assert (answer.status_code, answer.content) == (200, FRAME)


@pytest.mark.without_control("bytes that came")
def test_where_announced_sizes_are_reserved_two_who_send_nothing_take_all_room(
    opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = CapacityLimit(2 * LARGE, retry_after=1)

    @asynccontextmanager
    async def reserve(request: Any, caller: Any, service: Any, **named: Any) -> AsyncIterator[Any]:
        announced = int(request.headers["content-length"])
        async with room.acquire(announced), matching_received(request, caller, service, **named) as body:
            yield body

    monkeypatch.setattr(matching, "receive_signed_body", reserve)
    with opened() as place, senders(place, 2, LARGE):
        assert place.honest().status_code == 503


@pytest.mark.with_control("bytes that came")
def test_two_who_announce_much_and_send_nothing_take_no_room(opened: Any) -> None:
    with opened(upload_bytes=2 * LARGE) as place, senders(place, 2, LARGE):
        assert place.uploads.free > 2 * LARGE - 1_000
        assert place.honest().status_code == 200


@pytest.mark.with_control("bytes that came")
def test_a_banks_own_room_ends_and_the_others_does_not(opened: Any) -> None:
    sent = bytes(300_000)
    with opened(upload_bytes=10_000_000, upload_bytes_per_bank=1_000_000) as place:
        with senders(place, 3, 900_000, sent):
            wait_until(lambda: place.uploads.free <= 10_000_000 - len(sent))
            beyond = place.honest(place.a, CONTRACT)
            assert beyond.status_code == 200  # a small one still fits
            with place.slow(900_000, b"") as late:
                answer = late.recv(65536)
                assert answer.startswith(b"HTTP/1.1 429")
                assert b"retry-after: 1" in answer.lower()
            assert place.honest().status_code == 200
        wait_until(lambda: place.uploads.free == 10_000_000)  # what broke off takes no room


@pytest.mark.with_control("bytes that came")
def test_beyond_its_number_of_uploads_a_bank_is_told_to_come_back(opened: Any) -> None:
    with opened(uploads_per_bank=3) as place, senders(place, 3):
        mine = place.honest(place.a, CONTRACT)
        assert (mine.status_code, mine.headers["retry-after"]) == (429, "1")
        assert mine.json()["type"] == "urn:shulab:error:busy"
        assert place.honest().status_code == 200


@pytest.mark.with_control("body first")
def test_a_trickle_is_cut_off(opened: Any) -> None:
    with opened(body_idle_seconds=0.3, body_bytes_per_second=10_000) as place, place.slow(1_000_000) as connection:
        begun = time.monotonic()
        connection.settimeout(0.05)
        answer = b""
        while not answer and time.monotonic() < begun + 60:
            with suppress(OSError):  # it was cut off meanwhile, and what it was answered lies there
                connection.sendall(b"\0")
            try:
                answer = connection.recv(65536)
            except TimeoutError:
                continue
        assert answer.startswith(b"HTTP/1.1 408")


def test_an_honest_bank_that_works_much_leaves_places_to_others(opened: Any) -> None:
    release = threading.Event()
    with opened(heavy_places=4, heavy_places_per_bank=3) as place, ThreadPoolExecutor(4) as threads:
        place.service.bureau.work = lambda body: body if release.wait(30) else b""
        busy = [threads.submit(place.honest, place.a, CONTRACT) for _ in range(3)]
        for _ in busy:
            assert place.service.bureau.entered.acquire(timeout=30)
        assert place.honest(place.a, CONTRACT).status_code == 429
        other = threads.submit(place.honest)
        assert place.service.bureau.entered.acquire(timeout=30)
        release.set()
        assert [one.result(30).status_code for one in (*busy, other)] == [200] * 4


@pytest.mark.with_control("body first")
def test_a_stranger_gets_no_room(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(UploadLimiter, "open", lambda *_: asked.append(1))
    with opened() as place:
        with place.slow(LARGE, bytes(100_000), Key()) as connection:
            assert connection.recv(65536).startswith(b"HTTP/1.1 401")
        address = urlsplit(place.service.url)
        with socket.create_connection((address.hostname, address.port), timeout=30) as unsigned:
            path = f"/v1/contracts/{CONTRACT}/matching?job={JOB}"
            head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {LARGE}\r\n\r\n"
            unsigned.sendall(head.encode() + bytes(100_000))
            assert unsigned.recv(65536).startswith(b"HTTP/1.1 401")
    assert not asked


def test_a_body_leaves_no_file(opened: Any, tmp_path: Path) -> None:
    """Neither when it was taken, nor when it broke off, nor when the process is killed: a file has no name."""
    folder = tmp_path / "spool"
    folder.mkdir()
    uploads = UploadLimiter(folder, room=10_000_000, share=10_000_000, count=2, retry_after=1)
    file = uploads.new_file()
    file.write(bytes(2_000_000))
    file.flush()
    assert list(folder.iterdir()) == []
    file.close()
