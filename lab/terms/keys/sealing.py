r"""Sealing secrets at rest: AES-256-GCM (NIST SP 800-38D) under a passphrase, random bytes, or a key in a token.

A passphrase is stretched by scrypt (RFC 7914; N = 2^15, r = 8, p = 1: about 32 MiB and 0.1 s a guess). Random bytes,
at least 32 of them in a key file or in the environment, are expanded by HKDF-SHA-256 (RFC 5869). A token derives with a
key that never leaves it: one block of NIST SP 800-108r1 in counter mode (section 4.1) with HMAC-SHA-256, its label and
context of fixed lengths (``token_kdf_input``). Every sealed value has a fresh 16-byte salt and a 12-byte nonce, and is
bound to a label (what the secret is), so that two sealed files cannot be swapped.

Layout: ``b"SHSEAL1\n"`` | source (1 byte: P passphrase, F key file, E environment, T token) | salt (16) | nonce (12) |
ciphertext and tag.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
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


_SOURCES = {b"P": "passphrase", b"F": "key file", b"E": "key in the environment", b"T": "key in a token"}
_TOKEN_LABEL = b"shulab seal key "
_BITS = 256


class SealKey:
    """The key that opens sealed secrets; it cannot be printed, pickled or copied."""

    __slots__ = ("_derive", "_source")

    def __init__(self, source: bytes, derive: Callable[[bytes], bytes]) -> None:
        self._source = source
        self._derive = derive

    @classmethod
    def from_passphrase(cls, passphrase: str) -> SealKey:
        """From a passphrase of at least 8 characters; raises ``InvalidInput`` for a shorter one."""
        if len(passphrase) < 8:
            raise InvalidInput("Expected a passphrase of at least 8 characters.", next_step="choose a longer one")
        secret = passphrase.encode()
        return cls(b"P", lambda salt: Scrypt(salt=salt, length=32, n=2**15, r=8, p=1).derive(secret))

    @classmethod
    def from_file_bytes(cls, content: bytes) -> SealKey:
        """From a key file of at least 32 bytes; raises ``InvalidInput`` for a shorter one."""
        if len(content) < _KEY_FILE_MIN:
            raise InvalidInput(
                f"Expected a key file of at least {_KEY_FILE_MIN} bytes; found {len(content)}.",
                next_step="make one with `head -c 32 /dev/urandom > seal.key; chmod 600 seal.key`",
            )
        return cls(b"F", lambda salt: _expand(content, salt, b"shulab seal key file"))

    @classmethod
    def from_environment(cls, value: str) -> SealKey:
        """From a variable with base64 of at least 32 random bytes; raises ``InvalidInput`` for anything else."""
        try:
            content = base64.b64decode(value.strip(), validate=True)
        except ValueError:
            content = b""
        if len(content) < _KEY_FILE_MIN:
            raise InvalidInput(
                f"Expected base64 of at least {_KEY_FILE_MIN} random bytes in the environment; found other text.",
                next_step="make it with `head -c 32 /dev/urandom | base64`",
            )
        return cls(b"E", lambda salt: _expand(content, salt, b"shulab seal key environment"))

    @classmethod
    def from_token(cls, hmac: Callable[[bytes], bytes]) -> SealKey:
        """From a key that stays in its token: ``hmac`` computes HMAC-SHA-256 with it."""
        return cls(b"T", lambda salt: hmac(token_kdf_input(salt)))

    def derive(self, source: bytes, salt: bytes) -> bytes:
        """The AES key for one sealed value, 32 bytes; raises ``NotAuthentic`` if ``source`` is not this key's."""
        if source != self._source:
            wanted = _SOURCES.get(source, "source that this version does not know")
            raise NotAuthentic(
                f"This secret was sealed under a {wanted}; found a {_SOURCES[self._source]}.",
                next_step=f"give the {wanted}",
            )
        key = self._derive(salt)
        if len(key) * 8 != _BITS:
            raise NotAuthentic("The token derived a key of another length.", next_step="use a key for HMAC-SHA-256")
        return key

    @property
    def source(self) -> bytes:
        """``b"P"``, ``b"F"``, ``b"E"`` or ``b"T"``: passphrase, key file, environment or token."""
        return self._source

    def __repr__(self) -> str:
        return "SealKey(hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a seal key cannot be pickled or copied")


def token_kdf_input(salt: bytes) -> bytes:
    """[1]_32 | Label | 0x00 | Context | [L]_32 of SP 800-108r1, section 4.1: one block gives all 256 bits."""
    return (1).to_bytes(4, "big") + _TOKEN_LABEL + b"\x00" + salt + _BITS.to_bytes(4, "big")


def _expand(content: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(content)


def seal(plaintext: bytes, key: SealKey, label: bytes) -> bytes:
    """Seal ``plaintext`` under ``key``, bound to ``label``."""
    salt, nonce = os.urandom(_SALT), os.urandom(_NONCE)
    header = _MAGIC + key.source + salt + nonce
    return header + AESGCM(key.derive(key.source, salt)).encrypt(nonce, plaintext, header + label)


def open_sealed(sealed: bytes, key: SealKey, label: bytes) -> bytes:
    """Open what ``seal`` made; raises ``NotAuthentic`` for a wrong key, label or altered bytes."""
    if not sealed.startswith(_MAGIC) or len(sealed) < _HEADER + _TAG:
        raise InvalidInput("Expected a sealed secret (SHSEAL1); found another file.", next_step="name the right file")
    header, body = sealed[:_HEADER], sealed[_HEADER:]
    start = len(_MAGIC)
    source, salt, nonce = header[start : start + 1], header[start + 1 : start + 1 + _SALT], header[-_NONCE:]
    try:
        return AESGCM(key.derive(source, salt)).decrypt(nonce, body, header + label)
    except InvalidTag:
        raise NotAuthentic(
            f"The secret does not open: wrong {_SOURCES[key.source]}, or the file was altered.",
            next_step=f"give the {_SOURCES[key.source]} it was sealed with",
        ) from None
