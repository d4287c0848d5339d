"""Backups as files: written, verified, extracted; and what a stranger may offer instead."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lab.disk.backup.archive import extract_backup, verify_backup, write_backup
from lab.disk.backup.backup_keys import BackupKey, BackupRecipient
from lab.disk.backup.encrypted_file import encrypt_pieces
from lab.disk.backup.manifest import BackupFile, BackupManifest, SignedManifest, make_manifest, manifest_signing_input
from lab.disk.backup.restoring import restoring
from lab.disk.backup.verified_writing import write_verified_backup
from lab.terms.errors import Conflict, InvalidInput, NotAuthentic, NotFound

OPERATOR = BackupKey.generate()
KEY = Ed25519PrivateKey.generate()


def recipients() -> list[BackupRecipient]:
    return [BackupRecipient(OPERATOR.recipient)]


def manifest_of(folder: Path, **changes) -> tuple[BackupManifest, dict[str, Path]]:
    sources = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    files = [
        BackupFile(path=path, size=source.stat().st_size, sha256=hashlib.sha256(source.read_bytes()).hexdigest())
        for path, source in sorted(sources.items())
    ]
    public = KEY.public_key().public_bytes_raw().hex()
    facts = {"files": files, "left_out": {}, "facts": {"migration": "0010"}} | changes
    return make_manifest("bureau", "某局", public, "0.1.0", **facts), sources


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    (made / "sub" / "below").mkdir(parents=True)
    (made / "settings.toml").write_text("name = 1")
    (made / "sub" / "empty").touch()
    (made / "sub" / "below" / "large").write_bytes(os.urandom(3_000_000))
    return made


@pytest.fixture
def backup(tmp_path: Path, folder: Path) -> Path:
    manifest, sources = manifest_of(folder)
    write_verified_backup(tmp_path / "backup.age", recipients(), manifest, KEY.sign, sources)
    return tmp_path / "backup.age"


def test_what_is_backed_up_comes_back_private_and_whole(tmp_path: Path, folder: Path, backup: Path) -> None:
    assert backup.stat().st_mode & 0o777 == 0o600
    with restoring(backup, OPERATOR, "bureau", tmp_path / "new") as restored:
        assert not (tmp_path / "new").exists()
        assert restored.backup == verify_backup(backup, OPERATOR, "bureau")
    for path in folder.rglob("*"):
        found = tmp_path / "new" / path.relative_to(folder)
        assert found.stat().st_mode & 0o077 == 0
        assert path.is_dir() or found.read_bytes() == path.read_bytes()


def test_nothing_is_written_from_a_damaged_backup_or_over_anything(tmp_path: Path, backup: Path) -> None:
    content = bytearray(backup.read_bytes())
    content[-10] ^= 1
    (tmp_path / "damaged.age").write_bytes(content)
    before = sorted(tmp_path.iterdir())
    with (
        pytest.raises(NotAuthentic, match="damaged"),
        restoring(tmp_path / "damaged.age", OPERATOR, "bureau", tmp_path / "new"),
    ):
        raise AssertionError("entered")
    with pytest.raises(Conflict, match="empty or new folder"), restoring(backup, OPERATOR, "bureau", tmp_path / "home"):
        raise AssertionError("entered")
    with pytest.raises(ZeroDivisionError), restoring(backup, OPERATOR, "bureau", tmp_path / "new"):
        raise ZeroDivisionError  # a step of the party's own failed
    assert sorted(tmp_path.iterdir()) == before


def test_another_party_another_fingerprint_and_no_file_are_refused(tmp_path: Path, backup: Path) -> None:
    with pytest.raises(InvalidInput, match="of a bank; this one is of a bureau"):
        verify_backup(backup, OPERATOR, "bank")
    with pytest.raises(NotFound):
        verify_backup(tmp_path / "none", OPERATOR, "bureau")
    wrong = "0000-" * 7 + "0000"
    with (
        pytest.raises(NotAuthentic, match="fingerprint"),
        restoring(backup, OPERATOR, "bureau", tmp_path / "new", fingerprint=wrong),
    ):
        raise AssertionError("entered")


@pytest.mark.parametrize(
    "path", ["../outside", "/etc/passwd", "a//b", "a/./b", "a\\b", "a\nb", "", "a/../../b", "x" * 2000]
)
def test_a_path_that_leads_elsewhere_is_no_manifest(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        BackupFile(path=path, size=0, sha256="0" * 64)


def test_a_manifest_lists_each_path_once_and_no_file_as_a_folder(folder: Path) -> None:
    entry = {"size": 0, "sha256": "0" * 64}
    for paths in (["a", "a"], ["b", "a"], ["a", "a/b"], ["a/b", "a/b/c/d"]):
        with pytest.raises(ValueError, match="paths"):
            manifest_of(folder, files=[BackupFile(path=path, **entry) for path in paths])


def forge(path: Path, manifest: BackupManifest, signer: Ed25519PrivateKey, content: bytes) -> None:
    """A backup by somebody who knows the operator's public key, as everybody may."""
    text = manifest.to_json()
    signature = signer.sign(manifest_signing_input(text)).hex()
    head = SignedManifest(manifest=text.decode(), signature=signature).model_dump_json().encode()
    with path.open("wb") as file:
        encrypt_pieces([b"SHULAB-BACKUP/1\n" + len(head).to_bytes(4, "big") + head + content], file, recipients())


def test_a_backup_that_the_party_did_not_sign_or_that_is_not_its_manifests_is_refused(
    tmp_path: Path, folder: Path
) -> None:
    manifest, sources = manifest_of(folder)
    content = b"".join(sources[one.path].read_bytes() for one in manifest.files)
    forge(tmp_path / "right", manifest, KEY, content)
    assert verify_backup(tmp_path / "right", OPERATOR, "bureau").manifest == manifest
    forge(tmp_path / "unsigned", manifest, Ed25519PrivateKey.generate(), content)
    with pytest.raises(NotAuthentic, match="signature of the backup"):
        verify_backup(tmp_path / "unsigned", OPERATOR, "bureau")
    for name, other in (("more", content + b"x"), ("less", content[:-1]), ("swapped", content[1:] + content[:1])):
        forge(tmp_path / name, manifest, KEY, other)
        with pytest.raises(NotAuthentic):
            verify_backup(tmp_path / name, OPERATOR, "bureau")


def test_a_backup_exchanged_after_its_check_is_not_extracted(tmp_path: Path, folder: Path, backup: Path) -> None:
    checked = verify_backup(backup, OPERATOR, "bureau")
    (folder / "settings.toml").write_text("name = 2")
    manifest, sources = manifest_of(folder)
    backup.unlink()
    write_backup(backup, recipients(), manifest, KEY.sign, sources)
    (tmp_path / "new").mkdir()
    with pytest.raises(NotAuthentic, match="exchanged"):
        extract_backup(backup, OPERATOR, checked, tmp_path / "new")
    assert not any((tmp_path / "new").iterdir())


def test_a_file_that_changes_meanwhile_leaves_no_backup(tmp_path: Path, folder: Path) -> None:
    manifest, sources = manifest_of(folder)
    (folder / "settings.toml").write_text("name = 2")
    with pytest.raises(Conflict, match="changed while"):
        write_backup(tmp_path / "backup.age", recipients(), manifest, KEY.sign, sources)
    assert not (tmp_path / "backup.age").exists()
