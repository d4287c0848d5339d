"""Residues as bytes, against plain integers; seeds and what they expand to, against plain AES and hashing."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import tenseal.sealapi as seal
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from protocols.scoring import messages, packing
from protocols.scoring.parameters import PARAMETERS, SEED_BYTES, ParameterSet
from protocols.scoring.rlwe import seed_expansion
from protocols.scoring.seal import binding
from protocols.wire.frame import MalformedFrame
from tests.support.parameter_sets import NARROW

EVERY = (*PARAMETERS.values(), NARROW)
SETS = pytest.mark.parametrize("params", EVERY, ids=lambda p: p.name)
OFFERED = pytest.mark.parametrize("params", PARAMETERS.values(), ids=lambda p: p.name)
"""The primes of SEAL's contexts."""
DEGREE = 64
"""The degree of the polynomials that the properties draw; the format does not depend on it."""
PRIMES = st.sampled_from([prime for params in EVERY for prime in params.data_primes])


def drawn(primes: tuple[int, ...], degree: int, seed: int = 1) -> NDArray[np.uint64]:
    random = np.random.default_rng(seed)
    return np.stack([random.integers(0, prime, degree, dtype=np.uint64) for prime in primes])


def plainly(rows: NDArray[np.uint64], primes: tuple[int, ...]) -> bytes:
    """The format by its definition, in Python integers."""
    found = b""
    for row, prime in zip(rows.tolist(), primes, strict=True):
        width = prime.bit_length()
        number = sum(value << (width * place) for place, value in enumerate(row))
        found += number.to_bytes(width * len(row) // 8, "little")
    return found


@SETS
def test_a_polynomial_is_its_residues_one_after_another(params: ParameterSet) -> None:
    rows = drawn(params.data_primes, params.degree)
    rows[:, [0, 1, 7, 8, -1]] = np.array([[prime - 1] for prime in params.data_primes], dtype=np.uint64)
    data = packing.pack_residues(rows, params.data_primes)
    assert data == plainly(rows, params.data_primes)
    assert len(data) == packing.packed_size(params.data_primes, params.degree) == params.column_bytes - SEED_BYTES
    assert (packing.unpack_residues(data, params.data_primes, params.degree) == rows).all()
    inside = memoryview(b"\xff" * 5 + data + b"\xff" * 3)[5 : 5 + len(data)]
    into = np.empty_like(rows)
    assert packing.unpack_residues(inside, params.data_primes, params.degree, into) is into
    assert (into == rows).all()


@settings(deadline=None)
@given(PRIMES, st.data())
def test_packing_and_unpacking_are_each_others_inverse(prime: int, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.integers(0, prime - 1), min_size=DEGREE, max_size=DEGREE))
    rows = np.array([values], dtype=np.uint64)
    packed = packing.pack_residues(rows, (prime,))
    assert packed == plainly(rows, (prime,))
    assert (packing.unpack_residues(packed, (prime,), DEGREE) == rows).all()


@settings(max_examples=300, deadline=None)
@given(PRIMES, st.data())
def test_any_bytes_are_refused_or_have_this_one_form(prime: int, data: st.DataObject) -> None:
    length = packing.packed_size((prime,), DEGREE)
    found = data.draw(st.binary(min_size=length - 1, max_size=length + 1))
    try:
        rows = packing.unpack_residues(found, (prime,), DEGREE)
    except MalformedFrame:
        width, number = prime.bit_length(), int.from_bytes(found, "little")
        residues = [number >> (width * place) & ((1 << width) - 1) for place in range(DEGREE)]
        assert len(found) != length or max(residues) >= prime
        return
    assert packing.pack_residues(rows, (prime,)) == found


@SETS
@pytest.mark.parametrize("place", [0, 1, 2, 6, 7, 8, -2, -1])
def test_a_residue_equal_to_its_prime_is_refused_at_every_position(params: ParameterSet, place: int) -> None:
    for index, prime in enumerate(params.data_primes):
        for value in (prime, prime + 1, (1 << prime.bit_length()) - 1):
            rows = drawn(params.data_primes, params.degree)
            rows[index, place] = value
            with pytest.raises(MalformedFrame, match="residue"):
                packing.unpack_residues(plainly(rows, params.data_primes), params.data_primes, params.degree)
            with pytest.raises(ValueError, match="residue"):
                packing.pack_residues(rows, params.data_primes)


def test_rows_of_another_shape_are_not_packed() -> None:
    prime = NARROW.primes[0]
    for rows in (np.zeros((2, 8), np.uint64), np.zeros((1, 12), np.uint64)):
        with pytest.raises(ValueError):
            packing.pack_residues(rows, (prime,))


# --- expansion --------------------------------------------------------------------------------------------------------


