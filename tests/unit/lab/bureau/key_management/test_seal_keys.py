"""What the bureau's secrets are sealed under: file or environment; and sealing anew, killed at any moment."""

from __future__ import annotations

import base64
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.bureau.bureau import Bureau
from lab.bureau.configuration.home import BureauHome
from lab.bureau.key_management import secret_store
from lab.bureau.key_management.keys import BureauKeys
from lab.bureau.key_management.seal_keys import SEAL_KEY_VARIABLE
from lab.terms.errors import InvalidInput, NotAuthentic, NotFound

CODES = ["firm-1", "firm-2"]


def key_text() -> str:
    return base64.b64encode(os.urandom(32)).decode()


@pytest.fixture
def home(tmp_path: Path) -> BureauHome:
    home = BureauHome.create(tmp_path / "bureau", name="Test bureau")
    BureauKeys.create(home)
    return home


def reopened(home: BureauHome) -> BureauKeys:
    return BureauKeys.open(BureauHome.open(home.folder))


def everything(keys: BureauKeys) -> tuple[str, list[str], bytes]:
    """What shows that each secret is the one it was."""
    matching = keys.with_matching_key("openmined", 1, "c-0001", "match", bytes)
    return keys.public_key_hex, keys.pseudonyms(CODES, 1), matching


def test_a_key_in_the_environment_seals_and_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SEAL_KEY_VARIABLE, key_text())
    with Bureau.create(tmp_path / "bureau", name="Test bureau", seal="environment") as bureau:
        before = everything(bureau.keys)
    home = BureauHome.open(tmp_path / "bureau")
    assert not (home.folder / "keys" / "seal.key").exists()
    assert everything(reopened(home)) == before
    monkeypatch.setenv(SEAL_KEY_VARIABLE, key_text())
    with pytest.raises(NotAuthentic, match="wrong key in the environment"):
        reopened(home)
    monkeypatch.delenv(SEAL_KEY_VARIABLE)
    with pytest.raises(NotFound) as missing:
        reopened(home)
    assert SEAL_KEY_VARIABLE in missing.value.next_step


