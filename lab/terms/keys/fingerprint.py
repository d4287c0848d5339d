"""Fingerprints of public keys, which two people compare over another channel before one trusts the other's key.

A fingerprint is the first 128 bits of SHA-256 over a domain and the key's 32 bytes, as 32 hexadecimal digits in eight
groups of four. Another key with a given fingerprint is a second preimage and takes about 2^128 tries. One person can
find two keys with the same fingerprint in 2^64 tries, which deceives nobody else.

A fingerprint is compared whole. A person types it in: nothing here shows the expected one.
"""

from __future__ import annotations

import hashlib
import hmac
import re

from lab.terms.errors import NotAuthentic

FINGERPRINT_DIGITS, GROUP_DIGITS = 32, 4
_DOMAIN = b"shulab key fingerprint v1\x00"
_SEPARATORS = re.compile(r"[\s:\-\u2010-\u2015\u2212]+")
_WHOLE = re.compile(rf"[0-9a-f]{{{FINGERPRINT_DIGITS}}}")
_FORMER_DIGITS = 16


def key_fingerprint(public_key: str) -> str:
    """The fingerprint of an Ed25519 public key of 64 hexadecimal digits."""
    return _grouped(hashlib.sha256(_DOMAIN + bytes.fromhex(public_key)).hexdigest()[:FINGERPRINT_DIGITS])


def legacy_fingerprint(public_key: str) -> str:
    """The earlier fingerprint of 64 bits, only to find files named by it."""
    return _grouped(hashlib.sha256(bytes.fromhex(public_key)).hexdigest()[:_FORMER_DIGITS])


def check_fingerprint(given: str, public_key: str, *, whose: str) -> None:
    """Raise ``NotAuthentic`` unless ``given``, as somebody typed it, is this key's whole fingerprint.

    Spaces, hyphens, colons and the case of letters do not matter.
    """
    plain = _SEPARATORS.sub("", given).lower()
    if not _WHOLE.fullmatch(plain):
        raise NotAuthentic(
            f"Expected the whole fingerprint of {whose}'s key, {FINGERPRINT_DIGITS} hexadecimal digits; found "
            "another form.",
            next_step=f"have it read out again from end to end; fingerprints of {_FORMER_DIGITS} digits are out of use",
        )
    if not hmac.compare_digest(plain, key_fingerprint(public_key).replace("-", "")):
        raise NotAuthentic(
            f"The fingerprint given is not that of the key found here, which claims to be {whose}'s.",
            next_step=f"call {whose} at a number you know; do not trust this key",
        )


def _grouped(digits: str) -> str:
    return "-".join(digits[start : start + GROUP_DIGITS] for start in range(0, len(digits), GROUP_DIGITS))
