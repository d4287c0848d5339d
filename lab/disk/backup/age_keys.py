"""Who may open a backup: the holder of an X25519 key, or whoever knows a passphrase (C2SP age, recipient types).

A file has a random key of 16 bytes. Each recipient gets it wrapped in a stanza of the header. For an X25519 recipient
(``age1...``) the wrapping key comes by HKDF-SHA-256 (RFC 5869) from a Diffie-Hellman exchange (RFC 7748) with an
ephemeral key; for a passphrase, by scrypt (RFC 7914; r = 8, p = 1). The wrap is ChaCha20-Poly1305 (RFC 8439) with a
nonce of zeros, as each wrapping key is used once.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from lab.disk.backup.bech32 import decode_bech32, encode_bech32
from lab.terms.errors import InvalidInput, NotAuthentic

FILE_KEY_BYTES = 16
WORK_FACTOR, MAX_WORK_FACTOR = 17, 18
"""log2 of scrypt's N: 2^17 takes 128 MiB and about half a second a guess (OWASP's choice). A file that asks for more
than 2^18 (256 MiB, what `age -p` takes) is refused: whoever offers a file must not choose how much memory it takes."""
MIN_PASSPHRASE = 12
_RECIPIENT, _IDENTITY = "age", "age-secret-key-"
_X25519_INFO, _SCRYPT_LABEL = b"age-encryption.org/v1/X25519", b"age-encryption.org/v1/scrypt"
_NONCE, _BODY_BYTES, _KEY_BYTES, _SALT_BYTES = bytes(12), 32, 32, 16
_WORK = re.compile(r"[1-9][0-9]?")


@dataclass(frozen=True, slots=True)
class Stanza:
    """A recipient's part of a header: its type and arguments, and the wrapped file key."""

    arguments: tuple[str, ...]
    body: bytes


class BackupRecipient(Protocol):
    """Somebody for whom a backup is encrypted."""

    def wrap(self, file_key: bytes) -> Stanza:
        """The stanza that gives this recipient the file's key."""


class BackupIdentity(Protocol):
    """What opens a backup."""

    def unwrap(self, stanzas: Sequence[Stanza]) -> bytes | None:
        """The file's key, if one of the stanzas is for this identity; raises ``InvalidInput`` for a malformed one."""


class PublicKeyRecipient:
    """The holder of an X25519 key, by its public half (``age1...``)."""

    def __init__(self, text: str) -> None:
        try:
            name, self._public = decode_bech32(text)
            if name != _RECIPIENT or len(self._public) != _KEY_BYTES or text != text.lower():
                raise ValueError
        except ValueError:
            raise InvalidInput(
                "Expected a recipient's public key (age1...); found other text.",
                next_step="make a key with `age-keygen` or `lab bureau backup-key`, and copy its public key whole",
            ) from None

    def wrap(self, file_key: bytes) -> Stanza:
        """The stanza; raises ``InvalidInput`` for a public key with which no secret is shared."""
        ephemeral = X25519PrivateKey.generate()
        share = ephemeral.public_key().public_bytes_raw()
        key = _exchange(ephemeral, self._public, share + self._public)
        return Stanza(("X25519", encode_base64(share)), ChaCha20Poly1305(key).encrypt(_NONCE, file_key, None))


class _Hidden:
    def __repr__(self) -> str:
        return f"{type(self).__name__}(hidden)"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("what opens a backup cannot be pickled or copied")


