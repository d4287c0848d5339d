"""Somebody on the way out of the bank's network makes people's commands pass through a proxy of their own.

They set HTTPS_PROXY where the command is started, and learn who talks to whom; or they answer in the service's place,
and read the password. What stops them: a proxy counts by a setting of the party alone, and the service's certificate is
verified through any proxy.
"""

from __future__ import annotations

import ssl
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from lab.sdk.connection import ServiceConnection
from lab.terms.errors import ShulabError
from tests.support.connect_proxy import ConnectProxy, running_proxy, server_context
from tests.support.made_certificates import make_authority

pytestmark = pytest.mark.threat(
    "Proxy in the way",
    who="a stranger",
    wants="to learn who talks to the bureau, and a person's password, by a proxy between the two",
    stopped_by={
        "own setting": "A proxy counts by the party's own setting; variables that any program reads do not count.",
        "certificate": "The certificate of the service itself is verified through the proxy, before anything is sent.",
    },
    code=["lab.transport.http_client", "lab.transport.proxy.network_settings"],
)

SERVICE = "https://bureau.example"
PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "NO_PROXY", "no_proxy", "SHULAB_NO_PROXY", "SHULAB_CA_FILE", "SHULAB_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SHULAB_SESSION", str(tmp_path / "session.json"))


def sign_in() -> None:
    with closing(ServiceConnection(SERVICE)) as connection, pytest.raises(ShulabError):
        connection.request("POST", "/v1/sign-in", body={"name": "zhang.wei", "password": PASSWORD})


def learn_whom(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whom the command wanted to reach, as a proxy sees it that HTTPS_PROXY names."""
    with running_proxy(ConnectProxy(answer=b"HTTP/1.1 502 x\r\n\r\n")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        sign_in()
    return proxy.targets


def read_password(folder: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a proxy that the person must use, and that answers in the service's place, reads the password."""
    chain, key = make_authority("Attacker").issue(["bureau.example"]).write(folder)
    with running_proxy(ConnectProxy(intercept=server_context(chain, key))) as proxy:
        monkeypatch.setenv("SHULAB_PROXY", proxy.url)
        sign_in()
    return PASSWORD.encode() in proxy.overheard


@pytest.mark.without_control("own setting")
def test_without_the_own_setting_a_variable_shows_whom_the_command_reaches(monkeypatch: pytest.MonkeyPatch) -> None:
    def trusting(network: object, **options: object) -> httpx.Client:
        return httpx.Client(trust_env=True, base_url=SERVICE)

    monkeypatch.setattr("lab.sdk.connection.open_http_client", trusting)
    assert learn_whom(monkeypatch) == ["bureau.example:443"]


@pytest.mark.with_control("own setting")
def test_a_variable_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert learn_whom(monkeypatch) == []


@pytest.mark.without_control("certificate")
def test_without_the_check_of_the_certificate_the_password_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def careless(*_: object, **__: object) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context

    monkeypatch.setattr("lab.transport.http_client.open_trust_context", careless)
    assert read_password(tmp_path, monkeypatch)


@pytest.mark.with_control("certificate")
def test_the_password_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not read_password(tmp_path, monkeypatch)
