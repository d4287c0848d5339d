"""Passwords: Argon2id hashes, rules for new ones, and one-time passwords.

Argon2id runs with the second recommended parameters of RFC 9106, section 4: 3 passes over 64 MiB in 4 lanes, 128 bits
of salt, 256 bits of hash. A hash contains its parameters, so that one with older parameters is replaced at the next
sign-in.
"""

from __future__ import annotations

import secrets
import unicodedata
from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from lab.terms.errors import InvalidInput

MIN_LENGTH, MAX_LENGTH = 12, 200
# Without 0, 1, i, l and o, which people confuse: 20 of 31 characters, 99 bits.
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
_ONE_TIME_GROUPS = (4, 5)


class Passwords:
    """Makes and checks hashes. Each call takes 64 MiB for some ten milliseconds: the service limits how many run."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)

    @cached_property
    def _dummy_hash(self) -> str:
        """The hash that passwords of unknown names are compared with, so that they cost the same work."""
        return self.hash(secrets.token_urlsafe(32))

    def hash(self, password: str) -> str:
        """The Argon2id hash of ``password`` under a fresh salt, with its parameters."""
        return self._hasher.hash(_bytes(_normal(password)))

    def verify(self, stored: str | None, password: str) -> bool:
        """Whether ``password`` matches the hash ``stored``; None costs the same work and matches nothing."""
        typed, dummy = _normal(password), self._dummy_hash  # computed at the first call, whatever the name
        # A longer text than any password costs no more to hash than the longest password.
        if len(typed) > MAX_LENGTH:
            stored, typed = None, typed[:MAX_LENGTH]
        try:
            return self._hasher.verify(stored or dummy, _bytes(typed)) and stored is not None
        except (VerificationError, InvalidHashError):
            return False

    def needs_rehash(self, stored: str) -> bool:
        """Whether ``stored`` has other parameters than those in use."""
        return self._hasher.check_needs_rehash(stored)


def make_one_time_password() -> str:
    """A random password of four groups, to be changed at the first sign-in."""
    groups, length = _ONE_TIME_GROUPS
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(length)) for _ in range(groups))


def check_new_password(password: str, *, account: str, old: str) -> None:
    """Raise ``InvalidInput`` unless ``password`` has the right length and differs from ``old`` and the account's
    name."""
    typed = _normal(password)
    fault = ""
    if not MIN_LENGTH <= len(typed) <= MAX_LENGTH:
        fault = f"Expected a new password of {MIN_LENGTH} to {MAX_LENGTH} characters; found {len(typed)}."
    elif typed == _normal(old):
        fault = "Expected a new password; found the old one."
    elif account.casefold() in typed.casefold() and len(typed) - len(account) < MIN_LENGTH:
        fault = "Expected a new password that is more than the account's name; found little else."
    if fault:
        raise InvalidInput(fault, next_step="choose another; four random words are easy to remember")


def _normal(password: str) -> str:
    """The same characters typed on another keyboard are the same password (NFC, as RFC 8265 section 4.2 has it)."""
    return unicodedata.normalize("NFC", password)


def _bytes(password: str) -> bytes:
    """The bytes to hash; a lone surrogate is encoded too, so that it fails like any other wrong password."""
    return password.encode("utf-8", "surrogatepass")
