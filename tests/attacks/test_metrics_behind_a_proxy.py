"""A stranger on the internet reads the bureau's figures: which bank works when, and how much.

They ask for /metrics through the proxy that stands before the service, on the same machine. The service used to answer
whoever came from a loopback address and bore no header of a proxy's; behind a proxy that adds none, that is everybody.
What stops it: the address tells nothing any more. The figures are for who has the token, and without one for nobody.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from lab.bureau.configuration.home import BureauHome
from lab.bureau.key_management.metrics_token import METRICS_TOKEN_FILE, metrics_token, prometheus_configuration
from lab.cli.bureau.commands import metrics as shown_to_operators
from sandbox.api.public import metrics
from tests.support.bureau_standin import running

pytestmark = pytest.mark.threat(
    "Metrics behind a proxy",
    who="a stranger",
    wants="to read the service's metrics through a proxy on the same machine",
    stopped_by={
        "metrics token": "`/metrics` requires a token from every address.",
    },
    code=["sandbox.api.public.metrics"],
)

TOKEN = "a-token-of-more-than-sixteen-characters"
PROXY = """
import socket, sys, threading
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
def pump(source, sink):
    while piece := source.recv(65536):
        sink.sendall(piece)
    sink.shutdown(socket.SHUT_WR)
while True:
    visitor = listening.accept()[0]
    service = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    for pair in ((visitor, service), (service, visitor)):
        threading.Thread(target=pump, args=pair, daemon=True).start()
"""
"""A proxy that passes bytes on and adds nothing, like one that balances connections."""


@contextmanager
def proxied(url: str) -> Iterator[str]:
    port = str(urlsplit(url).port)
    with subprocess.Popen([sys.executable, "-c", PROXY, port], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.kill()


def was_local(request: Any, token: str) -> bool:
    """The former rule, where no token was set."""
    if token:
        return bool(request.headers.get("authorization") == f"Bearer {token}")
    named = any(name in request.headers for name in ("forwarded", "x-forwarded-for", "via"))
    return not named and request.client.host == "127.0.0.1"


def watch(service: Any) -> None:
    """The stand-in has no batches to count and no witnesses."""
    service.bureau.scoring = SimpleNamespace(list_waiting=lambda: [], count_by_state=lambda: {})
    service.bureau.cosignatures = SimpleNamespace(witness_lag=lambda: 0)
    service.bureau.matching = SimpleNamespace(arithmetic_seconds=0.0)


@pytest.mark.without_control("metrics token")
def test_by_address_a_stranger_behind_the_proxy_is_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "_has_token", was_local)
    with running(tmp_path) as service, proxied(service.url) as front:
        watch(service)
        answer = httpx.get(front + "/metrics", timeout=60)
        assert answer.status_code == 200
        assert "shulab_requests" in answer.text


@pytest.mark.with_control("metrics token")
@pytest.mark.parametrize("settings", [{}, {"metrics_token": TOKEN}], ids=["no token is set", "a token is set"])
def test_a_stranger_behind_the_proxy_reads_nothing(tmp_path: Path, settings: dict[str, str]) -> None:
    headers: dict[str, str]
    with running(tmp_path, **settings) as service, proxied(service.url) as front:
        watch(service)
        for headers in (
            {},
            {"authorization": "Bearer x"},
            {"authorization": "Bearer"},
            {"x-forwarded-for": "127.0.0.1", "host": "localhost", "forwarded": "for=127.0.0.1"},
        ):
            for url in (front, service.url):
                answer = httpx.get(url + "/metrics", headers=headers, timeout=60)
                assert answer.status_code == 401
                assert "shulab_requests" not in answer.text


def test_who_has_the_token_reads_through_the_proxy(tmp_path: Path) -> None:
    with running(tmp_path, metrics_token=TOKEN) as service, proxied(service.url) as front:
        watch(service)
        headers = {"authorization": f"Bearer {TOKEN}"}
        assert httpx.get(front + "/metrics", headers=headers, timeout=60).status_code == 200


@pytest.mark.with_control("metrics token")
def test_the_bureaus_token_is_its_own_and_nobody_elses_to_read(tmp_path: Path) -> None:
    folders = [BureauHome.create(tmp_path / name, name=name).folder for name in ("a", "b")]
    first, second = map(metrics_token, folders)
    assert first == metrics_token(folders[0]) != second
    file = folders[0] / "metrics.token"
    assert file.stat().st_mode & 0o777 == 0o600
    assert str(file) in prometheus_configuration(file, "127.0.0.1:8600", tls=False)
    assert first not in prometheus_configuration(file, "127.0.0.1:8600", tls=False)


def test_what_is_put_into_its_configuration_can_be_copied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    BureauHome.create(tmp_path / "bureau", name="某局")
    shown_to_operators(home=tmp_path / "bureau")
    assert (
        prometheus_configuration(tmp_path / "bureau" / METRICS_TOKEN_FILE, "127.0.0.1:8600", tls=False)
        in capsys.readouterr().out
    )
