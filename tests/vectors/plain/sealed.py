"""Sealed secrets: the key from a passphrase, a file, the environment or a token's HMAC, and the box itself."""

from __future__ import annotations

import base64
import hashlib
import hmac

from tests.vectors.plain.aes_gcm import open_box
from tests.vectors.plain.hkdf import hkdf


def derive(source: str, secret: bytes, salt: bytes) -> bytes:
    """The AES key. ``secret``: passphrase, file's bytes, base64 from the environment, or the token's key."""
    if source == "P":
        return hashlib.scrypt(secret, salt=salt, n=2**15, r=8, p=1, maxmem=2**26, dklen=32)
    if source == "F":
        return hkdf(secret, salt, b"shulab seal key file", 32)
    if source == "E":
        return hkdf(base64.b64decode(secret.strip()), salt, b"shulab seal key environment", 32)
    message = (1).to_bytes(4, "big") + b"shulab seal key " + b"\x00" + salt + (256).to_bytes(4, "big")
    return hmac.digest(secret, message, "sha256")


def open_sealed(sealed: bytes, secret: bytes, label: bytes) -> bytes:
    """The secret in a sealed box; raises ``ValueError``."""
    if sealed[:8] != b"SHSEAL1\n":
        raise ValueError("not a sealed box")
    source, salt, nonce = chr(sealed[8]), sealed[9:25], sealed[25:37]
    return open_box(derive(source, secret, salt), nonce, sealed[37:], sealed[:37] + label)
