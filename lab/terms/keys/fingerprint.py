"""Fingerprints of public keys: what two people compare over another channel before one trusts the other's key.

A fingerprint is the first 128 bits of SHA-256 over a domain and the key's 32 bytes, as 32 hexadecimal digits in eight
groups of four. Whoever wants another key with the fingerprint of a given one has 2^128 keys to try (a second preimage);
two keys of one fingerprint, made by the same person, are found in 2^64 tries and fool nobody else.

What was told is compared whole. A person types it: nothing here shows the fingerprint that is wanted.
"""

from __future__ import annotations

import hashlib
import hmac
import re

from lab.terms.errors import NotAuthentic

FINGERPRINT_DIGITS, GROUP_DIGITS = 32, 4
_DOMAIN = b"shulab key fingerprint v1\x00"
_BETWEEN = re.compile(r"[\s:\-\u2010-\u2015\u2212]+")
_WHOLE = re.compile(rf"[0-9a-f]{{{FINGERPRINT_DIGITS}}}")
_FORMER_DIGITS = 16


def key_fingerprint(public_key: str) -> str:
    """The fingerprint of an Ed25519 public key of 64 hexadecimal digits."""
    return _grouped(hashlib.sha256(_DOMAIN + bytes.fromhex(public_key)).hexdigest()[:FINGERPRINT_DIGITS])


def legacy_fingerprint(public_key: str) -> str:
    """What fingerprints were before, 64 bits: for finding what was filed under them, and for nothing else."""
    return _grouped(hashlib.sha256(bytes.fromhex(public_key)).hexdigest()[:_FORMER_DIGITS])


def check_fingerprint(told: str, public_key: str, *, whose: str) -> None:
    """Raise ``NotAuthentic`` unless ``told``, as somebody read it out or typed it, is this key's fingerprint, whole.

    Spaces, hyphens and colons do not count, nor does the case of letters.
    """
    plain = _BETWEEN.sub("", told).lower()
    if not _WHOLE.fullmatch(plain):
        raise NotAuthentic(
            f"Wanted the whole fingerprint of {whose}'s key, {FINGERPRINT_DIGITS} hexadecimal digits; found "
            "another form.",
            next_step=f"have it read out again from end to end; those of {_FORMER_DIGITS} digits are of before",
        )
    if not hmac.compare_digest(plain, key_fingerprint(public_key).replace("-", "")):
        raise NotAuthentic(
            f"The fingerprint told is not that of the key found here, which is said to be {whose}'s.",
            next_step=f"call {whose} at a number you know; do not trust this key",
        )


def _grouped(digits: str) -> str:
    return "-".join(digits[start : start + GROUP_DIGITS] for start in range(0, len(digits), GROUP_DIGITS))