def words_of(seed: bytes, params: ParameterSet, count: int) -> list[int]:
    """The words of a seed by their definition: AES in single blocks, the counter written out."""
    label = b"shulab scoring expansion v1\0" + params.name.encode() + b"\0"
    key = hashlib.shake_256(label + seed).digest(32)
    blocks = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    stream = b"".join(blocks.update(number.to_bytes(16, "big")) for number in range(-(-count // 2)))
    return [int.from_bytes(stream[8 * index : 8 * index + 8], "little") for index in range(count)]


@SETS
def test_a_seed_expands_to_what_its_definition_says(params: ParameterSet) -> None:
    for seed in (bytes(SEED_BYTES), bytes(range(SEED_BYTES)), b"\xff" * SEED_BYTES):
        words = words_of(seed, params, 2 * params.degree + 20)
        expected = []
        for prime in params.data_primes:
            row: list[int] = []
            while len(row) < params.degree:
                value = words.pop(0) & ((1 << prime.bit_length()) - 1)
                if value < prime:
                    row.append(value)
            expected.append(row)
        assert seed_expansion.expand_seed(seed, params).tolist() == expected


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1), min_size=40, max_size=400), st.sampled_from([17, 97, 193, 257]))
def test_a_word_beyond_the_prime_is_rejected_and_no_word_too_many_is_taken(numbers: list[int], prime: int) -> None:
    """With small primes, for which up to half of the words are rejected."""
    mask = (1 << prime.bit_length()) - 1
    asked: list[int] = []

    def words(into: NDArray[np.uint64]) -> None:
        start, count = sum(asked), len(into)
        asked.append(count)
        into[:] = [numbers[(start + index) % len(numbers)] for index in range(count)]

    fitting = [number & mask for number in numbers if number & mask < prime]
    if not fitting:
        return
    row = np.empty(16, dtype=np.uint64)
    seed_expansion.fill_uniform_residues(row, prime, words)
    expected, taken = list[int](), 0
    while len(expected) < 16:
        value = numbers[taken % len(numbers)] & mask
        expected += [value] if value < prime else []
        taken += 1
    assert row.tolist() == expected and sum(asked) == taken


@SETS
def test_what_seeds_expand_to_is_spread_evenly_and_sets_have_nothing_in_common(params: ParameterSet) -> None:
    one, other = (
        seed_expansion.expand_seed(seed, params) for seed in (bytes(SEED_BYTES), b"\1" + bytes(SEED_BYTES - 1))
    )
    assert (one != other).mean() > 0.999
    for row, prime in zip(one, params.data_primes, strict=True):
        counts = np.histogram(row.astype(np.float64) / prime, bins=16, range=(0, 1))[0]
        expected = params.degree / 16
        assert ((counts - expected) ** 2 / expected).sum() < 60  # 15 degrees: passed by chance with probability 2e-7
    sets = [seed_expansion.expand_seed(bytes(SEED_BYTES), one)[0, :64] & np.uint64((1 << 45) - 1) for one in EVERY]
    assert (sets[0] != sets[1]).all()
    for wrong in (b"", bytes(SEED_BYTES - 1), bytes(SEED_BYTES + 1)):
        with pytest.raises(ValueError):
            seed_expansion.expand_seed(wrong, params)


# --- what SEAL makes of it --------------------------------------------------------------------------------------------


@OFFERED
def test_seal_has_packed_residues_in_the_order_of_the_format(params: ParameterSet) -> None:
    """Residue i of a transformed row is the polynomial's value at psi^(2 rev(i) + 1)."""
    rows = drawn(params.data_primes, params.degree, 5)
    first, second = binding.ciphertext_residues(binding.ciphertext_from_ntt(rows, rows[:, ::-1].copy(), params), params)
    assert (first == rows).all() and (second == rows[:, ::-1]).all()
    coefficients = np.zeros_like(rows)
    coefficients[:, [0, 1, 5, params.degree - 1]] = np.array([3, 7, 11, 13], dtype=np.uint64)
    transformed = binding.ciphertext_residues(binding.ciphertext_from_coefficients(coefficients, rows, params), params)[
        0
    ]
    bits = params.degree.bit_length() - 1
    for row, prime in zip(transformed, params.data_primes, strict=True):
        roots = {pow(base, (prime - 1) // (2 * params.degree), prime) for base in range(2, 40)}
        primitive = next(root for root in roots if pow(root, params.degree, prime) == prime - 1)
        psi = min(pow(primitive, power, prime) for power in range(1, 2 * params.degree, 2))
        for index in (0, 1, 2, 3, 1000, params.degree - 1):
            at = pow(psi, 2 * int(f"{index:0{bits}b}"[::-1], 2) + 1, prime)
            value = 3 + 7 * at + 11 * pow(at, 5, prime) + 13 * pow(at, params.degree - 1, prime)
            assert int(row[index]) == value % prime


@OFFERED
def test_the_factor_of_a_reply_is_a_constant_of_the_set(params: ParameterSet) -> None:
    """What the bank writes into a reply's header is what switching down gives; 1 at the highest level."""
    context, evaluator = binding.seal_context(params.name), seal.Evaluator(binding.seal_context(params.name))
    made = binding.ciphertext_from_ntt(
        drawn(params.data_primes, params.degree, 1), drawn(params.data_primes, params.degree, 2), params
    )
    assert params.correction_factor(len(params.data_primes)) == 1
    evaluator.mod_switch_to_inplace(made, context.last_parms_id())
    first, second = binding.ciphertext_residues(made, params)  # raises for another factor
    assert params.correction_factor(1) == pow(params.data_primes[1], -1, params.plain_modulus)
    again = binding.reply_ciphertext(first, second, params)
    assert binding.save_object(again) == binding.save_object(made)
    half = params.output_bytes // 2
    data = messages.pack_output(first, second, params)
    assert data == plainly(first, params.primes[:1]) + plainly(second, params.primes[:1]) and len(data) == 2 * half
