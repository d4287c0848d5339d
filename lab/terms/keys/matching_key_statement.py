"""A bureau's signed statement of a matching key: its contract, operation, engine and epoch, and its public key.

The bureau's Ed25519 key (RFC 8032), which contracts name, signs ``"shulab matching key statement v1" 0x00`` and the RFC
8785 (JSON Canonicalization Scheme) form of the object from ``as_dict``. A contract, operation, engine and epoch have
one key for the whole epoch. Two statements with different keys are a contradiction that the bureau signed, and anybody
can show it. The register's size may differ, because registers grow.
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
    """A statement without its signature. ``public_key``: P = s·B in the engine's encoding, hexadecimal.
    ``register_entries``: the register's size at that time, rounded up to two digits; 0 if the contract requires
    consent."""

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
        """Raise ``NotAuthentic`` unless ``signature`` is the bureau's on this statement; both arguments hexadecimal."""
        verify_signature(bureau_key, signature, self.signing_input(), what="the bureau's statement of its matching key")
