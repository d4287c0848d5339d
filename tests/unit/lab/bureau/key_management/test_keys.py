"""The bureau's folder and its secrets: modes, settings, sealing, and that no secret can be shown."""

from __future__ import annotations

import copy
import hashlib
import hmac
import json
import logging
import pickle
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from lab.bureau.bureau import Bureau
from lab.bureau.configuration.home import FOLDERS, BureauHome
from lab.bureau.key_management.keys import FIRST_EPOCH, BureauKeys
from lab.disk.private_files import replace_private
from lab.terms.errors import Conflict, InvalidInput, NotAllowed, NotAuthentic, NotFound


@pytest.fixture
def home(tmp_path: Path) -> BureauHome:
    return BureauHome.create(tmp_path / "bureau", name='数据局 "A"\\n')


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_and_files_are_the_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "bureau"
    Bureau.create(folder, name="Test bureau").close()
    assert mode(folder) == 0o700
    for path in folder.rglob("*"):
        assert mode(path) == (0o700 if path.is_dir() else 0o600), path.name
    assert {path.name for path in folder.iterdir() if path.is_dir()} == set(FOLDERS)


def test_settings_survive_any_name(home: BureauHome) -> None:
    assert BureauHome.open(home.folder).settings.name == '数据局 "A"\\n'


