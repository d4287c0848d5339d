"""HKDF with SHA-256 (RFC 5869)."""

from __future__ import annotations

import hmac


def hkdf(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """Extract and expand."""
    key = hmac.digest(salt or bytes(32), secret, "sha256")
    out, block, count = b"", b"", 0
    while len(out) < length:
        count += 1
        block = hmac.digest(key, block + info + bytes([count]), "sha256")
        out += block
    return out[:length]
