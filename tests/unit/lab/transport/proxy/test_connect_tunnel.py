"""The exchange for a tunnel, byte by byte, and whatever a proxy may answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.transport.proxy.connect_tunnel import ConnectExchange, ProxyFailure
from lab.transport.proxy.proxy_address import ProxyAddress

PROXY = ProxyAddress.parse("proxy.bank:3128", setting="proxy")


def test_the_answer_may_come_in_pieces() -> None:
    exchange = ConnectExchange(PROXY, "fd00::1", 8600)
    assert exchange.request.startswith(b"CONNECT [fd00::1]:8600 HTTP/1.1\r\nHost: [fd00::1]:8600\r\n")
    answer = b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\n"
    assert [exchange.receive(answer[n : n + 1]) for n in range(len(answer))] == [False] * (len(answer) - 1) + [True]


@pytest.mark.parametrize("status", [b"502", b"503", b"504"])
def test_what_may_pass_is_said_to(status: bytes) -> None:
    with pytest.raises(ProxyFailure) as caught:
        ConnectExchange(PROXY, "bureau.example", 443).receive(b"HTTP/1.1 " + status + b" x\r\n\r\n")
    assert caught.value.may_pass


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=5), st.booleans())
def test_whatever_comes_is_a_tunnel_or_a_failure(pieces: list[bytes], proper: bool) -> None:
    exchange = ConnectExchange(PROXY, "bureau.example", 443)
    try:
        for piece in [*([b"HTTP/1.1 "] if proper else []), *pieces]:
            if exchange.receive(piece):
                return
        exchange.receive(b"")
        pytest.fail("a closed connection is no tunnel")
    except ProxyFailure as failure:
        assert failure.next_step and failure.detail.isascii()
