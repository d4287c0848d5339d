"""The one check of Ed25519 signatures (RFC 8032) on documents."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from lab.terms.errors import NotAuthentic
from lab.terms.keys.small_order import is_forgeable


def verify_signature(public_key: str, signature: str, message: bytes, *, what: str) -> None:
    """Verify an Ed25519 signature (hexadecimal) under ``public_key`` (hexadecimal); raises ``NotAuthentic``."""
    try:
        if is_forgeable(public_key):
            raise InvalidSignature
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        raise NotAuthentic(
            f"Expected {what} to verify; it does not.", next_step="check that both parties hold the same document"
        ) from None
