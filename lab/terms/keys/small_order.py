"""Ed25519 public keys of small order, under which anybody can forge signatures.

Under such a key, signatures verify that were made without a secret: for one message in four, a signature of zeros does.
OpenSSL accepts these keys, as RFC 8032 allows. So every key of a party is looked up here first. The list is that of
libsodium (``ge25519_has_small_order``): all encodings, canonical or not, of the eight points, without the sign bit.
"""

from __future__ import annotations

_SMALL_ORDER = frozenset(
    bytes.fromhex(encoding)
    for encoding in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
)


def is_forgeable(public_key: str) -> bool:
    """Whether anybody can forge signatures under this public key (64 hexadecimal digits)."""
    encoding = bytearray.fromhex(public_key)
    encoding[-1] &= 0x7F
    return bytes(encoding) in _SMALL_ORDER
