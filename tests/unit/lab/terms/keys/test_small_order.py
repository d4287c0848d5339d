"""Keys of small order: that the library takes signatures nobody made under them, and that they name nobody here."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import ValidationError

from lab.terms.consent import Consent
from lab.terms.contract.document import Purpose
from lab.terms.keys import small_order
from lab.terms.keys.party import Party

LISTED = sorted(encoding.hex() for encoding in small_order._SMALL_ORDER)
WEAK = [*LISTED, *(key[:-2] + f"{int(key[-2:], 16) | 0x80:02x}" for key in LISTED)]


def forged(key: str, messages: list[bytes]) -> tuple[bytes, bytes] | None:
    """A message and a signature made without any secret that the library accepts under the key."""
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
    except ValueError:
        return None
    for message in messages:
        for point in WEAK:
            signature = bytes.fromhex(point) + bytes(32)
            try:
                public.verify(signature, message)
            except InvalidSignature:
                continue
            return message, signature
    return None


@pytest.mark.parametrize("key", LISTED)
def test_a_listed_key_is_forgeable_indeed(key: str) -> None:
    canonical = key not in ("ed" + "ff" * 30 + "7f", "ee" + "ff" * 30 + "7f")
    found = forged(key, [bytes([number]) for number in range(40)])
    assert found is not None or not canonical  # a library may refuse an encoding that is not canonical
    assert small_order.is_forgeable(key)


@pytest.mark.property(
    "Small-order keys",
    claim="A key under which anybody can sign is refused as the key of a party.",
    topic="keys and people",
    code=["lab.terms.keys.small_order"],
)
@pytest.mark.parametrize("key", WEAK)
def test_nobody_is_named_by_such_a_key(key: str) -> None:
    with pytest.raises(ValidationError):
        Party(name="anybody", public_key=key)
    for code in range(20):
        consent = Consent(
            f"firm-{code}", "bank", Purpose.RESEARCH, datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
        )
        found = forged(key, [consent.signing_input()])
        if found:
            assert not consent.is_signed_by(key, found[1].hex())


def test_ordinary_keys_are_not_listed() -> None:
    for _ in range(50):
        assert not small_order.is_forgeable(Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex())
