"""The listening socket: accepted connections send at once, its address is a URL, and its faults have reasons."""

from __future__ import annotations

import asyncio
import socket

import pytest

from lab.terms.errors import Conflict
from lab.transport.listening import format_origin, is_every_address, is_exposed, open_listener


def test_asyncio_sets_tcp_nodelay_on_its_connections() -> None:
    """Not on those of a socket without a protocol: each answer on a kept connection then took 44 ms."""

    async def accepted(listening: socket.socket) -> int:
        taken: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        class Taken(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                made = transport.get_extra_info("socket")
                taken.set_result(made.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

        server = await asyncio.get_running_loop().create_server(Taken, sock=listening)
        _, writer = await asyncio.open_connection(*listening.getsockname())
        try:
            return await taken
        finally:
            writer.close()
            server.close()

    with open_listener("127.0.0.1", 0) as listening:
        assert asyncio.run(accepted(listening)) != 0
    with socket.create_server(("127.0.0.1", 0)) as plain:
        assert asyncio.run(accepted(plain)) == 0


@pytest.mark.parametrize(
    ("host", "port", "tls", "origin"),
    [
        ("127.0.0.1", 8600, False, "http://127.0.0.1:8600"),
        ("::1", 8600, True, "https://[::1]:8600"),
        ("bureau.example", 443, True, "https://bureau.example:443"),
    ],
)
def test_an_origin_is_a_url(host: str, port: int, tls: bool, origin: str) -> None:
    assert format_origin(host, port, tls=tls) == origin


def test_who_can_reach_it() -> None:
    assert not any(map(is_exposed, ("127.0.0.1", "127.9.9.9", "::1", "localhost")))
    assert all(map(is_exposed, ("0.0.0.0", "::", "10.0.0.1", "bureau.example")))
    assert [is_every_address(host) for host in ("0.0.0.0", "::", "127.0.0.1")] == [True, True, False]


def test_it_says_why_it_cannot_listen() -> None:
    with open_listener("127.0.0.1", 0) as taken, pytest.raises(Conflict, match="another program listens there"):
        open_listener("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(Conflict, match="this machine does not have the address"):
        open_listener("192.0.2.1", 0)
    for host, port in (("no such host", 0), ("127.0.0.1", 70_000), ("a" * 300, 0), ("fe80::zz", 0)):
        with pytest.raises(Conflict, match="does not exist"):
            open_listener(host, port)
