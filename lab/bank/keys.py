"""The only module that holds the bank's secret keys: the Ed25519 signing key, the decryption keys of encrypted scoring,
and the matching secret, from which the keys that blind identifiers are derived.

During a rotation of the signing key there is a next key beside the current one (``lab.bank.key_rotation``). Requests to
a bureau are signed with the key that it knows. The files are checked for each request, so a running job changes to the
new key.

On disk the secrets are sealed (``lab.terms.keys.sealing``), in files of mode 0600 in a folder of mode 0700. In memory
``BankKeys`` holds them; it signs, and returns ``KeyHolder`` and ``Blinding`` objects. It cannot be printed, pickled,
copied or turned into JSON, and core dumps of the process are disabled before the first secret is opened. Python cannot
guarantee that freed memory is overwritten: whoever can read the memory of the bank's process can read its keys.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from lab.disk.locks import exclusive_lock
from lab.disk.private_files import check_private, read_private, replace_private, sync_folder, write_private
from lab.process.memory_protection import disable_core_dumps
from lab.terms.errors import Conflict, InvalidInput, NotAllowed, NotAuthentic, NotFound
from lab.terms.keys.sealing import SealKey, open_sealed, seal
from protocols.matching.bank import Blinding, matching_operation, permutation_seed, request_seed, secret_permutation
from protocols.scoring.bank import KeyHolder, generate_secret_key
from protocols.scoring.messages import has_current_format
from protocols.scoring.parameters import PARAMETERS, ParameterSet

SIGNING_FILE = "signing.sealed"
NEXT_FILE = "next.sealed"
NOTIFIED_FILE = "next.told"
MATCHING_FILE = "matching.sealed"
_SIGNING_LABEL = b"shulab bank signing key v1"
_SCORING_LABEL = b"shulab bank scoring key v1 "
_MATCHING_LABEL = b"shulab bank matching secret v1"
_SEED_BYTES = 32
_LENGTH_BYTES = 4


class _NonSerialisable:
    """Never printed, pickled, copied or written as JSON."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("the bank's keys cannot be pickled or copied")

    def __getstate__(self) -> NoReturn:
        raise TypeError("the bank's keys have no state to give")

    def __copy__(self) -> NoReturn:
        raise TypeError("the bank's keys cannot be copied")

    def __deepcopy__(self, memo: object) -> NoReturn:
        raise TypeError("the bank's keys cannot be copied")


