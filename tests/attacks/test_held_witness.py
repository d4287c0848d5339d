"""A stranger keeps a witness from cosigning, so that no run of any bank can end.

Who: anybody who reaches the witness. It opens connections and sends nothing on them, or heads of requests without
their bodies; with few of them the places are taken, and everybody else is told to come back later.

What stops it: a connection on which no whole request has come is the first to go when there are many, and goes in any
case after some seconds.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from lab.witness import service
from tests.support.waiting import wait_until
from tests.unit.lab.witness.test_cosigning import Log, make

pytestmark = pytest.mark.threat(
    "Occupied witness",
    who="a stranger",
    wants="to occupy a witness's connections so that it cosigns no ledger",
    stopped_by={
        "unfinished connections": (
            "The number of connections without a whole request is limited. The oldest ends first, and each ends"
            " after seconds."
        ),
    },
    shipped="48 of 64 connections; 10 seconds for a head, 15 seconds for a body",
    code=["lab.witness.service"],
)

SILENT, TRICKLING = b"", b"POST /add-checkpoint HTTP/1.1\r\nhost: w\r\ncontent-length: 1000\r\n\r\nold "
each_sort = pytest.mark.parametrize("sent", [SILENT, b"GET /", TRICKLING])


@dataclass
class Running:
    """A witness that serves, and how many connections it has taken so far."""

    server: uvicorn.Server
    url: str = ""
    taken: int = 0

    @property
    def held(self) -> int:
        """The connections that it holds now."""
        return len(self.server.server_state.connections)


@contextmanager
def serving(folder: Path, log: Log, *, http: type[H11Protocol] = service._RequestDeadlineProtocol) -> Iterator[Running]:
    config = service.server_config(make(folder, log))
    running = Running(uvicorn.Server(config))
    server = running.server

    class Counted(http):  # type: ignore[misc, valid-type]
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            running.taken += 1

    config.http = Counted
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        wait_until(lambda: server.started)
        try:
            running.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            yield running
        finally:
            server.should_exit = server.force_exit = True
            thread.join()


def cosigned_beside(running: Running, log: Log, sent: bytes, *, held_at_most: int) -> int:
    """The status that the bureau gets while somebody holds as many connections as there may be."""
    host, port = running.url.removeprefix("http://").split(":")
    held: list[socket.socket] = []
    try:
        for number in range(80):  # one after another: who comes with all at once is refused with them
            held.append(socket.create_connection((host, int(port))))
            with suppress(OSError):
                held[-1].sendall(sent)
            wait_until(lambda number=number: running.taken > number)  # type: ignore[misc]
        wait_until(lambda: running.held <= held_at_most)
        return httpx.post(f"{running.url}/add-checkpoint", content=log.request(0), timeout=60).status_code
    finally:
        for one in held:
            one.close()


@pytest.mark.without_control("unfinished connections")
@each_sort
def test_where_unfinished_connections_keep_their_places_the_bureau_gets_none(tmp_path: Path, sent: bytes) -> None:
    log = Log()
    log.grow(5)
    with serving(tmp_path / "w", log, http=H11Protocol) as running:
        assert cosigned_beside(running, log, sent, held_at_most=80) == 503


@pytest.mark.with_control("unfinished connections")
@each_sort
def test_unfinished_connections_hold_nobody(tmp_path: Path, sent: bytes) -> None:
    log = Log()
    log.grow(5)
    with serving(tmp_path / "w", log) as running:
        assert cosigned_beside(running, log, sent, held_at_most=service._UNFINISHED) == 200


@pytest.mark.with_control("unfinished connections")
@pytest.mark.parametrize("sent", [SILENT, b"GET /"])
def test_a_connection_without_a_request_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(service, "_HEAD_SECONDS", 1.0)
    log = Log()
    log.grow(5)
    with serving(tmp_path / "w", log) as running:
        host, port = running.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as one:
            one.sendall(sent)
            with pytest.raises(ConnectionResetError):
                if one.recv(1) == b"":
                    raise ConnectionResetError
        with httpx.Client(base_url=running.url, timeout=60) as client:  # and one that is at work stays
            assert client.post("/add-checkpoint", content=log.request(0)).status_code == 200
            assert client.get("/x/checkpoint").status_code == 404
