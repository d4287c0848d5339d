"""Bech32 as in BIP 173, without the limit on length that age drops."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from lab.disk.backup.bech32 import decode_bech32, encode_bech32

VALID = ("A12UEL5L", "a12uel5l", "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw")
"""Vectors of BIP 173 whose data are whole bytes."""
INVALID = ("pzry9x0s0muk", "1pzry9x0s0muk", "x1b4n0q5v", "li1dgmt3", "A1G7SGD8", "10a06t8", "1qzzfhee", "A12uEL5L")


def test_the_vectors_of_bip_173() -> None:
    for text in VALID:
        name, data = decode_bech32(text)
        assert encode_bech32(name, data) == text.lower()
    for text in INVALID:
        with pytest.raises(ValueError, match=r"."):
            decode_bech32(text)


@given(some.binary(max_size=64))
def test_what_is_encoded_is_decoded_and_one_changed_digit_is_not(data: bytes) -> None:
    text = encode_bech32("age", data)
    assert decode_bech32(text) == ("age", data) == decode_bech32(text.upper())
    place = len(text) // 2 + 2
    changed = text[:place] + ("q" if text[place] != "q" else "p") + text[place + 1 :]
    with pytest.raises(ValueError, match=r"."):
        decode_bech32(changed)
