"""Signing keys of the vectors: secrets that everybody knows."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

BUREAU_SECRET, BANK_SECRET, NEXT_SECRET = bytes([1]) * 32, bytes([2]) * 32, bytes([3]) * 32


class Key:
    """A signer made from a published secret."""

    def __init__(self, secret: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(secret)
        self.public_key_hex = self._private.public_key().public_bytes_raw().hex()

    def sign(self, message: bytes) -> bytes:
        """The Ed25519 signature, 64 bytes."""
        return self._private.sign(message)


BUREAU, BANK, NEXT = Key(BUREAU_SECRET), Key(BANK_SECRET), Key(NEXT_SECRET)
