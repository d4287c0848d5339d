"""What a bureau states, signed, of a matching key: for which contract, operation, engine and epoch, and its public key.

Signed is ``"shulab matching key statement v1" 0x00`` and the RFC 8785 (JSON Canonicalization Scheme) form of the
object that ``as_dict`` gives, with the bureau's Ed25519 key (RFC 8032), which contracts name. There is one key for a
contract, operation, engine and epoch, for the epoch's whole life; two statements of different keys are a contradiction
that the bureau has signed, whoever holds them. The size may differ: registers grow.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import rfc8785

from lab.terms.keys.signature import verify_signature

SCHEMA = "shulab-matching-key/1"
_DOMAIN = b"shulab matching key statement v1\x00"


@dataclass(frozen=True, slots=True)
class MatchingKeyStatement:
    """A statement without its signature. ``public_key``: P = s·B in the engine's encoding, hexadecimal;
    ``register_entries``: the register's size when it was stated, rounded up to two digits; 0 where the contract
    requires consent."""

    contract: str
    operation: str
    engine: str
    epoch: int
    public_key: str
    register_entries: int

    def as_dict(self) -> dict[str, Any]:
        """The object that is signed."""
        return {"schema": SCHEMA, **asdict(self)}

    def signing_input(self) -> bytes:
        """The bytes that are signed."""
        return _DOMAIN + rfc8785.dumps(self.as_dict())

    def verify(self, bureau_key: str, signature: str) -> None:
        """Raises ``NotAuthentic`` unless ``signature`` (hexadecimal) is this statement's under the bureau's key."""
        verify_signature(bureau_key, signature, self.signing_input(), what="the bureau's statement of its matching key")
