"""Vectors of sealed secrets, one for each source of a key."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

from lab.terms.keys.sealing import SealKey, seal

PASSPHRASE, CONTENT, TOKEN = "正确的 horse battery", bytes(range(40)), bytes(range(32, 64))
LABEL, SECRET = b"matching key 1", hashlib.sha256(b"shulab vectors: a secret").digest() + b"tail"


def keys() -> dict[str, tuple[bytes, SealKey]]:
    """For each source, what opens it and the key made of that."""
    variable = base64.b64encode(CONTENT).decode()
    return {
        "P": (PASSPHRASE.encode(), SealKey.from_passphrase(PASSPHRASE)),
        "F": (CONTENT, SealKey.from_file_bytes(CONTENT)),
        "E": (variable.encode(), SealKey.from_environment(variable)),
        "T": (TOKEN, SealKey.from_token(lambda message: hmac.digest(TOKEN, message, "sha256"))),
    }


def sealed() -> dict[str, Any]:
    """One secret, sealed in every way."""
    return {
        "label": LABEL.hex(),
        "secret": SECRET.hex(),
        "boxes": [
            {"source": source, "key": key.hex(), "sealed": seal(SECRET, sealing, LABEL).hex()}
            for source, (key, sealing) in keys().items()
        ],
    }
