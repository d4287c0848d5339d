"""``NO_PROXY``: names, addresses, ranges of both versions, ports; a wrong entry is refused, not passed over."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.terms.errors import InvalidInput
from lab.transport.proxy.no_proxy import ProxyExceptions


@pytest.mark.parametrize(
    ("entries", "host", "port", "direct"),
    [
        ("example.com", "example.com", 443, True),
        ("example.com", "bureau.example.com", 443, True),
        ("example.com", "notexample.com", 443, False),
        ("example.com", "example.com.evil.net", 443, False),
        ("EXAMPLE.com.", "Example.COM.", 443, True),
        (".example.com", "example.com", 443, False),
        (".example.com", "a.example.com", 443, True),
        ("*.example.com", "a.example.com", 443, True),
        ("*.example.com", "example.com", 443, False),
        ("example.com:8443", "example.com", 443, False),
        ("example.com:8443", "example.com", 8443, True),
        ("例子.example", "xn--fsqu00a.example", 443, True),
        ("10.0.0.0/8", "10.255.0.1", 443, True),
        ("10.0.0.0/8", "11.0.0.1", 443, False),
        ("10.1.2.3/8", "10.9.9.9", 443, True),
        ("192.0.2.7", "192.0.2.7", 443, True),
        ("192.0.2.7:8600", "192.0.2.7", 443, False),
        ("10.0.0.0/8", "ten.example", 443, False),
        ("fe11::/16", "fe11:1::1", 443, True),
        ("fe11::/16", "fe12::1", 443, False),
        ("fd00::/8", "[fd00::2]", 443, True),
        ("2001:db8::1", "2001:0db8:0:0::1", 443, True),
        ("[2001:db8::1]", "2001:db8::1", 443, True),
        ("[2001:db8::1]:8600", "2001:db8::1", 443, False),
        ("[2001:db8::1]:8600", "2001:db8::1", 8600, True),
        ("10.0.0.0/8", "::ffff:10.0.0.1", 443, True),
        ("fe80::/10", "fe80::1%eth0", 443, True),
        ("a.example b.example,c.example", "c.example", 443, True),
        ("*", "anything.example", 443, True),
        ("", "localhost", 443, True),
        ("", "127.8.8.8", 443, True),
        ("", "::1", 443, True),
        ("", "bureau.example", 443, False),
    ],
)
def test_what_is_reached_directly(entries: str, host: str, port: int, direct: bool) -> None:
    assert ProxyExceptions.parse(entries, setting="no_proxy").cover(host, port) is direct


@pytest.mark.parametrize(
    "entry", ["10.0.0", "10.0.0.*", "10.0.0.0/33", "fe11::/200", "a..b", "http://x", "ex*.com", "**"]
)
def test_a_wrong_entry_is_refused_by_its_number(entry: str) -> None:
    with pytest.raises(InvalidInput, match="entry 2 of NO_PROXY") as caught:
        ProxyExceptions.parse(f"good.example, {entry}", setting="NO_PROXY")
    assert entry not in caught.value.detail.replace("10.0.0.0/8", "")


@given(st.text(max_size=60), st.text(max_size=40), st.integers(0, 65535))
def test_any_text_is_read_or_refused(entries: str, host: str, port: int) -> None:
    try:
        found = ProxyExceptions.parse(entries, setting="no_proxy")
    except InvalidInput:
        return
    assert found.cover(host, port) in (True, False)
