"""The bank behind a proxy: signed requests pass through it, and what does not pass by itself is not tried again."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lab.bank.connection.client import BureauClient, RetryPolicy
from lab.terms.errors import NotAuthentic, ShulabError, Unreachable
from lab.transport.proxy.network_settings import NetworkSettings, read_network_settings
from tests.support.connect_proxy import ConnectProxy, running_proxy, running_tls_service, server_context
from tests.support.made_certificates import make_authority

QUICK = RetryPolicy(connect_timeout=2, read_timeout=5, tries=3, longest_wait=0.01)
NAME = "bureau.example"
CANARY = "canary-6e02"


class Key:
    def __init__(self) -> None:
        self._private = Ed25519PrivateKey.generate()
        self.public_key_hex = self._private.public_key().public_bytes_raw().hex()

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)


def client(network: NetworkSettings) -> BureauClient:
    return BureauClient(f"https://{NAME}", Key(), bureau_key="ab" * 32, network=network, retry_policy=QUICK)


@pytest.mark.parametrize(
    ("answer", "tries"),
    [(b"HTTP/1.1 407 x\r\n\r\n", 1), (b"HTTP/1.1 403 x\r\n\r\n", 1), (b"x\r\n\r\n", 1), (b"HTTP/1.1 502 x\r\n\r\n", 3)],
)
def test_a_proxy_that_refuses_is_not_asked_again(answer: bytes, tries: int) -> None:
    with (
        running_proxy(ConnectProxy(answer=answer)) as proxy,
        client(NetworkSettings.from_texts(proxy.url)) as bureau,
        pytest.raises(Unreachable, match="proxy"),
    ):
        bureau.bureau_card()
    assert proxy.targets == [f"{NAME}:443"] * tries


def test_a_certificate_that_does_not_verify_is_not_tried_again(tmp_path: Path) -> None:
    chain, key = make_authority("Office Inspection").issue([NAME]).write(tmp_path)
    with (
        running_proxy(ConnectProxy(intercept=server_context(chain, key))) as proxy,
        client(NetworkSettings.from_texts(proxy.url)) as bureau,
        pytest.raises(NotAuthentic, match="issued by Office Inspection"),
    ):
        bureau.bureau_card()
    assert len(proxy.targets) == 2  # the request, and once more for the message


def test_from_the_file_in_the_banks_folder_to_the_service(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SHULAB_PROXY", "SHULAB_NO_PROXY", "SHULAB_CA_FILE"):
        monkeypatch.delenv(name, raising=False)
    caplog.set_level(logging.DEBUG)
    authority = make_authority()
    chain, key = authority.issue([NAME]).write(tmp_path)
    ca_file = authority.write_authority(tmp_path / "ca.pem")
    way = ConnectProxy()
    with running_tls_service(chain, key) as port, running_proxy(way) as proxy:
        way.routes = {f"{NAME}:443": ("127.0.0.1", port)}
        named = proxy.url.replace("//", f"//bank:{CANARY}@")
        (tmp_path / "network.toml").write_text(f'proxy = "{named}"\nca_file = {json.dumps(str(ca_file))}\n')
        (tmp_path / "network.toml").chmod(0o600)
        with client(read_network_settings(tmp_path)) as bureau, pytest.raises(ShulabError) as caught:
            bureau.bureau_card()  # the service answers, but is no bureau
        assert not isinstance(caught.value, NotAuthentic) and CANARY not in str(caught.value)
    assert proxy.targets == [f"{NAME}:443"] and CANARY not in caplog.text
