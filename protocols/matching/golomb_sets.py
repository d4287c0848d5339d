"""The set of a register's marks: buckets, positions in them, and a coding close to the least number of bits.

A mark falls into one of B buckets and onto one of M·2^40 positions in it. B·M is at least the number of entries, so a
mark outside the set meets one of the set with a chance of at most 2^-40. The sorted positions of a bucket are written
as gaps in Golomb-Rice code (Golomb 1966; Putze, Sanders, Singler 2009, "Golomb-compressed sequences"): about 41.55 bits
for each entry, where 41.44 is the least for that chance. Buckets of about 65,536 entries bound the memory of both
sides, are the unit of a resumed download, and keep the changes of a day few.

A bucket is a multiset: two entries at one position count twice, so removing one leaves the other.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FALSE_POSITIVE_BITS = 40
"""A look-up is falsely positive with a chance of at most 2^-40."""
MIN_BITS_PER_ENTRY = 41.5
"""Bits for each entry that a Golomb-coded set needs at that chance: 40 + log2(e), rounded up."""
BUCKET_ENTRIES = 65_536
MAX_BUCKETS = 32_768
MAX_SLOTS = 2 * BUCKET_ENTRIES
_HEAD = struct.Struct("<BII")  # Rice parameter, entries, bytes of the unary part
_MOST = 4 * MAX_SLOTS
_ROOM = 64  # a set-up has room for 1/64 more entries, so that tomorrow's register has the same geometry


class MalformedGolombSet(ValueError):
    """Bytes that are not a coded bucket. The message names the rule, never the content."""


@dataclass(frozen=True, slots=True)
class BucketGeometry:
    """``buckets`` B, and ``slots`` M for each: positions are below M·2^40. Raises ``ValueError`` beyond the bounds."""

    buckets: int
    slots: int

    def __post_init__(self) -> None:
        if not (1 <= self.buckets <= MAX_BUCKETS and 1 <= self.slots <= MAX_SLOTS):
            raise ValueError(
                f"wanted 1 to {MAX_BUCKETS} buckets and 1 to {MAX_SLOTS} slots; found {self.buckets} and {self.slots}"
            )

    @classmethod
    def for_entries(cls, entries: int, kept: BucketGeometry | None = None) -> BucketGeometry:
        """The geometry for ``entries``; or ``kept``, the geometry of the version before, if it still fits."""
        if kept is not None and kept.fits_entries(entries):
            return kept
        buckets = max(-(-entries // BUCKET_ENTRIES), 1)
        return cls(buckets, max(-(-(entries + entries // _ROOM) // buckets), 1))

    @property
    def capacity(self) -> int:
        """The most entries at a false positive rate of 2^-40."""
        return self.buckets * self.slots

    def fits_entries(self, entries: int) -> bool:
        """Whether so many entries keep the false positive rate and waste at most half a bit each."""
        return 3 * self.capacity <= 4 * max(entries, 1) <= 4 * self.capacity

    def false_positive_rate(self, entries: int) -> float:
        """The chance that one look-up is falsely positive."""
        return entries / self.capacity / 2.0**FALSE_POSITIVE_BITS


def locate_marks(geometry: BucketGeometry, marks: NDArray[np.uint8]) -> tuple[NDArray[np.uint32], NDArray[np.uint64]]:
    """The bucket, uint32 [n], and the position in it, uint64 [n], of each mark, uint8 [n, 16].

    Multiplication maps uniform words to a range (Lemire 2019). The words are the mark's big-endian halves.
    """
    words = np.ascontiguousarray(marks).view(">u4").reshape(-1, 4).astype(np.uint64)
    thirty_two, slots = np.uint64(32), np.uint64(geometry.slots)
    buckets = (words[:, 0] * np.uint64(geometry.buckets)) >> thirty_two
    # floor(w · M · 2^40 / 2^64) for the 64-bit word w = 2^32·high + low, within 64 bits.
    positions = ((words[:, 2] * slots) << np.uint64(8)) + ((words[:, 3] * slots) >> np.uint64(24))
    return buckets.astype(np.uint32), positions


def encode_golomb(values: NDArray[np.uint64]) -> bytes:
    """Sorted values below 2^62 in Golomb-Rice code, with the best parameter for them; no values give no bytes."""
    count = len(values)
    if not count:
        return b""
    gaps = np.diff(values, prepend=np.uint64(0))
    mean = max(int(values[-1]) // count, 1)
    parameter = min(range(max(mean.bit_length() - 2, 0), mean.bit_length() + 1), key=lambda k: _coded_bits(gaps, k))
    quotients = gaps >> np.uint64(parameter)
    ends = np.cumsum(quotients.astype(np.int64) + 1)
    unary = np.zeros(int(ends[-1]), dtype=np.uint8)
    unary[ends - 1] = 1
    bits = np.unpackbits(gaps.astype(">u8").view(np.uint8).reshape(count, 8), axis=1)[:, 64 - parameter :]
    head = np.packbits(unary).tobytes()
    return _HEAD.pack(parameter, count, len(head)) + head + np.packbits(bits.reshape(-1)).tobytes()


def count_encoded(coded: bytes) -> int:
    """How many values a coded set claims to hold; ``decode_golomb`` checks it. Raises ``MalformedGolombSet``."""
    return _read_head(coded)[1] if coded else 0


def decode_golomb(coded: bytes, below: int) -> NDArray[np.uint64]:
    """The sorted values of a coded set, all below ``below`` (at most 2^62); raises ``MalformedGolombSet``."""
    if not coded:
        return np.zeros(0, dtype=np.uint64)
    parameter, count, length = _read_head(coded)
    rest = len(coded) - _HEAD.size - length
    if parameter > 61 or not 1 <= count <= _MOST or rest != -(-count * parameter // 8) or length < 1:
        raise MalformedGolombSet("a coded set's lengths do not fit each other")
    quotients = _read_quotients(np.frombuffer(coded, dtype=np.uint8, count=length, offset=_HEAD.size), count)
    packed = np.frombuffer(coded, dtype=np.uint8, count=rest, offset=_HEAD.size + length)
    remainders = _read_remainders(packed, count, parameter)
    # Sums are bounded before they are taken, so no 64-bit word overflows unnoticed.
    if int(quotients.sum()) > below >> parameter or float(remainders.sum(dtype=np.float64)) > 2.0**63:
        raise MalformedGolombSet("a coded set's values are beyond its range")
    values = np.cumsum((quotients << np.uint64(parameter)) + remainders, dtype=np.uint64)
    if int(values[-1]) >= below:
        raise MalformedGolombSet("a coded set's values are beyond its range")
    return values


def multiset_difference(
    old: NDArray[np.uint64], new: NDArray[np.uint64]
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """The values to add to and to remove from sorted ``old`` to make sorted ``new``, as sorted multisets."""
    values = np.union1d(old, new)
    more = _multiplicities(new, values) - _multiplicities(old, values)
    return np.repeat(values, np.maximum(more, 0)), np.repeat(values, np.maximum(-more, 0))


def apply_difference(
    old: NDArray[np.uint64], added: NDArray[np.uint64], removed: NDArray[np.uint64]
) -> NDArray[np.uint64]:
    """Sorted ``old`` with ``added`` and without ``removed``, as multisets.

    Raises ``MalformedGolombSet`` if a value to remove is absent.
    """
    values = np.union1d(old, added)
    left = _multiplicities(old, values) + _multiplicities(added, values)
    if not np.isin(removed, values).all():
        raise MalformedGolombSet("a delta removes what is not there")
    left -= _multiplicities(removed, values)
    if (left < 0).any():
        raise MalformedGolombSet("a delta removes what is not there")
    return np.repeat(values, left)


def _read_head(coded: bytes) -> tuple[int, int, int]:
    """Rice parameter, number of values, and bytes of the unary part."""
    if len(coded) < _HEAD.size:
        raise MalformedGolombSet("a coded set has a head")
    parameter, count, length = _HEAD.unpack_from(coded)
    return parameter, count, length


def _read_quotients(unary: NDArray[np.uint8], count: int) -> NDArray[np.uint64]:
    ends = np.flatnonzero(np.unpackbits(unary))
    if len(ends) != count or ends[-1] < 8 * (len(unary) - 1):
        raise MalformedGolombSet("a coded set's quotients do not fit its entries")
    return np.asarray(np.diff(ends, prepend=-1).astype(np.uint64) - np.uint64(1))


def _read_remainders(packed: NDArray[np.uint8], count: int, parameter: int) -> NDArray[np.uint64]:
    bits = np.unpackbits(packed)
    if bits[count * parameter :].any():
        raise MalformedGolombSet("a coded set's last bits are not zero")
    padded = np.zeros((count, 64), dtype=np.uint8)
    padded[:, 64 - parameter :] = bits[: count * parameter].reshape(count, parameter)
    return np.packbits(padded, axis=1).view(">u8").reshape(count).astype(np.uint64)


def _multiplicities(within: NDArray[np.uint64], values: NDArray[np.uint64]) -> NDArray[np.int64]:
    """How often each of ``values`` is in sorted ``within``, int64 [n]."""
    return np.searchsorted(within, values, side="right") - np.searchsorted(within, values, side="left")


def _coded_bits(gaps: NDArray[np.uint64], parameter: int) -> int:
    """The length of the code of ``gaps`` in bits."""
    return len(gaps) * (parameter + 1) + int((gaps >> np.uint64(parameter)).sum())
