"""Which Ed25519 public keys cannot stand for anybody: the points of small order.

Under such a key signatures verify that nobody made with a secret (all zeros is one, for every fourth message), and
OpenSSL takes them, as RFC 8032 lets it. A key that is to name a party is looked up here first. The list is the one of
libsodium (``ge25519_has_small_order``): every encoding, canonical or not, of the eight points, without the sign bit.
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
    """Whether anybody can sign under this public key (64 hexadecimal digits)."""
    encoding = bytearray.fromhex(public_key)
    encoding[-1] &= 0x7F
    return bytes(encoding) in _SMALL_ORDER
