"""Which segments may have an enterprise: a Bloom filter of the codes in each (Bloom 1970), small enough to read all.

A segment that the filter rules out has no row of the enterprise; of those that it admits, about one in a hundred has
none either. Layout: ``b"SHCODES1"`` | number of bits (8 bytes, little-endian, a multiple of 8) | the bits.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

_MAGIC = b"SHCODES1"
_HEAD = 16
_WRAP = 1 << 64
_BITS_PER_CODE = 10
_PROBES = 7
_SMALLEST = 64
_FIRST, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_MIX, _MIX_AGAIN = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
Words = npt.NDArray[np.uint64]


def make_code_filter(codes: pl.Series) -> bytes:
    """The filter of these codes, each once."""
    bits = max(_SMALLEST, -(-len(codes) * _BITS_PER_CODE // 8) * 8)
    marks = np.zeros(bits, dtype=np.uint8)
    for probe in _probes(codes, bits):
        marks[probe] = 1
    return _MAGIC + bits.to_bytes(8, "little") + np.packbits(marks, bitorder="little").tobytes()


@dataclass(frozen=True, slots=True)
class SoughtCode:
    """A code to look for in many filters: its two hashes, computed once."""

    first: int
    second: int

    @classmethod
    def of(cls, code: str) -> SoughtCode:
        """The hashes of a code."""
        first, second = _hashes(pl.Series([code]))
        return cls(int(first[0]), int(second[0]))

    def may_be_in_file(self, path: Path) -> bool:
        """``may_be_in`` of a file, of which a few bytes are read; raises ``ValueError``, ``OSError``."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            head = os.pread(descriptor, _HEAD, 0)
            bits = int.from_bytes(head[8:16], "little")
            if head[:8] != _MAGIC or bits % 8 or os.fstat(descriptor).st_size != _HEAD + bits // 8 or not bits:
                raise ValueError("not a filter of codes")
            places = ((self.first + number * self.second) % _WRAP % bits for number in range(_PROBES))
            return all(os.pread(descriptor, 1, _HEAD + place // 8)[0] >> (place % 8) & 1 for place in places)
        finally:
            os.close(descriptor)

    def may_be_in(self, content: bytes) -> bool:
        """Whether a segment with this filter may have the code; raises ``ValueError`` for bytes of another form."""
        bits = int.from_bytes(content[8:16], "little")
        if content[:8] != _MAGIC or bits % 8 or len(content) != _HEAD + bits // 8 or not bits:
            raise ValueError("not a filter of codes")
        places = ((self.first + number * self.second) % _WRAP % bits for number in range(_PROBES))
        return all(content[_HEAD + place // 8] >> (place % 8) & 1 for place in places)


def _probes(codes: pl.Series, bits: int) -> list[npt.NDArray[np.int64]]:
    """The places of each code's bits: double hashing (Kirsch and Mitzenmacher 2006)."""
    if not len(codes):
        return []
    first, second = _hashes(codes)
    size = np.uint64(bits)
    with np.errstate(over="ignore"):
        return [((first + np.uint64(number) * second) % size).astype(np.int64) for number in range(_PROBES)]


def _hashes(codes: pl.Series) -> tuple[Words, Words]:
    texts = np.array(codes.cast(pl.Binary).to_list(), dtype=np.bytes_)
    letters = texts.view(np.uint8).reshape(len(codes), -1).astype(np.uint64)
    return _hash(letters, _FIRST), _hash(letters, _SECOND) | np.uint64(1)


def _hash(letters: Words, factor: np.uint64) -> Words:
    """A 64-bit polynomial of each row, finished as in SplitMix64. Zeros at the end, as numpy pads texts, change
    nothing."""
    with np.errstate(over="ignore"):
        found, power = np.zeros(len(letters), dtype=np.uint64), factor
        for place in range(letters.shape[1]):
            found += letters[:, place] * power
            power = np.uint64(power * factor)
        found = (found ^ (found >> np.uint64(30))) * _MIX
        found = (found ^ (found >> np.uint64(27))) * _MIX_AGAIN
        return np.asarray(found ^ (found >> np.uint64(31)), dtype=np.uint64)