class SecretKeyIdentity(_Hidden):
    """An X25519 secret key (``AGE-SECRET-KEY-1...``)."""

    __slots__ = ("_private", "_public")

    def __init__(self, private: bytes) -> None:
        self._private = X25519PrivateKey.from_private_bytes(private)
        self._public = self._private.public_key().public_bytes_raw()

    @classmethod
    def generate(cls) -> tuple[SecretKeyIdentity, str]:
        """A fresh key, and its text, which is a secret."""
        private = os.urandom(_KEY_BYTES)
        return cls(private), encode_bech32(_IDENTITY, private).upper()

    @classmethod
    def parse_file(cls, content: bytes) -> SecretKeyIdentity:
        """The one key in a file as `age-keygen` makes it: lines with # are comments. Raises ``InvalidInput``."""
        try:
            lines = [line.strip() for line in content.decode("ascii").splitlines()]
            (text,) = [line for line in lines if line and not line.startswith("#")]
            name, private = decode_bech32(text)
            if name != _IDENTITY or len(private) != _KEY_BYTES or text != text.upper():
                raise ValueError
        except ValueError:
            raise InvalidInput(
                "Expected a file with one secret key (AGE-SECRET-KEY-1...); found something else.",
                next_step="give the file that `age-keygen` or `lab bureau backup-key` made",
            ) from None
        return cls(private)

    @property
    def recipient(self) -> str:
        """The public half, ``age1...``."""
        return encode_bech32(_RECIPIENT, self._public)

    def unwrap(self, stanzas: Sequence[Stanza]) -> bytes | None:
        """See ``BackupIdentity.unwrap``."""
        for stanza in stanzas:
            if stanza.arguments[0] != "X25519":
                continue
            share = decode_base64(stanza.arguments[1]) if len(stanza.arguments) == 2 else b""
            if len(share) != _KEY_BYTES or len(stanza.body) != _BODY_BYTES:
                raise malformed_header()
            key = _exchange(self._private, share, share + self._public)
            try:
                return ChaCha20Poly1305(key).decrypt(_NONCE, stanza.body, None)
            except InvalidTag:
                continue  # another recipient's
        return None


class Passphrase(_Hidden):
    """A passphrase, which both encrypts and opens."""

    __slots__ = ("_secret", "_work")

    def __init__(self, passphrase: str, *, work: int = WORK_FACTOR) -> None:
        if len(passphrase) < MIN_PASSPHRASE:
            raise InvalidInput(
                f"Expected a passphrase of at least {MIN_PASSPHRASE} characters for a backup, which can be tried "
                "without limit.",
                next_step="take five or more random words",
            )
        self._secret, self._work = passphrase.encode(), work

    def wrap(self, file_key: bytes) -> Stanza:
        """The stanza."""
        salt = os.urandom(_SALT_BYTES)
        body = ChaCha20Poly1305(self._stretch(salt, self._work)).encrypt(_NONCE, file_key, None)
        return Stanza(("scrypt", encode_base64(salt), str(self._work)), body)

    def unwrap(self, stanzas: Sequence[Stanza]) -> bytes | None:
        """See ``BackupIdentity.unwrap``. A file for a passphrase has one stanza, so that its maker knew the
        passphrase."""
        if not any(stanza.arguments[0] == "scrypt" for stanza in stanzas):
            return None
        arguments, body = stanzas[0].arguments, stanzas[0].body
        if len(stanzas) != 1 or len(arguments) != 3 or len(body) != _BODY_BYTES:
            raise malformed_header()
        salt = decode_base64(arguments[1])
        if len(salt) != _SALT_BYTES or not _WORK.fullmatch(arguments[2]):
            raise malformed_header()
        if int(arguments[2]) > MAX_WORK_FACTOR:
            raise InvalidInput(
                f"Expected a work factor of at most {MAX_WORK_FACTOR} for the passphrase; the file asks for more.",
                next_step="this is not a backup that Shulab made; ask who made it",
            )
        try:
            return ChaCha20Poly1305(self._stretch(salt, int(arguments[2]))).decrypt(_NONCE, body, None)
        except InvalidTag:
            raise NotAuthentic(
                "The passphrase does not open this backup.", next_step="give the one that it was made with"
            ) from None

    def _stretch(self, salt: bytes, work: int) -> bytes:
        return Scrypt(salt=_SCRYPT_LABEL + salt, length=_KEY_BYTES, n=1 << work, r=8, p=1).derive(self._secret)


def malformed_header() -> InvalidInput:
    """The error for a header that is not age's."""
    return InvalidInput(
        "Expected a backup (an age file, age-encryption.org/v1); found something else.",
        next_step="check the path; a backup is a binary file without armor",
    )


def _exchange(private: X25519PrivateKey, other: bytes, salt: bytes) -> bytes:
    try:
        shared = private.exchange(X25519PublicKey.from_public_bytes(other))
    except ValueError:  # a point of small order
        raise malformed_header() from None
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=salt, info=_X25519_INFO).derive(shared)


def encode_base64(data: bytes) -> str:
    """Base64 without padding (RFC 4648, section 4)."""
    return base64.b64encode(data).decode().rstrip("=")


def decode_base64(text: str) -> bytes:
    """Canonical base64 without padding; empty for anything else."""
    try:
        found = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        return b""
    return found if encode_base64(found) == text else b""
