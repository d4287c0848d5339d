"""A witness's Ed25519 key (RFC 8032), sealed at rest (``lab.terms.keys.sealing``).

The key object cannot be printed, pickled or copied, and it signs nothing but cosignatures.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import NoReturn

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lab.disk.private_files import read_private, replace_private
from lab.terms.errors import Conflict
from lab.terms.keys.sealing import SealKey, open_sealed, seal
from lab.terms.witnessing.checkpoint import Checkpoint
from lab.terms.witnessing.cosignature import cosign
from lab.terms.witnessing.signed_note import SIGNATURE_COSIGNATURE, NoteKey, NoteSignature

_FILE, _LABEL = "witness.sealed", b"shulab witness key"


class WitnessKey:
    """The opened key of one witness."""

    __slots__ = ("_public", "_secret")

    def __init__(self, name: str, secret: Ed25519PrivateKey) -> None:
        self._secret = secret
        self._public = NoteKey(name, secret.public_key().public_bytes_raw().hex(), SIGNATURE_COSIGNATURE)

    @classmethod
    def create(cls, folder: Path, name: str, seal_key: SealKey) -> WitnessKey:
        """Make a key and seal it in ``folder``; raises ``Conflict`` if there is one."""
        if (folder / _FILE).exists():
            raise Conflict("This witness has a key already.", next_step="use it, or make another witness")
        secret = Ed25519PrivateKey.generate()
        replace_private(folder / _FILE, seal(secret.private_bytes_raw(), seal_key, _LABEL))
        return cls(name, secret)

    @classmethod
    def open(cls, folder: Path, name: str, seal_key: SealKey) -> WitnessKey:
        """Open the key in ``folder``; raises ``NotFound``, ``NotAllowed`` or ``NotAuthentic`` (wrong seal key)."""
        return cls(
            name, Ed25519PrivateKey.from_private_bytes(open_sealed(read_private(folder / _FILE), seal_key, _LABEL))
        )

    @property
    def note_key(self) -> NoteKey:
        """Name and public key."""
        return self._public

    def cosign(self, checkpoint: Checkpoint, time: datetime) -> NoteSignature:
        """The cosignature of a checkpoint."""
        return cosign(self._public, self._secret.sign, checkpoint.text, time)

    def __repr__(self) -> str:
        return "WitnessKey(hidden)"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a witness's key cannot be pickled or copied")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a witness's key cannot be pickled or copied")

    def __copy__(self) -> NoReturn:
        raise TypeError("a witness's key cannot be pickled or copied")

    def __deepcopy__(self, memo: object) -> NoReturn:
        raise TypeError("a witness's key cannot be pickled or copied")
