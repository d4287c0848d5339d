"""Unified social credit codes made by the rules of the standards, written out a second time for the tests."""

from __future__ import annotations

import string
from collections.abc import Sequence

from hypothesis import strategies as st

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""GB 32100-2015: the digits and the letters without I, O, S, V, Z."""
_CATEGORIES = {
    "1": "1239", "2": "19", "3": "123459", "4": "19", "5": "1239", "6": "129",
    "7": "129", "8": "19", "9": "123", "A": "19", "N": "1239", "Y": "1",
}  # fmt: skip
PAIRS = tuple(department + category for department, listed in _CATEGORIES.items() for category in listed)
"""Department and category: the pairs that the standard lists."""
LETTERED = "N2110101MF00000012"
"""Of a rural collective, with a right check character, and an organisation code whose own check digit is wrong."""


def organisation_code(body: str) -> str:
    """GB 11714-1997: the body of 8 characters and its check digit."""
    total = sum(weight * int(one, 36) for weight, one in zip((3, 7, 9, 10, 5, 8, 4, 2), body, strict=True))
    return body + "0123456789X"[-total % 11]


def check_character(body: str) -> str:
    """GB 32100-2015, 4.7: weights are the powers of 3 modulo 31."""
    return ALPHABET[-sum(pow(3, place, 31) * ALPHABET.index(one) for place, one in enumerate(body)) % 31]


def with_checks(pair: str, division: str, body: str) -> str:
    """The code of a pair of 2 characters, a division of 6 digits and an organisation's body of 8 characters."""
    code = pair + division + organisation_code(body)
    return code + check_character(code)


def credit_codes(pairs: Sequence[str] = PAIRS) -> st.SearchStrategy[str]:
    """Codes with both check characters right, of listed ``pairs`` unless others are given."""
    division = st.text(string.digits, min_size=6, max_size=6)
    body = st.text(ALPHABET, min_size=8, max_size=8)
    return st.builds(with_checks, st.sampled_from(pairs), division, body)