def test_the_environment_goes_before_the_file(home: BureauHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHULAB_BUREAU_WORKERS", "5")
    assert BureauHome.open(home.folder).settings.workers == 5
    monkeypatch.setenv("SHULAB_BUREAU_WORKERS", "none")
    with pytest.raises(InvalidInput, match="workers") as caught:
        BureauHome.open(home.folder)
    assert "none" not in str(caught.value)


def test_a_home_is_made_once_and_has_to_exist(home: BureauHome, tmp_path: Path) -> None:
    with pytest.raises(Conflict):
        BureauHome.create(home.folder, name="Other")
    with pytest.raises(NotFound):
        BureauHome.open(tmp_path / "nowhere")
    (home.folder / "bureau.toml").write_text("name = ")
    with pytest.raises(InvalidInput, match="TOML"):
        BureauHome.open(home.folder)


def test_paths_from_the_database_stay_inside(home: BureauHome) -> None:
    assert home.path("registers/x.parquet").parent.name == "registers"
    for path in ("../x", "/etc/passwd", "registers/../../x"):
        with pytest.raises(InvalidInput):
            home.path(path)


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    replace_private(file, b"before")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        replace_private(file, b"after")
    assert file.read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_keys_reopen_and_sign(home: BureauHome) -> None:
    keys = BureauKeys.create(home)
    again = BureauKeys.open(home)
    assert again.public_key_hex == keys.public_key_hex
    Ed25519PublicKey.from_public_bytes(bytes.fromhex(keys.public_key_hex)).verify(again.sign(b"text"), b"text")
    assert keys.with_matching_key("openmined", FIRST_EPOCH, "c-0001", "match", bytes) == again.with_matching_key(
        "openmined", FIRST_EPOCH, "c-0001", "match", bytes
    )
    with pytest.raises(Conflict):
        BureauKeys.create(home)


def test_the_wrong_seal_key_opens_nothing(home: BureauHome) -> None:
    BureauKeys.create(home)
    seal = home.folder / "keys" / "seal.key"
    seal.write_bytes(bytes(32))
    with pytest.raises(NotAuthentic):
        BureauKeys.open(home)
    seal.unlink()
    with pytest.raises(NotFound):
        BureauKeys.open(home)


def test_a_key_file_of_ones_own_is_used_and_must_be_private(tmp_path: Path) -> None:
    key_file = tmp_path / "own.key"
    replace_private(key_file, b"k" * 40)
    home = BureauHome.create(tmp_path / "bureau", name="Test bureau", key_file=key_file)
    BureauKeys.create(home)
    assert not (home.folder / "keys" / "seal.key").exists()
    BureauKeys.open(BureauHome.open(home.folder))
    key_file.chmod(0o640)
    with pytest.raises(NotAllowed, match="owner alone"):
        BureauKeys.open(home)
    key_file.chmod(0o600)
    (home.folder / "keys").chmod(0o755)
    with pytest.raises(NotAllowed, match="only its owner"):
        BureauKeys.open(home)


def test_sealed_files_cannot_be_swapped(home: BureauHome) -> None:
    keys = BureauKeys.create(home)
    keys.with_matching_key("openmined", FIRST_EPOCH, "c-0001", "match", len)
    folder = home.folder / "keys"
    (folder / "signing.sealed").write_bytes((folder / "matching-openmined-1.sealed").read_bytes())
    with pytest.raises(NotAuthentic):
        BureauKeys.open(home)


def test_a_destroyed_epoch_serves_nobody_in_no_process(home: BureauHome) -> None:
    keys = BureauKeys.create(home)
    another = BureauKeys.open(home)
    keys.make_matching_keys(2)
    first = another.with_matching_key("openmined", 1, "c-0001", "match", bytes)
    second = another.with_matching_key("openmined", 2, "c-0001", "match", bytes)
    assert first != second
    keys.make_matching_keys(2)
    assert keys.with_matching_key("openmined", 2, "c-0001", "match", bytes) == second
    sealed = (home.folder / "keys" / "matching-openmined-1.sealed").read_bytes()
    assert keys.destroy_matching_keys(1) == 2 and keys.destroy_matching_keys(1) == 0
    for holder in (keys, another, BureauKeys.open(home)):  # also the one that had the key in memory
        with pytest.raises(NotAllowed, match="epoch 1 is destroyed"):
            holder.with_matching_key("openmined", 1, "c-0001", "match", bytes)
        assert holder.with_matching_key("openmined", 2, "c-0001", "match", bytes) == second
    for file in home.folder.rglob("*"):
        if file.is_file():
            assert sealed not in file.read_bytes() and first not in file.read_bytes()


def test_a_destroyed_key_is_overwritten_before_it_is_unlinked(home: BureauHome) -> None:
    keys = BureauKeys.create(home)
    file = home.folder / "keys" / "matching-openmined-1.sealed"
    before, kept = file.read_bytes(), home.folder / "kept"
    kept.hardlink_to(file)  # as an undelete tool would see it
    keys.destroy_matching_keys(1)
    assert not file.exists() and len(kept.read_bytes()) == len(before)
    assert kept.read_bytes()[20:] != before[20:]


def test_an_epoch_that_was_never_made_is_refused_and_not_made(home: BureauHome) -> None:
    keys = BureauKeys.create(home)
    with pytest.raises(NotAllowed):
        keys.with_matching_key("openmined", 7, "c-0001", "match", bytes)
    assert not (home.folder / "keys" / "matching-openmined-7.sealed").exists()


def test_pseudonyms_are_the_bureaus_own_and_stay_over_epochs_and_sealing(home: BureauHome, tmp_path: Path) -> None:
    keys = BureauKeys.create(home)
    codes = ["91990100MAEUJQ08XL", "firm-0001", ""]
    names = keys.pseudonyms(codes, 1)
    assert len(set(names)) == 3 and all(len(name) == 32 and int(name, 16) >= 0 for name in names)
    secret = keys._pseudonym[1]
    assert names[0] == hmac.new(secret, codes[0].encode(), hashlib.sha256).hexdigest()[:32]
    keys.make_matching_keys(2)
    keys.destroy_matching_keys(1)
    keys.reseal("file", tmp_path / "other.key")
    assert BureauKeys.open(BureauHome.open(home.folder)).pseudonyms(codes, 1) == names
    other = BureauKeys.create(BureauHome.create(tmp_path / "other", name="Other"))
    assert not set(other.pseudonyms(codes, 1)) & set(names)


def test_no_secret_can_be_shown_copied_or_kept(home: BureauHome, caplog: pytest.LogCaptureFixture) -> None:
    keys = BureauKeys.create(home)
    secret = keys.with_matching_key("openmined", FIRST_EPOCH, "c-0001", "match", lambda key: key)
    logging.getLogger("test").warning("%s %r", keys, keys)
    shown = f"{keys} {keys!r} {caplog.text}"
    assert secret.hex() not in shown and repr(secret) not in shown and "hidden" in shown
    for attempt in (
        lambda: pickle.dumps(keys),
        lambda: copy.copy(keys),
        lambda: copy.deepcopy(keys),
        lambda: json.dumps(keys),
        lambda: vars(keys),
        lambda: keys.__getstate__(),
        lambda: keys.__reduce__(),
    ):
        with pytest.raises(TypeError):
            attempt()
    for file in home.folder.rglob("*"):
        if file.is_file():
            assert secret not in file.read_bytes()
