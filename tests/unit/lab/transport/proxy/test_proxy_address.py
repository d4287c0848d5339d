"""A proxy's address: read as ``HTTPS_PROXY`` has it, and its password shown nowhere."""

from __future__ import annotations

import base64

import pytest

from lab.terms.errors import InvalidInput
from lab.transport.proxy.proxy_address import ProxyAddress

CANARY = "canary-91ab"


@pytest.mark.parametrize(
    ("url", "host", "port", "tls"),
    [
        ("http://proxy.bank:3128", "proxy.bank", 3128, False),
        ("proxy.bank:3128", "proxy.bank", 3128, False),
        ("https://proxy.bank/", "proxy.bank", 443, True),
        ("http://[fd00::9]:8080", "fd00::9", 8080, False),
        ("http://10.0.0.9", "10.0.0.9", 80, False),
    ],
)
def test_addresses(url: str, host: str, port: int, tls: bool) -> None:
    found = ProxyAddress.parse(url, setting="HTTPS_PROXY")
    assert (found.host, found.port, found.is_tls, found.authorization) == (host, port, tls, "")


def test_name_and_password_are_read_and_not_shown() -> None:
    found = ProxyAddress.parse(f"http://d%40bank:{CANARY}%3A@proxy:1", setting="proxy")
    assert base64.b64decode(found.authorization.removeprefix("Basic ")).decode() == f"d@bank:{CANARY}:"
    assert CANARY not in repr(found) + str(found) + found.shown and found.authorization not in repr(found)


@pytest.mark.parametrize(
    "url",
    ["socks5://p:1", "http://", "http://p:x", "http://p:99999", "http://p/path", "http://p?x", "http://p\u3002q:1"],
)
def test_what_is_no_proxy_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(InvalidInput, match="HTTPS_PROXY") as caught:
        ProxyAddress.parse(
            url.replace("p", f"u:{CANARY}@p", 1) if url.startswith("http://p") else url, setting="HTTPS_PROXY"
        )
    assert CANARY not in str(caught.value)
