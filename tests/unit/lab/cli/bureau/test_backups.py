"""The commands for backups, as a person types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab.bureau.bureau import Bureau
from lab.cli import build_app
from lab.terms.errors import Conflict, InvalidInput, NotAuthentic, NotFound, ShulabError


@pytest.fixture
def bureau(tmp_path: Path) -> Path:
    Bureau.create(tmp_path / "home", name="某局").close()
    return tmp_path / "home"


def run(capfd: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    """A command of ``lab bureau``; what it says under --json."""
    capfd.readouterr()
    build_app("bureau")(["bureau", *map(str, words), "--json"], standalone_mode=False)
    found: dict[str, Any] = json.loads(capfd.readouterr().out)
    return found


def test_a_backup_for_a_public_key_is_verified_and_restored(
    bureau: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "operator.key"
    recipient = run(capfd, "backup-key", key)["recipient"]
    assert key.stat().st_mode & 0o777 == 0o600
    (tmp_path / "backups").mkdir()
    made = run(capfd, "backup", tmp_path / "backups", "--home", bureau, "--recipient", recipient)
    file = Path(made["file"])
    assert file.parent == tmp_path / "backups" and file.name.startswith("shulab-bureau-") and made["damaged"] == []
    assert run(capfd, "verify-backup", file, "--identity", key)["manifest_sha256"] == made["manifest_sha256"]
    done = run(capfd, "restore", file, "--identity", key, "--home", tmp_path / "new")
    assert done["entry"] == made["facts"]["ledger_size"] + 1
    assert run(capfd, "upgrade", "--backup", tmp_path, "--home", tmp_path / "new")["backup"] is None
    run(capfd, "backup-key", tmp_path / "other.key")
    for words, family in (
        (("verify-backup", file, "--identity", tmp_path / "other.key"), NotAuthentic),
        (("verify-backup", file, "--identity", file), ShulabError),
        (("verify-backup", tmp_path / "none", "--identity", key), NotFound),
        (("restore", file, "--identity", key, "--home", tmp_path / "new"), Conflict),
        (("restore", file, "--identity", key, "--home", tmp_path / "x", "--known-head", tmp_path / "none"), NotFound),
        (("backup", file, "--home", bureau, "--recipient", recipient), Conflict),
        (("backup", tmp_path / "none" / "x.age", "--home", bureau, "--recipient", recipient), NotFound),
        (("backup", tmp_path / "y.age", "--home", bureau, "--recipient", "age1nonsense"), InvalidInput),
        (("backup", tmp_path / "not-mounted", "--home", bureau, "--recipient", recipient), InvalidInput),
        (("backup", tmp_path / "y.age", "--home", tmp_path / "none", "--recipient", recipient), NotFound),
        (("backup-key", tmp_path / "none" / "key"), NotFound),
        (("backup-key", key), Conflict),
    ):
        with pytest.raises(family):
            run(capfd, *words)
    assert not any((tmp_path / name).exists() for name in ("x", "y.age", "not-mounted"))


def test_without_key_passphrase_or_terminal_the_next_step_is_named(
    bureau: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SHULAB_BACKUP_PASSPHRASE", raising=False)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(InvalidInput, match="public key") as raised:
        run(capfd, "backup", tmp_path / "b.age", "--home", bureau)
    assert "--recipient" in raised.value.next_step
    with pytest.raises(InvalidInput, match="no terminal to ask on"):
        run(capfd, "backup-key", tmp_path / "operator.key", "--passphrase")
    monkeypatch.setenv("SHULAB_BACKUP_PASSPHRASE", "five random words are enough")
    made = run(capfd, "backup-key", tmp_path / "operator.key", "--passphrase")
    run(capfd, "backup", tmp_path / "b.age", "--recipient", made["recipient"], "--home", bureau)
    found = run(capfd, "verify-backup", tmp_path / "b.age", "--identity", tmp_path / "operator.key")
    assert found["party"] == "bureau"
