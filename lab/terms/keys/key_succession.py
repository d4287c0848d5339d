"""A bank's statement that its next key replaces its old one, signed by both keys.

The old key's signature shows who hands over; the new key's shows that its holder agrees, so nobody can claim another's
key. Both keys sign the RFC 8785 form of the statement with Ed25519 (RFC 8032), after a domain of its own.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Final, Literal

import rfc8785
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from lab.terms.errors import InvalidInput
from lab.terms.fields.field_types import Hex32, Hex64
from lab.terms.keys.signature import verify_signature

SCHEMA: Final = "shulab-succession/1"
_DOMAIN = b"shulab succession v1\x00"
_BYTES = 4096


class KeySuccession(BaseModel):
    """Which bank replaces which key by which, and when. ``bureau``: the bureau's key; ``bank``: the bank's id there."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    schema_: Annotated[Literal["shulab-succession/1"], Field(alias="schema")] = SCHEMA
    bureau: Hex32
    bank: Annotated[str, Field(pattern=r"^b-[0-9a-f]{12}$")]
    old_key: Hex32
    new_key: Hex32
    time: AwareDatetime

    def signing_input(self) -> bytes:
        """The bytes that both keys sign."""
        return _DOMAIN + rfc8785.dumps(self.model_dump(mode="json", by_alias=True))

    @property
    def sha256(self) -> str:
        """The SHA-256 of the signed bytes, hexadecimal."""
        return hashlib.sha256(self.signing_input()).hexdigest()


class SignedKeySuccession(BaseModel):
    """The statement and its two signatures."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    statement: KeySuccession
    old_signature: Hex64
    new_signature: Hex64

    def verify(self) -> None:
        """Raise ``NotAuthentic`` unless both signatures verify, ``InvalidInput`` if both keys are one."""
        if self.statement.old_key == self.statement.new_key:
            raise InvalidInput("Expected two different keys; found one.", next_step="run `lab bank rotate-key` again")
        message = self.statement.signing_input()
        verify_signature(self.statement.old_key, self.old_signature, message, what="the old key's signature")
        verify_signature(self.statement.new_key, self.new_signature, message, what="the new key's signature")


def parse_key_succession(data: bytes) -> SignedKeySuccession:
    """Read a signed statement; raises ``InvalidInput``, naming no value."""
    try:
        if len(data) > _BYTES:
            raise ValueError
        return SignedKeySuccession.model_validate_json(data)
    except (ValidationError, ValueError, RecursionError):
        raise InvalidInput(
            "Expected a statement of key succession with two signatures; found something else.",
            next_step="make it with `lab bank rotate-key`",
        ) from None
