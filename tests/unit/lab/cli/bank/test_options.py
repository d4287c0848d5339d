"""The bank's commands take the way that ``network.toml`` in the bank's folder names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lab.bank.home import BankHome
from lab.cli.bank.options import ConnectionOptions
from lab.terms.errors import InvalidInput, Unreachable
from tests.support.connect_proxy import ConnectProxy, running_proxy


class Key:
    public_key_hex = "ab" * 32

    def sign(self, message: bytes) -> bytes:
        return Ed25519PrivateKey.generate().sign(message)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A bank's folder."""
    return BankHome.create(tmp_path / "bank", name="某银行", key_file=tmp_path / "bank.key")[0].folder


def test_a_command_goes_through_the_proxy_of_the_banks_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHULAB_PROXY", raising=False)
    with running_proxy(ConnectProxy(answer=b"HTTP/1.1 403 x\r\n\r\n")) as proxy:
        (home / "network.toml").write_text(f"proxy = {json.dumps(proxy.url)}\n")
        client = ConnectionOptions(home=home).connect("https://bureau.example", Key())
        with client, pytest.raises(Unreachable, match=r"opens no connection to bureau\.example:443"):
            client.bureau_card()


def test_an_authority_that_is_none_is_named_before_anything_is_sent(home: Path) -> None:
    (home / "network.toml").write_text(f"ca_file = {json.dumps(str(home / 'none.pem'))}\n")
    with pytest.raises(InvalidInput, match=r"ca_file of network\.toml"):
        ConnectionOptions(home=home).connect("https://bureau.example", Key())
