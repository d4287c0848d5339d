"""The folder of sealed secrets: read, added, destroyed, and resealed under another key.

Resealing is safe at every moment. Each secret is first written beside the old one (``NAME.next``); then the settings
file is replaced, and from then on the new ones count; then they replace the old ones. A process that opens the store in
between finds each secret in one form or the other, and a running service reads the settings again when its key opens
nothing any more.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from lab.bureau.configuration.home import BureauHome, change_settings
from lab.bureau.key_management.seal_keys import (
    FILE_SEAL,
    check_seal_setting,
    find_seal_key,
    open_seal_key,
)
from lab.disk.locks import exclusive_lock
from lab.disk.private_files import check_private, replace_private, sync_folder, write_private
from lab.terms.errors import Conflict, InvalidInput, NotAuthentic, NotFound
from lab.terms.keys.sealing import SealKey, open_sealed, seal
from lab.terms.progress import SILENT, Progress

_SEALED, _NEXT = ".sealed", ".next"
_LOCK = ".lock"


class SecretStore:
    """The sealed secrets of one bureau, by name. Safe to use from several threads and processes."""

    __slots__ = ("_folder", "_home", "_key")

    def __init__(self, home: BureauHome, key: SealKey) -> None:
        self._home, self._folder, self._key = home.folder, home.folder / "keys", key

    @classmethod
    def create(cls, home: BureauHome) -> SecretStore:
        """An empty store; the seal key is made if its file or token has none."""
        return cls(home, find_seal_key(home.settings.seal, home.key_file, make=True))

    @classmethod
    def open(cls, home: BureauHome) -> SecretStore:
        """The store of this bureau; an interrupted resealing is finished."""
        check_private(home.folder / "keys")
        store = cls(home, open_seal_key(home))
        if any(store._folder.glob(f"*{_NEXT}")):
            with store.lock():
                # Another process may have finished the resealing meanwhile, and changed the settings.
                store._key = open_seal_key(BureauHome.open(store._home))
                store._finish()
        return store

    def has(self, name: str) -> bool:
        """Whether the secret exists."""
        return self._file(name).exists()

    def read(self, name: str) -> bytes:
        """A secret; raises ``NotFound``, or ``NotAuthentic`` if it was sealed under another key or altered."""
        try:
            return self._read(name)
        except NotAuthentic:
            # Another process may have resealed all of them since this one opened the store.
            self._key = open_seal_key(BureauHome.open(self._home))
            return self._read(name)

    def put(self, name: str, secret: bytes) -> None:
        """Add a secret; an existing one of that name stays. Call it within ``lock``."""
        with contextlib.suppress(Conflict):  # another process added one first; that one counts
            write_private(self._file(name), seal(secret, self._key, _label(name)))

    def destroy(self, name: str) -> bool:
        """Overwrite a secret's file, as far as the file system lets that reach the disk, and unlink it; True if it
        existed. Call it within ``lock``."""
        found = False
        for file in (self._file(name), self._next(name)):
            with contextlib.suppress(FileNotFoundError):
                size = file.stat().st_size
                with file.open("r+b") as opened:
                    opened.write(os.urandom(size))
                    opened.flush()
                    os.fsync(opened.fileno())
                file.unlink()
                found = True
        sync_folder(self._folder)
        return found

    def reseal(self, seal_setting: str, key_file: Path | None, progress: Progress = SILENT) -> int:
        """Seal every secret under another key, and change the setting; returns the number of secrets.

        ``key_file`` belongs to the setting ``file``; None: the default. Raises what opening either key raises, before
        anything is changed.
        """
        check_seal_setting(seal_setting)
        _check_environment()
        home = BureauHome.open(self._home)
        changes = {"seal": seal_setting, "key_file": ""}
        if seal_setting == FILE_SEAL and key_file is not None:
            changes["key_file"] = str(key_file.expanduser().absolute())
        new_file = Path(changes["key_file"]) if changes["key_file"] else self._folder / "seal.key"
        if (home.settings.seal, home.key_file) == (seal_setting, new_file) and seal_setting == FILE_SEAL:
            raise InvalidInput(
                "Expected another source of the seal key; this is the present one.", next_step="name a new --key-file"
            )
        new = find_seal_key(seal_setting, new_file, make=True)
        with self.lock():
            names = sorted(file.name.removesuffix(_SEALED) for file in self._folder.glob(f"*{_SEALED}"))
            with progress.stage("seal", len(names)) as stage:
                for name in names:
                    replace_private(self._next(name), seal(self.read(name), new, _label(name)))
                    stage.advance()
            change_settings(self._home, changes)
            self._key = new
            self._finish()
        return len(names)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the store for other processes; the lock of a process that dies is released."""
        with exclusive_lock(self._folder / _LOCK):
            yield

    def _finish(self) -> None:
        """Replace each old form by the new one if that opens; if the old one opens, the resealing was abandoned."""
        for file in sorted(self._folder.glob(f"*{_NEXT}")):
            name = file.name.removesuffix(_NEXT)
            if self._opens(file, name):
                file.replace(self._file(name))
            elif self._opens(self._file(name), name):
                file.unlink()
            else:
                raise NotAuthentic(
                    f"Neither form of the sealed secret `{name}` opens.",
                    next_step="give the key that the settings name; nothing was changed",
                )
        sync_folder(self._folder)

    def _opens(self, file: Path, name: str) -> bool:
        try:
            open_sealed(file.read_bytes(), self._key, _label(name))
        except (FileNotFoundError, NotAuthentic):
            return False
        return True

    def _read(self, name: str) -> bytes:
        # The new form may take the old one's name between the two tries, so the first name is tried again.
        for file in (self._file(name), self._next(name)):
            with contextlib.suppress(FileNotFoundError, NotAuthentic):
                return open_sealed(file.read_bytes(), self._key, _label(name))
        try:
            return open_sealed(self._file(name).read_bytes(), self._key, _label(name))
        except FileNotFoundError:
            raise NotFound(
                f"The bureau's sealed secret `{name}` is missing.", next_step="restore it from a backup of keys/"
            ) from None

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}{_SEALED}"

    def _next(self, name: str) -> Path:
        return self._folder / f"{name}{_NEXT}"

    def __repr__(self) -> str:
        return "SecretStore(hidden)"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret store cannot be pickled or copied")


def _check_environment() -> None:
    set_there = [name for name in ("SHULAB_BUREAU_SEAL", "SHULAB_BUREAU_KEY_FILE") if name in os.environ]
    if set_there:
        raise InvalidInput(
            f"The environment sets {' and '.join(set_there)}, which overrides the settings file.",
            next_step="unset it for this command; afterwards set it to the new source, or leave it to the file",
        )


def _label(name: str) -> bytes:
    return f"shulab bureau {name.replace('-', ' ')}".encode()
