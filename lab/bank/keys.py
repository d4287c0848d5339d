"""The only home of the bank's secret keys: the Ed25519 signing key and the decryption keys of encrypted scoring.

Secrets lie sealed (``lab.terms.sealed``) in a folder of mode 0700, in files of mode 0600. In memory they are held by
``BankKeys``, which signs and hands out ``KeyHolder`` objects, and cannot be printed, pickled, copied or turned into
JSON; a core dump of the process is switched off before the first secret is opened. What Python cannot promise is that
freed memory is overwritten: whoever can read the memory of the bank's process can read its keys.
"""

from __future__ import annotations

import ctypes
import resource
from pathlib import Path
from typing import NoReturn

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lab.bank.files import check_private, read_private, write_private
from lab.terms.errors import Conflict, InvalidInput, NotAuthentic, NotFound
from lab.terms.sealed import SealKey, open_sealed, seal
from protocols.scoring.bank import KeyHolder, generate_secret
from protocols.scoring.params import PARAMETERS, ParameterSet

SIGNING_FILE = "signing.sealed"
_SIGNING_LABEL = b"shulab bank signing key v1"
_SCORING_LABEL = b"shulab bank scoring key v1 "
_PR_SET_DUMPABLE = 4  # prctl(2)
_LENGTH_BYTES = 4


class BankKeys:
    """The bank's opened keys. Made by ``create`` or ``open``; never printed, pickled, copied or written as JSON."""

    __slots__ = ("_folder", "_public", "_seal_key", "_signing")

    def __init__(self, folder: Path, seal_key: SealKey, signing: Ed25519PrivateKey) -> None:
        self._folder = folder
        self._seal_key = seal_key
        self._signing = signing
        self._public = signing.public_key().public_bytes_raw().hex()

    @classmethod
    def create(cls, folder: Path, seal_key: SealKey) -> BankKeys:
        """Make the folder (mode 0700) and a fresh signing key in it.

        Raises ``Conflict`` if a signing key lies there already: keys are never overwritten.
        """
        forbid_core_dumps()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_private(folder)
        if (folder / SIGNING_FILE).exists():
            raise Conflict(
                "Wanted an empty key folder; it holds a signing key already.", next_step="choose another --home"
            )
        signing = Ed25519PrivateKey.generate()
        write_private(folder / SIGNING_FILE, seal(signing.private_bytes_raw(), seal_key, _SIGNING_LABEL))
        return cls(folder, seal_key, signing)

    @classmethod
    def open(cls, folder: Path, seal_key: SealKey) -> BankKeys:
        """Open the keys in ``folder``.

        Raises ``NotFound`` without keys, ``Refused`` when others may read the folder or a file in it, ``NotAuthentic``
        for a wrong passphrase or key file.
        """
        forbid_core_dumps()
        if not (folder / SIGNING_FILE).is_file():
            raise NotFound("Wanted the bank's keys; there are none in this home.", next_step="run `lab bank init`")
        check_private(folder)
        secret = open_sealed(read_private(folder / SIGNING_FILE), seal_key, _SIGNING_LABEL)
        return cls(folder, seal_key, Ed25519PrivateKey.from_private_bytes(secret))

    @property
    def public_key_hex(self) -> str:
        """The public half of the signing key, 64 hexadecimal digits."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """Ed25519 signature (RFC 8032), 64 bytes."""
        return self._signing.sign(message)

    def holder(self, params: ParameterSet) -> KeyHolder:
        """One who encrypts and decrypts under ``params``; the key is made and sealed at the first call."""
        secret, _ = self._scoring(params)
        return _make_holder(params, secret)

    def public_context(self, params: ParameterSet) -> bytes:
        """The frame with the public key of ``params``: the same bytes every time, so it travels to a bureau once."""
        return self._scoring(params)[1]

    def _scoring(self, params: ParameterSet) -> tuple[bytes, bytes]:
        """The secret key and the public frame of ``params``, sealed together so that neither can be swapped."""
        if PARAMETERS.get(params.name) != params:
            raise InvalidInput("Wanted a parameter set of this version; found another.", next_step="check the contract")
        path = self._folder / f"scoring-{params.name}.sealed"
        label = _SCORING_LABEL + params.name.encode()
        if not path.exists():
            secret = generate_secret(params)
            context = KeyHolder(params, secret).public_context()
            joined = len(secret).to_bytes(_LENGTH_BYTES, "big") + secret + context
            write_private(path, seal(joined, self._seal_key, label))
            return secret, context
        joined = open_sealed(read_private(path), self._seal_key, label)
        end = _LENGTH_BYTES + int.from_bytes(joined[:_LENGTH_BYTES], "big")
        return joined[_LENGTH_BYTES:end], joined[end:]

    def __repr__(self) -> str:
        return "BankKeys(hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("the bank's keys cannot be pickled or copied")

    def __getstate__(self) -> NoReturn:
        raise TypeError("the bank's keys have no state to give")

    def __copy__(self) -> NoReturn:
        raise TypeError("the bank's keys cannot be copied")

    def __deepcopy__(self, memo: object) -> NoReturn:
        raise TypeError("the bank's keys cannot be copied")


def _make_holder(params: ParameterSet, secret: bytes) -> KeyHolder:
    try:
        return KeyHolder(params, secret)
    except ValueError:
        raise NotAuthentic(
            f"The sealed key is no key of parameter set {params.name}.",
            next_step="restore the key folder from a backup",
        ) from None


def forbid_core_dumps() -> None:
    """Switch core dumps off for this process (setrlimit(2), prctl(2)), so that a crash writes no key to a disk."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    except (OSError, AttributeError):
        return  # not Linux: the limit above has to do
