"""A stranger keeps a witness from cosigning, so that no run of any bank can end.

Who: anybody who reaches the witness. It opens connections and sends nothing on them, or heads of requests without
their bodies; with few of them the places are taken, and everybody else is told to come back later.

What stops it: a connection on which no whole request has come is the first to go when there are many, and goes in any
case after some seconds.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
import uvicorn

from lab.witness import service
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


@contextmanager
def serving(folder: Path, log: Log, *, http: object = None) -> Iterator[str]:
    config = service.server_config(make(folder, log))
    if http is not None:
        config.http = http  # type: ignore[assignment]
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = server.force_exit = True
            thread.join()


def cosigned_beside(url: str, log: Log, sent: bytes) -> int:
    """The status that the bureau gets while somebody holds as many connections as there may be."""
    host, port = url.removeprefix("http://").split(":")
    held: list[socket.socket] = []
    try:
        for _ in range(80):  # one after another: who comes with all at once is refused with them
            held.append(socket.create_connection((host, int(port))))
            with suppress(OSError):
                held[-1].sendall(sent)
            time.sleep(0.005)
        time.sleep(0.2)
        return httpx.post(f"{url}/add-checkpoint", content=log.request(0)).status_code
    finally:
        for one in held:
            one.close()


@pytest.mark.without_control("unfinished connections")
@each_sort
def test_where_unfinished_connections_keep_their_places_the_bureau_gets_none(tmp_path: Path, sent: bytes) -> None:
    log = Log()
    log.grow(5)
    with serving(tmp_path / "w", log, http="h11") as url:
        assert cosigned_beside(url, log, sent) == 503


@pytest.mark.with_control("unfinished connections")
@each_sort
def test_unfinished_connections_hold_nobody(tmp_path: Path, sent: bytes) -> None:
    log = Log()
    log.grow(5)
    with serving(tmp_path / "w", log) as url:
        assert cosigned_beside(url, log, sent) == 200


@pytest.mark.with_control("unfinished connections")
@pytest.mark.parametrize("sent", [SILENT, b"GET /"])
def test_a_connection_without_a_request_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(service, "_HEAD_SECONDS", 0.3)
    log = Log()
    log.grow(5)
    with serving(tmp_path / "w", log) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as one:
            one.sendall(sent)
            with pytest.raises(ConnectionResetError):
                if one.recv(1) == b"":
                    raise ConnectionResetError
        with httpx.Client(base_url=url) as client:  # and one that is at work stays
            assert client.post("/add-checkpoint", content=log.request(0)).status_code == 200
            assert client.get("/x/checkpoint").status_code == 404
