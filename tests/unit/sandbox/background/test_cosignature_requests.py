"""The bureau's requests go through the proxy of its settings: to a witness, and to an OpenID provider."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lab.bureau.configuration.settings import WitnessSetting
from lab.terms.errors import InvalidInput, NotAuthentic, Unreachable
from sandbox.background.cosignature_requests import _post
from sandbox.oidc.provider import OidcProvider
from sandbox.settings import ServiceSettings
from tests.support.connect_proxy import ConnectProxy, running_proxy, running_tls_service
from tests.support.made_certificates import make_authority

KEY = "audit.example/witness+aab4a55a+BG0ZJu8wv3jciLAF91Yf44TXGcTY0Dlrd/gAu2m12WBb"


@pytest.fixture
def way(tmp_path: Path) -> Iterator[tuple[ConnectProxy, Path]]:
    """A proxy that knows the way to a TLS service under two names, and the service's authority."""
    authority = make_authority()
    names = ["witness.example", "id.example"]
    chain, key = authority.issue(names).write(tmp_path)
    with ExitStack() as stack:
        port = stack.enter_context(running_tls_service(chain, key))
        proxy = ConnectProxy(routes={f"{name}:443": ("127.0.0.1", port) for name in names})
        yield stack.enter_context(running_proxy(proxy)), authority.write_authority(tmp_path / "ca.pem")


def settings(proxy: ConnectProxy, ca_file: Path | None = None, **more: str) -> ServiceSettings:
    return ServiceSettings(proxy=proxy.url, ca_file=ca_file, **more)  # type: ignore[arg-type]


def test_to_a_witness(way: tuple[ConnectProxy, Path]) -> None:
    proxy, ca_file = way
    witness = WitnessSetting(key=KEY, url="https://witness.example")
    status, media, content = _post(witness, settings(proxy, ca_file).network_settings(), b"old 0\n")
    assert (status, media, content) == (200, "application/json", b'{"status":"ok"}')
    assert proxy.targets == ["witness.example:443"]


def test_a_witness_whose_certificate_does_not_verify_is_described(way: tuple[ConnectProxy, Path]) -> None:
    witness = WitnessSetting(key=KEY, url="https://witness.example")
    with pytest.raises(NotAuthentic, match=r"for witness\.example, id\.example, issued by Test Authority"):
        _post(witness, settings(way[0]).network_settings(), b"old 0\n")


def test_to_a_provider(way: tuple[ConnectProxy, Path]) -> None:
    proxy, ca_file = way
    found = settings(proxy, ca_file, oidc_issuer="https://id.example", public_url="https://bureau.example")
    with pytest.raises(Unreachable, match="own metadata"):  # it answered, and is no provider
        asyncio.run(OidcProvider(found).new_authorization_request())
    assert proxy.targets == ["id.example:443"]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [({"proxy": "socks5://canary-1:1"}, "proxy of service.toml"), ({"no_proxy": "10.0.0"}, "entry 1 of no_proxy")],
)
def test_wrong_settings_are_named_without_their_values(wrong: dict[str, str], named: str) -> None:
    with pytest.raises(InvalidInput, match=named) as caught:
        ServiceSettings(**wrong).network_settings()  # type: ignore[arg-type]
    assert "canary" not in str(caught.value)
