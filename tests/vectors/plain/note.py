"""Signed notes, checkpoints and cosignatures (C2SP signed-note, tlog-checkpoint, tlog-cosignature)."""

from __future__ import annotations

import base64
import hashlib

from tests.vectors.plain import ed25519


def origin(bureau_key: bytes) -> str:
    """The origin of the ledger of the bureau with this public key."""
    return f"shulab/ledger/{hashlib.sha256(bureau_key).hexdigest()}"


def checkpoint(name: str, size: int, root: bytes) -> str:
    """The text that is signed: origin, size and root, a line each."""
    return f"{name}\n{size}\n{base64.b64encode(root).decode()}\n"


def key_id(name: str, kind: int, public_key: bytes) -> bytes:
    """Four bytes by which a signature line names its key; kind 1 signs text, kind 4 cosigns."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public_key).digest()[:4]


def sign(secret: bytes, name: str, text: str) -> str:
    """The signature line of a log."""
    return _line(name, key_id(name, 1, ed25519.public_key(secret)) + ed25519.sign(secret, text.encode()))


def cosign(secret: bytes, name: str, text: str, seconds: int) -> str:
    """The signature line of a witness that saw the checkpoint at this time."""
    message = f"cosignature/v1\ntime {seconds}\n{text}".encode()
    told = key_id(name, 4, ed25519.public_key(secret)) + seconds.to_bytes(8, "big")
    return _line(name, told + ed25519.sign(secret, message))


def _line(name: str, content: bytes) -> str:
    return f"\u2014 {name} {base64.b64encode(content).decode()}\n"
