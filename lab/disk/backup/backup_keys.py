"""Who may open a backup: the holder of an X25519 key (C2SP age; the keys of ``age-keygen``).

A backup is encrypted for public keys alone, so that a machine can make one at night without a secret. The secret key
lies in a file elsewhere, which may be encrypted with a passphrase (as by ``age -p``).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NoReturn

from pyrage import DecryptError, IdentityError, RecipientError, passphrase, x25519

from lab.terms.errors import InvalidInput, NotAuthentic

MIN_PASSPHRASE = 12
_MAX_KEY_FILE = 4 * 1024
_ENCRYPTED = b"age-encryption.org/v1\n"
_WORK_FACTOR = re.compile(rb"age-encryption\.org/v1\n-> scrypt [A-Za-z0-9+/]{1,64} ([1-9][0-9]?)\n")
_MAX_WORK_FACTOR = 20
"""The base-2 logarithm of scrypt's N (age.md, section "The scrypt recipient type"). `age -p` writes 18; 20 takes 1 GiB
of memory, and each more twice as much. The library would go to 22."""


class BackupRecipient:
    """The holder of an X25519 key, by its public half (``age1...``)."""

    def __init__(self, text: str) -> None:
        try:
            self.public_key = x25519.Recipient.from_str(text)
            if str(self.public_key) != text:
                raise RecipientError
        except RecipientError:
            raise InvalidInput(
                "Expected a recipient's public key (age1...); found other text.",
                next_step="make a key with `age-keygen` or `lab bureau backup-key`, and copy its public key whole",
            ) from None


class BackupKey:
    """An X25519 secret key (``AGE-SECRET-KEY-1...``), which opens backups; it is never shown, pickled or copied."""

    __slots__ = ("secret_key",)

    def __init__(self, secret_key: x25519.Identity) -> None:
        self.secret_key = secret_key

    @classmethod
    def generate(cls) -> BackupKey:
        """A fresh key."""
        return cls(x25519.Identity.generate())

    @classmethod
    def parse_file(cls, content: bytes, ask_passphrase: Callable[[], str]) -> BackupKey:
        """The one key in a file as `age-keygen` makes it (lines with # are comments); see ``write_file``.

        ``ask_passphrase`` is called if the file is encrypted. Raises ``InvalidInput`` for another content or one that
        asks for too much work, and ``NotAuthentic`` for a wrong passphrase.
        """
        if content.startswith(_ENCRYPTED) and len(content) <= _MAX_KEY_FILE:
            _check_work_factor(content)
            content = _decrypt_key_file(content, ask_passphrase())
        try:
            lines = [line.strip() for line in content[:_MAX_KEY_FILE].decode("ascii").splitlines()]
            (text,) = [line for line in lines if line and not line.startswith("#")]
            return cls(x25519.Identity.from_str(text))
        except (ValueError, IdentityError):
            raise InvalidInput(
                "Expected a file with one secret key (AGE-SECRET-KEY-1...); found something else.",
                next_step="give the file that `age-keygen` or `lab bureau backup-key` made",
            ) from None

    def write_file(self, passphrase_text: str | None) -> bytes:
        """The key as the content of a file, encrypted if there is a passphrase; raises ``InvalidInput`` for a short
        one."""
        content = f"# public key: {self.recipient}\n{self.secret_key}\n".encode("ascii")
        if passphrase_text is None:
            return content
        if len(passphrase_text) < MIN_PASSPHRASE:
            raise InvalidInput(
                f"Expected a passphrase of at least {MIN_PASSPHRASE} characters: whoever finds the file can try "
                "without limit.",
                next_step="take five or more random words",
            )
        return bytes(passphrase.encrypt(content, passphrase_text))

    @property
    def recipient(self) -> str:
        """The public half, ``age1...``."""
        return str(self.secret_key.to_public())

    def __repr__(self) -> str:
        return "BackupKey(hidden)"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("what opens a backup cannot be pickled or copied")


def _check_work_factor(content: bytes) -> None:
    found = _WORK_FACTOR.match(content)
    if found is None or int(found[1]) > _MAX_WORK_FACTOR:
        raise InvalidInput(
            f"Expected a key file that a passphrase opens with a work factor of at most {_MAX_WORK_FACTOR}; found "
            "another one.",
            next_step="do not enter the passphrase if somebody else could change the file; take your other copy of it",
        )


def _decrypt_key_file(content: bytes, passphrase_text: str) -> bytes:
    try:
        return bytes(passphrase.decrypt(content, passphrase_text))
    except DecryptError:
        raise NotAuthentic(
            "The passphrase does not open this key file.", next_step="give the one that it was made with"
        ) from None
