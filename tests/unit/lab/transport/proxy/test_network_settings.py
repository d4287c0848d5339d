"""Where the proxy comes from: a file, our variables, and HTTPS_PROXY only where a setting says so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.terms.errors import InvalidInput, NotAllowed
from lab.transport.proxy.network_settings import NetworkSettings, read_network_settings, unused_proxy_hint

CANARY = "canary-5d13"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if "PROXY" in name.upper() or name.startswith("SHULAB_"):
            monkeypatch.delenv(name)


def write(folder: Path, text: str, mode: int = 0o600) -> None:
    (folder / "network.toml").write_text(text, encoding="utf-8")
    (folder / "network.toml").chmod(mode)


def test_without_a_setting_there_is_no_proxy_whatever_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"):
        monkeypatch.setenv(name, f"http://u:{CANARY}@elsewhere:1")
    found = read_network_settings(tmp_path)
    assert found == NetworkSettings() and found.proxy_for("https", "bureau.example", 443) is None
    assert "SHULAB_PROXY=environment" in unused_proxy_hint(found) and CANARY not in unused_proxy_hint(found)


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
def test_the_environments_proxy_counts_where_the_setting_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    write(tmp_path, 'proxy = "environment"\nno_proxy = "own.example"\n')
    monkeypatch.setenv(name, "proxy.bank:3128")
    monkeypatch.setenv("NO_PROXY", "fd00::/8,inside.example")
    found = read_network_settings(tmp_path)
    through = found.proxy_for("https", "bureau.example", 443)
    assert through is not None and through.shown == "proxy.bank:3128"
    for host in ("fd12::1", "x.inside.example", "own.example", "127.0.0.1", "localhost", "::1"):
        assert found.proxy_for("https", host, 443) is None
    assert found.proxy_for("http", "bureau.example", 80) is None


def test_our_variables_go_before_the_file_and_an_option_before_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, 'proxy = "http://one:1"\nca_file = "/one.pem"\n')
    found = read_network_settings(tmp_path)
    assert found.proxy and found.proxy.shown == "one:1" and found.ca_file == Path("/one.pem")
    monkeypatch.setenv("SHULAB_PROXY", "none")
    monkeypatch.setenv("SHULAB_CA_FILE", "/two.pem")
    found = read_network_settings(tmp_path)
    assert found.proxy is None and (found.ca_file, found.ca_option) == (Path("/two.pem"), "SHULAB_CA_FILE")
    assert read_network_settings(tmp_path, ca_file=Path("/three.pem")).ca_file == Path("/three.pem")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f'prox = "http://{CANARY}"', r"prox \(did you mean proxy\?\)"),
        (f'proxy = ["{CANARY}"]', "something else for proxy"),
        (f"proxy = {CANARY}", "TOML"),
        (f'proxy = "socks5://{CANARY}"', "SOCKS|proxy's address"),
        ('proxy = "http://p:1"\nno_proxy = "10.0.0"', "entry 1"),
    ],
)
def test_what_is_wrong_in_the_file_is_said_without_its_value(tmp_path: Path, text: str, shown: str) -> None:
    write(tmp_path, text)
    with pytest.raises(InvalidInput, match=shown) as caught:
        read_network_settings(tmp_path)
    assert CANARY not in str(caught.value)


def test_a_file_with_a_password_that_others_can_read_is_refused(tmp_path: Path) -> None:
    write(tmp_path, f'proxy = "http://u:{CANARY}@proxy:1"', 0o644)
    with pytest.raises(NotAllowed, match="owner alone") as caught:
        read_network_settings(tmp_path)
    assert CANARY not in str(caught.value) and "chmod 600" in caught.value.next_step
    (tmp_path / "network.toml").chmod(0o600)
    assert CANARY not in repr(read_network_settings(tmp_path))
    write(tmp_path, 'proxy = "http://proxy:1"', 0o644)
    assert read_network_settings(tmp_path).proxy