class SigningKey(_NonSerialisable):
    """One signing key of the bank, opened."""

    __slots__ = ("_private", "_public")

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self._public = private.public_key().public_bytes_raw().hex()

    @property
    def public_key_hex(self) -> str:
        """The public half, 64 hexadecimal digits."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """Ed25519 signature (RFC 8032), 64 bytes."""
        return self._private.sign(message)


class BankKeys(_NonSerialisable):
    """The bank's opened keys. Use ``create`` or ``open``."""

    __slots__ = ("_folder", "_opened", "_seal_key")

    def __init__(self, folder: Path, seal_key: SealKey) -> None:
        self._folder = folder
        self._seal_key = seal_key
        self._opened: dict[str, tuple[tuple[int, int], SigningKey]] = {}

    @classmethod
    def create(cls, folder: Path, seal_key: SealKey) -> BankKeys:
        """Create the folder (mode 0700) with a new signing key.

        Raises ``Conflict`` if there is a signing key already: keys are never overwritten.
        """
        disable_core_dumps()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_private(folder)
        if (folder / SIGNING_FILE).exists():
            raise Conflict(
                "Expected an empty key folder; it has a signing key already.", next_step="choose another --home"
            )
        keys = cls(folder, seal_key)
        keys._make_signing(SIGNING_FILE)
        return keys

    @classmethod
    def open(cls, folder: Path, seal_key: SealKey) -> BankKeys:
        """Open the keys in ``folder``.

        Raises ``NotFound`` without keys, ``NotAllowed`` when others may read the folder or a file in it,
        ``NotAuthentic`` for a wrong passphrase or key file.
        """
        disable_core_dumps()
        if not (folder / SIGNING_FILE).is_file():
            raise NotFound("Expected the bank's keys; there are none in this folder.", next_step="run `lab bank init`")
        check_private(folder)
        keys = cls(folder, seal_key)
        keys.current_key()
        return keys

    @property
    def public_key_hex(self) -> str:
        """The public half of the current signing key, 64 hexadecimal digits."""
        return self.current_key().public_key_hex

    def sign(self, message: bytes) -> bytes:
        """Signature by the current signing key, 64 bytes."""
        return self.current_key().sign(message)

    def current_key(self) -> SigningKey:
        """The current signing key, which the bank's card shows; raises ``NotFound`` without one."""
        found = self._signing(SIGNING_FILE)
        if found is None:
            raise NotFound("Expected the bank's keys; there are none in this folder.", next_step="run `lab bank init`")
        return found

    def next_key(self) -> SigningKey | None:
        """The key that will replace the current one, during a rotation; otherwise None."""
        return self._signing(NEXT_FILE)

    def key_for_bureau(self, bureau_key: str) -> SigningKey:
        """The signing key that this bureau knows: the next one as soon as the bureau was informed."""
        next_key = self.next_key() if bureau_key in self.notified_bureaus() else None
        return next_key or self.current_key()

    def find_key(self, public_key: str) -> SigningKey:
        """The current or next key with this public half; raises ``NotAllowed`` for any other, such as a former one."""
        for key in (self.current_key(), self.next_key()):
            if key is not None and key.public_key_hex == public_key:
                return key
        raise NotAllowed(
            "The key to sign with is not this bank's current or next one.",
            next_step="send the bureau this bank's current card (`lab bank card`) for a new version",
        )

    def make_next_key(self) -> SigningKey:
        """The next signing key, created and sealed if there is none."""
        next_key = self.next_key()
        if next_key is None:
            # A list that an earlier rotation left is about another key.
            (self._folder / NOTIFIED_FILE).unlink(missing_ok=True)
            next_key = self._make_signing(NEXT_FILE)
        return next_key

    def notified_bureaus(self) -> frozenset[str]:
        """The public keys of the bureaus that know the next key."""
        try:
            return frozenset(json.loads((self._folder / NOTIFIED_FILE).read_bytes()))
        except FileNotFoundError:
            return frozenset()

    def record_notified_bureau(self, bureau_key: str) -> None:
        """Record that this bureau knows the next key."""
        content = json.dumps(sorted(self.notified_bureaus() | {bureau_key})).encode()
        replace_private(self._folder / NOTIFIED_FILE, content)

    def promote_next_key(self, public_key: str) -> bool:
        """Replace the current key by the next, if that has this public half; whether the current one has it now."""
        next_key = self.next_key()
        if next_key is not None and next_key.public_key_hex == public_key:
            os.replace(self._folder / NEXT_FILE, self._folder / SIGNING_FILE)
            sync_folder(self._folder)
        if self.current_key().public_key_hex != public_key:
            return False
        if self.next_key() is None:
            (self._folder / NOTIFIED_FILE).unlink(missing_ok=True)
        return True

    def _make_signing(self, name: str) -> SigningKey:
        signing = Ed25519PrivateKey.generate()
        write_private(self._folder / name, seal(signing.private_bytes_raw(), self._seal_key, _SIGNING_LABEL))
        return SigningKey(signing)

    def _signing(self, name: str) -> SigningKey | None:
        """The signing key in a file, opened again when the file has changed; None without a file."""
        try:
            found = (self._folder / name).stat(follow_symlinks=False)
        except FileNotFoundError:
            return None
        stamp = (found.st_ino, found.st_mtime_ns)
        opened = self._opened.get(name)
        if opened is None or opened[0] != stamp:
            try:
                sealed = read_private(self._folder / name)
            except NotFound:
                return None  # it replaced the current key meanwhile
            secret = open_sealed(sealed, self._seal_key, _SIGNING_LABEL)
            opened = self._opened[name] = (stamp, SigningKey(Ed25519PrivateKey.from_private_bytes(secret)))
        return opened[1]

    def key_holder(self, params: ParameterSet) -> KeyHolder:
        """The object that encrypts and decrypts under ``params``; the key is created and sealed at the first call."""
        secret, _ = self._scoring(params)
        return _make_holder(params, secret)

    def public_context(self, params: ParameterSet) -> bytes:
        """The frame with the public key of ``params``: the same bytes every time, so a bureau is sent it once."""
        return self._scoring(params)[1]

    def blinding(
        self, engine: str, contract: str, epoch: int, identifiers: Sequence[str], *, counting: bool = False
    ) -> Blinding:
        """The object that blinds these identifiers under a contract and key epoch, for matching or for counting.

        The same identifiers in the same order always give the same request, so an interrupted one is sent again
        byte for byte. Other identifiers, and the same under another contract or epoch, are blinded by unlinkable keys
        (``protocols.matching.request_composition``).
        """
        purpose = (matching_operation(counting), engine, contract, epoch)
        return Blinding(engine, request_seed(self._matching_secret(), *purpose, identifiers))

    def request_order(
        self, engine: str, contract: str, epoch: int, identifiers: Sequence[str], *, counting: bool = False
    ) -> NDArray[np.int64]:
        """The secret order in which identifiers are sent: a permutation, int64 [n], of the identifiers sorted by text.

        The same identifiers are always sent in the same order.
        """
        purpose = (matching_operation(counting), engine, contract, epoch)
        return secret_permutation(permutation_seed(self._matching_secret(), *purpose, identifiers), len(identifiers))

    def _matching_secret(self) -> bytes:
        """32 random bytes, created and sealed at the first call. Rotations of the signing key leave them alone."""
        path = self._folder / MATCHING_FILE
        if not path.exists():
            fresh = secrets.token_bytes(_SEED_BYTES)
            with suppress(Conflict):  # another process of the bank created it meanwhile; that one counts
                write_private(path, seal(fresh, self._seal_key, _MATCHING_LABEL))
        return open_sealed(read_private(path), self._seal_key, _MATCHING_LABEL)

    def _scoring(self, params: ParameterSet) -> tuple[bytes, bytes]:
        """The secret key and the public frame of ``params``, sealed together so that neither can be swapped."""
        if PARAMETERS.get(params.name) != params:
            raise InvalidInput(
                "Expected a parameter set of this version; found another.", next_step="check the contract"
            )
        path = self._folder / f"scoring-{params.name}.sealed"
        label = _SCORING_LABEL + params.name.encode()
        if not path.exists():
            secret = generate_secret_key(params)
            context = KeyHolder(params, secret).public_context()
            write_private(path, seal(_prefixed(secret) + context, self._seal_key, label))
            return secret, context
        secret, context = _split(open_sealed(read_private(path), self._seal_key, label))
        if not has_current_format(context):
            return self._renew_frame(path, label, params)
        return secret, context

    def _renew_frame(self, path: Path, label: bytes, params: ParameterSet) -> tuple[bytes, bytes]:
        """Replace a public frame of an earlier format by a current one; returns the secret key and the frame.

        It is another public key of the same secret, with another hash: bureaus are sent it, and a run under the former
        one is started again.
        """
        with exclusive_lock(self._folder):  # another process of the bank may renew it too
            secret, context = _split(open_sealed(read_private(path), self._seal_key, label))
            if not has_current_format(context):
                context = _make_holder(params, secret).public_context()
                replace_private(path, seal(_prefixed(secret) + context, self._seal_key, label))
        return secret, context


def _prefixed(field: bytes) -> bytes:
    return len(field).to_bytes(_LENGTH_BYTES, "big") + field


def _split(joined: bytes) -> tuple[bytes, bytes]:
    end = _LENGTH_BYTES + int.from_bytes(joined[:_LENGTH_BYTES], "big")
    return joined[_LENGTH_BYTES:end], joined[end:]


def _make_holder(params: ParameterSet, secret: bytes) -> KeyHolder:
    try:
        return KeyHolder(params, secret)
    except ValueError:
        raise NotAuthentic(
            f"The sealed key is not a key of parameter set {params.name}.",
            next_step="restore the key folder from a backup",
        ) from None
