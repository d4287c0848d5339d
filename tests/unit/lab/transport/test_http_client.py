"""Through real proxies to a real TLS service, all on this machine; and what a person reads when the way is barred."""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from lab.terms.errors import NotAuthentic, ShulabError, Unreachable
from lab.transport.http_client import explain_transport_error, open_async_http_client, open_http_client
from lab.transport.proxy.network_settings import NetworkSettings
from tests.support.connect_proxy import ConnectProxy, running_proxy, running_tls_service, server_context
from tests.support.made_certificates import MadeCertificate, make_authority

CANARY = "canary-3f0e"
NAME = "bureau.example"
"""A name that nothing resolves: only a proxy finds it."""


@dataclass
class Place:
    """A TLS service, its authority, and ports by address family."""

    authority: MadeCertificate
    ca_file: Path
    port: int
    port6: int

    def network(self, proxy: str, no_proxy: str = "") -> NetworkSettings:
        return NetworkSettings.from_texts(proxy, no_proxy).with_ca_file(self.ca_file)

    def proxy(self, **more: object) -> ConnectProxy:
        routes = {f"{NAME}:443": ("127.0.0.1", self.port), "[2001:db8::7]:443": ("::1", self.port6)}
        return ConnectProxy(routes=routes, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("tls")
    authority = make_authority()
    chain, key = authority.issue([NAME, "2001:db8::7", "127.0.0.1", "::1"]).write(folder)
    with ExitStack() as stack:
        port = stack.enter_context(running_tls_service(chain, key))
        port6 = stack.enter_context(running_tls_service(chain, key, host="::1"))
        yield Place(authority, authority.write_authority(folder / "ca.pem"), port, port6)


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if "PROXY" in name.upper():
            monkeypatch.delenv(name)


def get(network: NetworkSettings, url: str) -> httpx.Response:
    with open_http_client(network, timeout=10.0) as client:
        return client.get(url)


def failure(network: NetworkSettings, url: str) -> ShulabError:
    with open_http_client(network, timeout=10.0) as client, pytest.raises(httpx.TransportError) as caught:
        client.get(url)
    return explain_transport_error(caught.value, url, network, what="No answer from", next_step="check the service")


def test_through_a_proxy_by_name(place: Place) -> None:
    with running_proxy(place.proxy()) as proxy, open_http_client(place.network(proxy.url), timeout=10.0) as client:
        for _ in range(3):
            assert client.get(f"https://{NAME}/v1/health").json() == {"status": "ok"}
        assert client.post(f"https://{NAME}/", content=b"x" * 300_000).status_code == 200
    assert proxy.targets == [f"{NAME}:443"]  # one tunnel carries all four
    assert b"v1/health" not in b"".join(proxy.heads)


def test_through_a_proxy_to_and_from_ipv6_addresses(place: Place) -> None:
    with running_proxy(place.proxy(), host="::1") as proxy:
        assert get(place.network(proxy.url), "https://[2001:db8::7]/").status_code == 200
    assert proxy.targets == ["[2001:db8::7]:443"]
    assert b"Host: [2001:db8::7]:443\r\n" in proxy.heads[0]


def test_through_a_proxy_that_is_reached_by_tls(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = make_authority("Proxy Authority")
    chain, key = authority.issue(["127.0.0.1"]).write(tmp_path)
    with running_proxy(place.proxy(), tls=server_context(chain, key)) as proxy:
        found = failure(place.network(proxy.url), f"https://{NAME}")
        assert isinstance(found, Unreachable) and "certificate of the proxy 127.0.0.1" in found.detail
        assert not proxy.targets
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.write_authority(tmp_path / "store.pem")))
        assert get(place.network(proxy.url), f"https://{NAME}/").status_code == 200


def test_the_async_client_takes_the_same_way(place: Place) -> None:
    async def fetch(network: NetworkSettings) -> int:
        async with open_async_http_client(network, timeout=10.0) as client:
            return (await client.get(f"https://{NAME}/")).status_code

    with running_proxy(place.proxy()) as proxy:
        assert asyncio.run(fetch(place.network(proxy.url))) == 200
    with running_proxy(ConnectProxy(answer=b"HTTP/1.1 403 No\r\n\r\n")) as proxy, pytest.raises(httpx.ProxyError):
        asyncio.run(fetch(place.network(proxy.url)))


@pytest.mark.parametrize("no_proxy", ["", "::1", "0::/96"])
def test_this_machine_and_what_no_proxy_names_are_reached_directly(place: Place, no_proxy: str) -> None:
    with running_proxy(place.proxy()) as proxy:
        assert get(place.network(proxy.url, no_proxy), f"https://[::1]:{place.port6}/").status_code == 200
        assert get(place.network(proxy.url, no_proxy), f"https://127.0.0.1:{place.port}/").status_code == 200
    assert not proxy.targets


def test_a_range_of_ipv6_in_no_proxy_keeps_the_proxy_out(place: Place) -> None:
    with running_proxy(place.proxy()) as proxy:
        network = place.network(proxy.url, "2001:db8::/32")
        with open_http_client(network, timeout=0.5) as client, pytest.raises(httpx.TransportError):
            client.get("https://[2001:db8::7]/")
        assert not proxy.targets


def test_plain_http_never_goes_to_the_proxy(place: Place) -> None:
    with running_proxy(place.proxy()) as proxy:
        with open_http_client(place.network(proxy.url), timeout=0.5) as client, pytest.raises(httpx.TransportError):
            client.get("http://192.0.2.1:9/")
        assert not proxy.targets


