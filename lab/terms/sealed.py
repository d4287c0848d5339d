"""Sealing secrets at rest: AES-256-GCM (NIST SP 800-38D) under a passphrase or a key file.

A passphrase is stretched by scrypt (RFC 7914; N = 2^15, r = 8, p = 1: about 32 MiB and 0.1 s a guess). A key file holds
at least 32 random bytes and is expanded by HKDF-SHA-256 (RFC 5869). Every sealed value has a fresh 16-byte salt and a
12-byte nonce, and is bound to a label (what the secret is), so that two sealed files cannot be swapped.

Layout: ``b"SHSEAL1\\n"`` | source (1 byte: P passphrase, F key file) | salt (16) | nonce (12) | ciphertext and tag.
"""

from __future__ import annotations

import os
from typing import NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from lab.terms.errors import InvalidInput, NotAuthentic

_MAGIC = b"SHSEAL1\n"
_SALT, _NONCE, _TAG = 16, 12, 16
_KEY_FILE_MIN = 32
_HEADER = len(_MAGIC) + 1 + _SALT + _NONCE


class SealKey:
    """What a person or a machine opens sealed secrets with; never printed, pickled or copied."""

    __slots__ = ("_secret", "_source")

    def __init__(self, source: bytes, secret: bytes) -> None:
        self._source = source
        self._secret = secret

    @classmethod
    def from_passphrase(cls, passphrase: str) -> SealKey:
        """From words a person remembers; at least 8 characters, else ``InvalidInput``."""
        if len(passphrase) < 8:
            raise InvalidInput("Wanted a passphrase of at least 8 characters.", next_step="choose a longer one")
        return cls(b"P", passphrase.encode())

    @classmethod
    def from_file_bytes(cls, content: bytes) -> SealKey:
        """From the bytes of a key file; at least 32, else ``InvalidInput``."""
        if len(content) < _KEY_FILE_MIN:
            raise InvalidInput(
                f"Wanted a key file of at least {_KEY_FILE_MIN} bytes; found {len(content)}.",
                next_step="make one with `head -c 32 /dev/urandom > seal.key; chmod 600 seal.key`",
            )
        return cls(b"F", content)

    def derive(self, source: bytes, salt: bytes) -> bytes:
        """The AES key for one sealed value (32 bytes)."""
        if source != self._source:
            wanted = "a passphrase" if source == b"P" else "a key file"
            found = "a passphrase" if self._source == b"P" else "a key file"
            raise NotAuthentic(f"This secret was sealed under {wanted}; found {found}.", next_step=f"give {wanted}")
        if source == b"P":
            return Scrypt(salt=salt, length=32, n=2**15, r=8, p=1).derive(self._secret)
        return HKDF(algorithm=SHA256(), length=32, salt=salt, info=b"shulab seal key file").derive(self._secret)

    @property
    def source(self) -> bytes:
        """``b"P"`` for a passphrase, ``b"F"`` for a key file."""
        return self._source

    def __repr__(self) -> str:
        return "SealKey(hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a seal key cannot be pickled or copied")


def seal(plaintext: bytes, key: SealKey, label: bytes) -> bytes:
    """Seal ``plaintext`` under ``key``, bound to ``label``."""
    salt, nonce = os.urandom(_SALT), os.urandom(_NONCE)
    header = _MAGIC + key.source + salt + nonce
    return header + AESGCM(key.derive(key.source, salt)).encrypt(nonce, plaintext, header + label)


def open_sealed(sealed: bytes, key: SealKey, label: bytes) -> bytes:
    """Open what ``seal`` made; raises ``NotAuthentic`` for a wrong key, label or altered bytes."""
    if not sealed.startswith(_MAGIC) or len(sealed) < _HEADER + _TAG:
        raise InvalidInput("Wanted a sealed secret (SHSEAL1); found another file.", next_step="name the right file")
    header, body = sealed[:_HEADER], sealed[_HEADER:]
    start = len(_MAGIC)
    source, salt, nonce = header[start : start + 1], header[start + 1 : start + 1 + _SALT], header[-_NONCE:]
    try:
        return AESGCM(key.derive(source, salt)).decrypt(nonce, body, header + label)
    except InvalidTag:
        raise NotAuthentic(
            "The secret does not open: wrong passphrase or key file, or the file was altered.",
            next_step="give the passphrase or key file it was sealed with",
        ) from None
