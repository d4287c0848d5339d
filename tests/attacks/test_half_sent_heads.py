"""A stranger opens connections, sends half of a request's head on each, and waits, until the service has no descriptor
left for anybody.

Who: anybody who reaches the service. What stops it: a connection whose head is not complete in time is closed, whatever
more of it comes.
"""

from __future__ import annotations

import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from uvicorn.protocols.http.h11_impl import H11Protocol

import sandbox.app
from tests.support.bureau_standin import Running, running

pytestmark = pytest.mark.threat(
    "Half-sent heads",
    who="a stranger",
    wants="to hold the service's connections with requests that never begin",
    stopped_by={
        "head deadline": "A connection whose request head, or start of TLS, is late is closed.",
    },
    shipped="10 seconds",
    code=["lab.transport.head_deadline"],
)

HALF = b"GET /v1/health HTTP/1.1\r\nhost: x\r\nx-slow: "
DEADLINE, LATER = 0.5, 3.0
COUNT = 20


def left_open(service: Running) -> int:
    """How many of such connections are still open some time after the deadline."""
    address = urlsplit(service.url)
    held = [socket.create_connection((address.hostname, address.port), timeout=30) for _ in range(COUNT)]
    try:
        for one in held:
            one.sendall(HALF)
        time.sleep(LATER)
        for one in held:
            one.setblocking(False)
        return sum(is_open(one) for one in held)
    finally:
        for one in held:
            one.close()


def is_open(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


@pytest.mark.without_control("head deadline")
def test_where_heads_have_no_deadline_every_connection_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox.app, "head_deadline_protocol", lambda seconds: H11Protocol)
    with running(tmp_path, request_head_seconds=DEADLINE) as service:
        assert left_open(service) == COUNT


@pytest.mark.with_control("head deadline")
def test_half_a_head_holds_no_connection(tmp_path: Path) -> None:
    with running(tmp_path, request_head_seconds=DEADLINE) as service:
        assert left_open(service) == 0