@pytest.mark.parametrize("value", ["", "short", base64.b64encode(b"k" * 31).decode(), "*" * 60])
def test_a_weak_key_in_the_environment_makes_no_bureau(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv(SEAL_KEY_VARIABLE, value)
    with pytest.raises(InvalidInput, match="32 random bytes") as caught:
        Bureau.create(tmp_path / "bureau", name="Test bureau", seal="environment")
    assert not (tmp_path / "bureau").exists()
    assert not value or value not in str(caught.value)


@pytest.mark.parametrize(
    "seal", ["paper", "pkcs11:", "pkcs11:module=x;token=y", "pkcs11:module=x;token=y;object=z;pin=1"]
)
def test_an_unknown_source_makes_no_bureau(tmp_path: Path, seal: str) -> None:
    with pytest.raises(InvalidInput):
        Bureau.create(tmp_path / "bureau", name="Test bureau", seal=seal)
    assert not (tmp_path / "bureau").exists()


@pytest.mark.property(
    "New seal",
    claim="After secrets are sealed under another key, the former seal key opens nothing.",
    topic="keys and people",
    code=["lab.bureau.key_management.secret_store"],
)
def test_sealing_anew_keeps_every_secret_and_leaves_the_old_key_useless(
    home: BureauHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = reopened(home)
    keys.make_matching_keys(2)
    before, second = everything(keys), keys.with_matching_key("openmined", 2, "c-0001", "match", bytes)
    old = {file.name: file.read_bytes() for file in (home.folder / "keys").glob("*.sealed")}
    monkeypatch.setenv(SEAL_KEY_VARIABLE, key_text())
    assert keys.reseal("environment") == 6
    assert everything(keys) == before
    (home.folder / "keys" / "seal.key").unlink()
    again = reopened(home)
    assert everything(again) == before and again.with_matching_key("openmined", 2, "c-0001", "match", bytes) == second
    for file in (home.folder / "keys").glob("*.sealed"):
        assert file.read_bytes() != old[file.name]
    assert again.reseal("file", tmp_path / "third.key") == 6
    monkeypatch.delenv(SEAL_KEY_VARIABLE)
    assert everything(reopened(home)) == before
    settings = BureauHome.open(home.folder).settings
    assert (settings.seal, settings.key_file, settings.name) == ("file", str(tmp_path / "third.key"), "Test bureau")


def test_a_service_that_runs_on_finds_the_secrets_after_sealing_anew(home: BureauHome, tmp_path: Path) -> None:
    service = reopened(home)  # has not yet wanted a matching key
    reopened(home).reseal("file", tmp_path / "new.key")
    (home.folder / "keys" / "seal.key").unlink()
    assert len(service.with_matching_key("openmined", 1, "c-0001", "match", bytes)) == 32


def test_sealing_anew_changes_nothing_when_the_new_key_is_not_there(
    home: BureauHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = reopened(home)
    before = {file.name: file.read_bytes() for file in home.folder.rglob("*") if file.is_file()}
    for seal, error in (("environment", NotFound), ("paper", InvalidInput), ("file", InvalidInput)):
        with pytest.raises(error):
            keys.reseal(seal)
    monkeypatch.setenv("SHULAB_BUREAU_SEAL", "file")
    with pytest.raises(InvalidInput, match="SHULAB_BUREAU_SEAL"):
        keys.reseal("file", tmp_path / "new.key")
    assert {file.name: file.read_bytes() for file in home.folder.rglob("*") if file.is_file()} == before


def reseal_killed(home: BureauHome, new_key: Path, steps: int) -> int:
    """Seal anew in a process that kills itself before the file operation of this number; its exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    left = steps

    def step(real: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return real(*args, **kwargs)

        return stepped

    try:
        keys = reopened(home)
        for name in ("replace_private", "change_settings", "sync_folder"):
            setattr(secret_store, name, step(getattr(secret_store, name)))
        os.replace = step(os.replace)
        keys.reseal("file", new_key)
    except BaseException:
        os._exit(3)
    os._exit(0)


@pytest.mark.property("Key changes survive kills")
def test_killed_at_any_step_the_secrets_open_and_the_same_command_finishes(home: BureauHome, tmp_path: Path) -> None:
    before = everything(reopened(home))
    old_key = (home.folder / "keys" / "seal.key").read_bytes()
    kills = finished = 0
    for steps in range(40):
        new_key = tmp_path / f"{steps}.key"
        code = reseal_killed(home, new_key, steps)
        assert everything(reopened(home)) == before, steps
        assert not list((home.folder / "keys").glob("*.next")), "opening cleans up"
        settings = BureauHome.open(home.folder).settings
        if settings.key_file == str(new_key):  # the new key counts: the old one must open nothing
            finished += 1
            new_key.rename(tmp_path / "away")
            with pytest.raises(NotFound):
                reopened(home)
            (tmp_path / "away").rename(new_key)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        kills += 1
    else:
        pytest.fail("never finished")
    assert kills >= 7 and finished >= 3  # killed before and after the settings changed
    assert old_key not in [file.read_bytes() for file in tmp_path.glob("*.key")]


def test_a_wrong_key_after_an_interruption_removes_nothing(home: BureauHome, tmp_path: Path) -> None:
    before = everything(reopened(home))
    new_key = tmp_path / "new.key"
    # Killed when the settings have changed and no new form has taken its place: three secrets, then the settings.
    for steps in range(20):
        reseal_killed(home, new_key, steps)
        if BureauHome.open(home.folder).settings.key_file:
            break
    assert list((home.folder / "keys").glob("*.next"))
    right = new_key.read_bytes()
    new_key.write_bytes(os.urandom(32))
    names = sorted(file.name for file in (home.folder / "keys").iterdir())
    with pytest.raises(NotAuthentic):
        reopened(home)
    assert sorted(file.name for file in (home.folder / "keys").iterdir()) == names
    new_key.write_bytes(right)
    assert everything(reopened(home)) == before
