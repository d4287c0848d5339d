"""Sets of marks: positions against plain arithmetic, encoding and decoding, deltas, and refusal of other bytes."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from protocols.matching.golomb_sets import (
    MAX_BUCKETS,
    MAX_SLOTS,
    MIN_BITS_PER_ENTRY,
    BucketGeometry,
    MalformedGolombSet,
    apply_difference,
    decode_golomb,
    encode_golomb,
    locate_marks,
    multiset_difference,
)

VALUES = st.lists(st.integers(min_value=0, max_value=2**57 - 1), max_size=200).map(sorted)
FEW = st.lists(st.integers(min_value=0, max_value=12), max_size=30).map(sorted)


def array(values: list[int]) -> NDArray[np.uint64]:
    return np.array(values, dtype=np.uint64)


def marks(count: int) -> NDArray[np.uint8]:
    joined = b"".join(hashlib.sha256(str(i).encode()).digest()[:16] for i in range(count))
    return np.frombuffer(joined, dtype=np.uint8).reshape(count, 16)


@settings(max_examples=300, deadline=None)
@given(st.binary(min_size=16, max_size=16), st.integers(1, MAX_BUCKETS), st.integers(1, MAX_SLOTS))
def test_positions_agree_with_plain_arithmetic(mark: bytes, buckets: int, slots: int) -> None:
    bucket, value = locate_marks(BucketGeometry(buckets, slots), np.frombuffer(mark, dtype=np.uint8).reshape(1, 16))
    assert int(bucket[0]) == int.from_bytes(mark[:4], "big") * buckets >> 32
    assert int(value[0]) == int.from_bytes(mark[8:], "big") * (slots << 40) >> 64
    assert int(value[0]) < slots << 40


@settings(max_examples=200, deadline=None)
@given(VALUES)
def test_decoding_gives_the_encoded_values(values: list[int]) -> None:
    assert decode_golomb(encode_golomb(array(values)), 2**57).tolist() == values


def test_extreme_values_are_decoded() -> None:
    for values in ([0], [0, 0, 0], [2**57 - 1], [0] * 1000 + [2**57 - 1] * 1000, list(range(5000))):
        assert decode_golomb(encode_golomb(array(values)), 2**57).tolist() == values


def test_a_register_takes_nearly_the_least_number_of_bits() -> None:
    entries = 200_000
    geometry = BucketGeometry.for_entries(entries)
    buckets, places = locate_marks(geometry, marks(entries))
    coded = sum(len(encode_golomb(np.sort(places[buckets == b]))) for b in range(geometry.buckets))
    assert 41.44 < 8 * coded / entries < MIN_BITS_PER_ENTRY + 0.1
    assert geometry.false_positive_rate(entries) <= 2.0**-40


def test_marks_spread_evenly() -> None:
    geometry = BucketGeometry(buckets=4, slots=1000)
    buckets, places = locate_marks(geometry, marks(40_000))
    assert np.abs(np.bincount(buckets, minlength=4) - 10_000).max() < 500
    assert np.abs(np.bincount((places >> np.uint64(40)).astype(int) // 250, minlength=4) - 10_000).max() < 500


@settings(max_examples=200, deadline=None)
@given(FEW, FEW)
def test_a_delta_turns_one_multiset_into_the_other(old: list[int], new: list[int]) -> None:
    added, removed = multiset_difference(array(old), array(new))
    assert apply_difference(array(old), added, removed).tolist() == new
    assert not set(added.tolist()) & set(removed.tolist())


def test_a_delta_that_removes_an_absent_value_is_refused() -> None:
    for old, removed in (([1, 2], [3]), ([1, 2], [2, 2]), ([], [0])):
        with pytest.raises(MalformedGolombSet):
            apply_difference(array(old), array([]), array(removed))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=120))
def test_arbitrary_bytes_raise_nothing_else(coded: bytes) -> None:
    try:
        values = decode_golomb(coded, 2**57)
    except MalformedGolombSet:
        return
    assert (np.diff(values.astype(np.int64)) >= 0).all() and (values < 2**57).all()


@settings(max_examples=300, deadline=None)
@given(VALUES.filter(bool), st.data())
def test_a_changed_byte_is_refused_or_stays_in_range(values: list[int], data: st.DataObject) -> None:
    coded = bytearray(encode_golomb(array(values)))
    coded[data.draw(st.integers(0, len(coded) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = decode_golomb(bytes(coded), 2**57)
    except MalformedGolombSet:
        return
    assert (found < 2**57).all() and (np.diff(found.astype(np.int64)) >= 0).all()


@pytest.mark.parametrize(
    "coded",
    [
        b"\x00",
        b"\x3e" + (1).to_bytes(4, "little") + (1).to_bytes(4, "little") + b"\x80" + bytes(8),  # parameter 62
        b"\x08" + (0).to_bytes(4, "little") + (1).to_bytes(4, "little") + b"\x00",  # no entries
        b"\x08" + (2**31).to_bytes(4, "little") + (1).to_bytes(4, "little") + b"\x80",  # more than the bytes hold
        b"\x08" + (1).to_bytes(4, "little") + (2).to_bytes(4, "little") + b"\x80\x00" + b"\x01",  # unary goes on
        b"\x04" + (1).to_bytes(4, "little") + (1).to_bytes(4, "little") + b"\x80" + b"\x11",  # last bits set
    ],
)
def test_lengths_that_do_not_fit_are_refused(coded: bytes) -> None:
    with pytest.raises(MalformedGolombSet):
        decode_golomb(coded, 2**57)


def test_values_beyond_the_range_are_refused() -> None:
    coded = encode_golomb(array([5, 100]))
    assert decode_golomb(coded, 101).tolist() == [5, 100]
    with pytest.raises(MalformedGolombSet):
        decode_golomb(coded, 100)


def test_a_geometry_is_kept_while_it_fits() -> None:
    first = BucketGeometry.for_entries(1_000_000)
    assert BucketGeometry.for_entries(1_010_000, first) == first == BucketGeometry.for_entries(800_000, first)
    assert BucketGeometry.for_entries(1_100_000, first) != first and BucketGeometry.for_entries(400_000, first) != first
    for entries in (0, 1, 2, 65_536, 65_537, 6_700_000, 420_000_000):
        geometry = BucketGeometry.for_entries(entries)
        assert (
            entries <= geometry.capacity
            and geometry.false_positive_rate(entries) <= 2.0**-40
            and geometry.fits_entries(entries)
        )
