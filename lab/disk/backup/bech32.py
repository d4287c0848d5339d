"""Bech32 (BIP 173), the text form of age's keys: a name, the digit 1, and data in base 32 with six digits of checksum.

Keys are longer than Bitcoin's addresses, so age drops the limit of 90 characters; everything else is as in BIP 173.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_DIGITS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CHECKSUM_DIGITS = 6


def encode_bech32(name: str, data: bytes) -> str:
    """``data`` under a lower-case ``name``, in lower case."""
    digits = _regroup(data, 8, 5, pad=True)
    folded = _checksum([*_expand(name), *digits, *[0] * _CHECKSUM_DIGITS]) ^ 1
    check = [(folded >> 5 * (_CHECKSUM_DIGITS - 1 - place)) & 31 for place in range(_CHECKSUM_DIGITS)]
    return name + "1" + "".join(_DIGITS[digit] for digit in (*digits, *check))


def decode_bech32(text: str) -> tuple[str, bytes]:
    """The name in lower case, and the data; raises ``ValueError`` for text that ``encode_bech32`` does not make, in
    lower or upper case throughout."""
    lower = text.lower()
    if text not in (lower, text.upper()):
        raise ValueError("mixed case")
    name, separator, rest = lower.rpartition("1")
    if not name or not separator or len(rest) < _CHECKSUM_DIGITS:
        raise ValueError("no name, or no checksum")
    if any(not 33 <= ord(character) <= 126 for character in name):
        raise ValueError("a name of other characters")
    digits = [_DIGITS.index(character) for character in rest]  # raises ValueError for another character
    if _checksum([*_expand(name), *digits]) != 1:
        raise ValueError("wrong checksum")
    return name, bytes(_regroup(digits[:-_CHECKSUM_DIGITS], 5, 8, pad=False))


def _expand(name: str) -> list[int]:
    return [*(ord(one) >> 5 for one in name), 0, *(ord(one) & 31 for one in name)]


def _checksum(values: Iterable[int]) -> int:
    folded = 1
    for value in values:
        top = folded >> 25
        folded = (folded & 0x1FFFFFF) << 5 ^ value
        for place, word in enumerate(_GENERATOR):
            folded ^= word if top >> place & 1 else 0
    return folded


def _regroup(values: Sequence[int] | bytes, width: int, wanted: int, *, pad: bool) -> list[int]:
    """Values of ``width`` bits as values of ``wanted`` bits; without ``pad``, left-over bits must be few and zero."""
    held, bits, made = 0, 0, []
    for value in values:
        held, bits = held << width | value, bits + width
        while bits >= wanted:
            bits -= wanted
            made.append(held >> bits & (1 << wanted) - 1)
        held &= (1 << bits) - 1
    if pad and bits:
        made.append(held << wanted - bits)
    elif not pad and (bits >= width or held):
        raise ValueError("left-over bits")
    return made
