"""A party: a named organisation and the public key that speaks for it."""

from __future__ import annotations

from pydantic import field_validator

from lab.terms.fields.field_types import FrozenDocument, Hex32, Name
from lab.terms.keys.fingerprint import key_fingerprint
from lab.terms.keys.small_order import is_forgeable


class Party(FrozenDocument):
    """A named organisation and its Ed25519 public key (32 bytes, hexadecimal)."""

    name: Name
    public_key: Hex32

    @field_validator("public_key")
    @classmethod
    def _check_key(cls, value: str) -> str:
        if is_forgeable(value):
            raise ValueError("anybody can sign under this key")
        return value

    @property
    def fingerprint(self) -> str:
        """The key's fingerprint, for reading aloud (``lab.terms.keys.fingerprint``)."""
        return key_fingerprint(self.public_key)
