"""``lab bureau`` for keys: epochs, rotation, sealing anew; what it prints, in both languages, and what it records."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from typer.testing import CliRunner

from lab.bureau.bureau import Bureau
from lab.bureau.key_management.seal_keys import SEAL_KEY_VARIABLE
from lab.bureau.store.tables import LedgerEntryRow
from lab.cli.bureau.commands import app
from lab.terms.errors import InvalidInput, NotFound


def bureau(*words: str | Path) -> Any:
    done = CliRunner().invoke(app, [*map(str, words), "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def recorded(home: Path, kind: str) -> list[dict[str, Any]]:
    with Bureau.open(home) as opened, opened.store.begin_read() as session:
        bodies = session.scalars(sqlalchemy.select(LedgerEntryRow.body).where(LedgerEntryRow.kind == kind)).all()
    return [json.loads(body) for body in bodies]


def test_keys_are_rotated_listed_and_destroyed(tmp_path: Path) -> None:
    home = tmp_path / "bureau"
    assert bureau("init", "--name", "某局", "--home", home)["seal"] == "file"
    assert bureau("rotate-keys", "--home", home)["current"] == 2
    listed = bureau("epochs", "--home", home)["epochs"]
    assert [(one["number"], one["state"], one["jobs"]) for one in listed] == [(2, "current", 0), (1, "closing", 0)]
    assert bureau("close-epochs", "--home", home, "--force-after", "30")["destroyed"] == [1]
    assert bureau("close-epochs", "--home", home)["destroyed"] == []
    assert [entry["by"] for entry in recorded(home, "epoch.destroyed")] == ["local"]
    shown = CliRunner().invoke(app, ["epochs", "--home", str(home)], catch_exceptions=False).output
    assert all(word in shown for word in ("密钥期", "Key epochs", "已销毁", "destroyed", "使用中", "current"))


def test_secrets_are_sealed_anew_and_that_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, value = tmp_path / "bureau", base64.b64encode(os.urandom(32)).decode()
    public = bureau("init", "--name", "某局", "--home", home)["public_key"]
    with pytest.raises(NotFound, match="in the environment"):
        bureau("reseal", "--home", home, "--seal", "environment")
    monkeypatch.setenv(SEAL_KEY_VARIABLE, value)
    assert bureau("reseal", "--home", home, "--seal", "environment") == {"secrets": 4, "source": "environment"}
    (home / "keys" / "seal.key").unlink()
    with Bureau.open(home) as opened:
        assert opened.party.public_key == public
    (entry,) = recorded(home, "keys.resealed")
    assert entry["facts"] == {"secrets": 4, "source": "environment"} and entry["by"] == "local"
    assert not any(value.encode() in file.read_bytes() for file in home.rglob("*") if file.is_file())
    with pytest.raises(InvalidInput):
        bureau("reseal", "--home", home, "--seal", "paper")


def test_a_bureau_is_not_half_made_when_its_seal_key_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SEAL_KEY_VARIABLE, raising=False)
    with pytest.raises(NotFound):
        bureau("init", "--name", "某局", "--home", tmp_path / "bureau", "--seal", "environment")
    assert not (tmp_path / "bureau").exists()