def test_a_variable_of_the_environment_is_no_proxy(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_proxy(place.proxy()) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(httpx.ConnectError):
            get(place.network(""), f"https://{NAME}/")
        assert "SHULAB_PROXY=environment" in failure(place.network(""), f"https://{NAME}").next_step
        assert not proxy.targets
        assert get(place.network("environment"), f"https://{NAME}/").status_code == 200
    assert proxy.targets


def test_the_proxys_password_goes_to_the_proxy_and_nowhere_else(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with running_proxy(place.proxy()) as proxy:
        network = place.network(proxy.url.replace("//", f"//dep%40t:{CANARY}@"))
        assert get(network, f"https://{NAME}/").status_code == 200
    sent = base64.b64encode(f"dep@t:{CANARY}".encode())
    assert b"Proxy-Authorization: Basic " + sent + b"\r\n" in proxy.heads[0]
    logged = caplog.text + repr(network)
    assert "httpcore" in caplog.text and CANARY not in logged and sent.decode() not in logged


ASKS = b'HTTP/1.1 407 Auth\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: Basic realm="x"\r\n\r\n'


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (ASKS, "basic, negotiate"),
        (b"HTTP/1.1 403 " + CANARY.encode() + b"\r\n\r\n<html>", "HTTP status 403"),
        (b"HTTP/1.0 502 Bad\r\n\r\n", "HTTP status 502"),
        (b"HTTP/1.1 200 OK\r\n\r\n\x16\x03\x01", "before the service could"),
        (CANARY.encode() + b"\r\n\r\n", "no HTTP"),
        (b"SSH-2.0-x\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000, "no HTTP"),
    ],
)
def test_a_proxy_that_opens_no_tunnel(place: Place, answer: bytes, shown: str) -> None:
    with running_proxy(ConnectProxy(answer=answer)) as proxy:
        found = failure(place.network(proxy.url), f"https://{NAME}")
    assert isinstance(found, Unreachable) and shown in found.detail and found.next_step
    assert CANARY not in str(found) and "127.0.0.1" in found.detail


def test_a_password_that_the_proxy_does_not_accept(place: Place) -> None:
    with running_proxy(ConnectProxy(answer=b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\n\r\n")) as proxy:
        found = failure(place.network(proxy.url.replace("//", f"//u:{CANARY}@")), f"https://{NAME}")
    assert "does not accept this name and password" in found.detail and CANARY not in str(found)


def test_a_proxy_that_is_down_is_named(place: Place) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, never listening: connections are refused
        network = place.network(f"http://127.0.0.1:{taken.getsockname()[1]}")
        found = failure(network, f"https://{NAME}")
    assert found.detail.startswith("No answer from the proxy 127.0.0.1:")


def test_a_proxy_that_never_ends_its_answer_is_left(place: Place) -> None:
    proxy = ConnectProxy(answer=b"HTTP/1.1 200 OK\r\n", answer_then_close=False)
    with running_proxy(proxy):
        client = open_http_client(place.network(proxy.url), timeout=0.5)
        with client, pytest.raises(httpx.ProxyError):
            client.get(f"https://{NAME}/")


def test_a_proxy_that_alters_bytes_breaks_the_connection(place: Place) -> None:
    proxy = place.proxy(change=lambda data: data[:-1] + bytes([data[-1] ^ 1]))
    with running_proxy(proxy):
        found = failure(place.network(proxy.url), f"https://{NAME}")
    assert isinstance(found, Unreachable)


def test_a_proxy_that_answers_in_the_services_place_is_found_out(place: Place, tmp_path: Path) -> None:
    chain, key = make_authority("Office Inspection").issue([NAME]).write(tmp_path)
    proxy = place.proxy(intercept=server_context(chain, key))
    with running_proxy(proxy):
        found = failure(place.network(proxy.url), f"https://{NAME}")
    assert isinstance(found, NotAuthentic)
    assert f"found one for {NAME}, issued by Office Inspection, valid from" in found.detail
    assert "--ca-file" in found.next_step and "proxy" in found.next_step


@pytest.mark.parametrize(
    ("hosts", "days", "shown", "step"),
    [
        (["127.0.0.1"], (-9, -2), "it has expired", "renew"),
        (["127.0.0.1"], (3, 9), "not valid yet", "clock"),
        (["other.example", "127.0.0.2"], (-1, 9), "for other.example, 127.0.0.2, issued by Test Authority", "name in"),
        ([], (-1, 9), "for no host", "name in"),
    ],
)
def test_what_is_wrong_with_a_certificate_is_said(
    place: Place, tmp_path: Path, hosts: list[str], days: tuple[int, int], shown: str, step: str
) -> None:
    chain, key = place.authority.issue(hosts, days=days).write(tmp_path)
    with running_tls_service(chain, key) as port:
        found = failure(place.network(""), f"https://127.0.0.1:{port}")
    assert isinstance(found, NotAuthentic) and shown in found.detail and step in found.next_step


def test_text_in_a_certificate_cannot_act_on_a_terminal(place: Place, tmp_path: Path) -> None:
    chain, key = make_authority("\x1b[2J\u202eOffice").issue(["127.0.0.1"]).write(tmp_path)
    with running_tls_service(chain, key) as port:
        found = failure(place.network(""), f"https://127.0.0.1:{port}")
    assert "Office" in found.detail and "\x1b" not in found.detail and "\u202e" not in found.detail


def test_the_systems_store_counts_by_default_and_an_own_file_replaces_it(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"https://127.0.0.1:{place.port}"
    assert isinstance(failure(NetworkSettings(), url), NotAuthentic)
    monkeypatch.setenv("SSL_CERT_FILE", str(place.ca_file))  # how a system's store is moved, for OpenSSL and for us
    assert get(NetworkSettings(), url).status_code == 200
    other = make_authority("Other").write_authority(tmp_path / "other.pem")
    assert isinstance(failure(NetworkSettings().with_ca_file(other), url), NotAuthentic)
