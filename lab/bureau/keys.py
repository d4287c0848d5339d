"""The bureau's only home of secrets: its Ed25519 signing key and the matching key of each epoch, sealed at rest.

The object cannot be printed, pickled or copied, and shows no members. Secret bytes leave it in one way: the matching
key is lent to a function (``with_matching_key``), because the protocol evaluates under it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from lab.bureau.home import BureauHome, write_private
from lab.terms.errors import Conflict, InvalidInput, NotFound
from lab.terms.sealed import SealKey, open_sealed, seal
from protocols.matching.bureau import generate_key

EPOCH = 1
"""The key epoch in use. Changing it means evaluating every register again; that belongs to a later version."""
_SEAL_KEY_BYTES = 32
Result = TypeVar("Result")


class BureauKeys:
    """The opened secrets of one bureau."""

    __slots__ = ("_folder", "_matching", "_public", "_seal", "_signing")

    def __init__(self, folder: Path, seal_key: SealKey, signing: Ed25519PrivateKey) -> None:
        self._folder = folder
        self._seal = seal_key
        self._signing = signing
        self._public = signing.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
        self._matching: dict[str, bytes] = {}

    @classmethod
    def create(cls, home: BureauHome) -> BureauKeys:
        """Make the seal key (unless its file exists) and the signing key; raises ``Conflict`` if there is one."""
        signing_file = _signing_file(home.folder)
        if signing_file.exists():
            raise Conflict("This bureau has a signing key already.", next_step="use it, or make another bureau")
        if not home.key_file.exists():
            home.key_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(home.key_file, os.urandom(_SEAL_KEY_BYTES))
        seal_key = _read_seal_key(home.key_file)
        signing = Ed25519PrivateKey.generate()
        secret = signing.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        write_private(signing_file, seal(secret, seal_key, _label("signing")))
        return cls(home.folder / "keys", seal_key, signing)

    @classmethod
    def open(cls, home: BureauHome) -> BureauKeys:
        """Open the bureau's secrets; raises ``NotFound``, ``NotAuthentic`` (wrong seal key) or ``InvalidInput``."""
        signing_file = _signing_file(home.folder)
        if not signing_file.is_file():
            raise NotFound("This bureau has no signing key.", next_step="run `lab bureau init`")
        check_private(home.folder / "keys")
        seal_key = _read_seal_key(home.key_file)
        secret = open_sealed(signing_file.read_bytes(), seal_key, _label("signing"))
        return cls(home.folder / "keys", seal_key, Ed25519PrivateKey.from_private_bytes(secret))

    @property
    def public_key_hex(self) -> str:
        """The Ed25519 public key, 64 hexadecimal digits."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """The Ed25519 signature of ``message``, 64 bytes."""
        return self._signing.sign(message)

    def with_matching_key(self, engine: str, use: Callable[[bytes], Result]) -> Result:
        """Lend the matching key of ``engine`` in the present epoch to ``use``, which must not keep it.

        The key is made and sealed when it is first wanted.
        """
        if engine not in self._matching:
            self._matching[engine] = self._load_matching(engine)
        return use(self._matching[engine])

    def _load_matching(self, engine: str) -> bytes:
        file = self._folder / f"matching-{engine}-{EPOCH}.sealed"
        label = _label(f"matching {engine} {EPOCH}")
        if not file.exists():
            sealed = seal(generate_key(engine), self._seal, label)
            draft = self._folder / f".new-{os.urandom(8).hex()}"
            write_private(draft, sealed)
            try:
                # A hard link fails if another process made the key first; then that key is the key.
                os.link(draft, file)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return open_sealed(file.read_bytes(), self._seal, label)

    def __repr__(self) -> str:
        return "BureauKeys(hidden)"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("the bureau's keys cannot be pickled or copied")

    def __getstate__(self) -> NoReturn:
        raise TypeError("the bureau's keys cannot be pickled or copied")

    def __copy__(self) -> NoReturn:
        raise TypeError("the bureau's keys cannot be pickled or copied")

    def __deepcopy__(self, memo: object) -> NoReturn:
        raise TypeError("the bureau's keys cannot be pickled or copied")


def check_private(path: Path) -> None:
    """Raise ``InvalidInput`` unless only the owner can read ``path``."""
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise InvalidInput(f"Wanted {path} to be readable by its owner only.", next_step=f"chmod go-rwx {path}")


def _read_seal_key(file: Path) -> SealKey:
    if not file.is_file():
        raise NotFound(f"The bureau's key file {file} is missing.", next_step="bring it back, or set key_file")
    check_private(file)
    return SealKey.from_file_bytes(file.read_bytes())


def _signing_file(folder: Path) -> Path:
    return folder / "keys" / "signing.sealed"


def _label(what: str) -> bytes:
    return f"shulab bureau {what}".encode()
