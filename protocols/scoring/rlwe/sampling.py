"""Secret randomness of the scoring protocol, as residues: the flood, and the small values that ring learning with
errors asks for. All of it comes from the operating system.

An element of the ring is uint64 [data primes, N], its coefficients modulo each prime.
"""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from protocols.scoring.parameters import ParameterSet

RingElement = NDArray[np.uint64]
_LIMB = 32  # bits: a limb times a residue of 60 bits is reduced with a quotient that a float64 holds exactly


def sample_flood(params: ParameterSet) -> RingElement:
    """The sum of three uniform values on [-2^b, 2^b), b = ``flood_bits``, in every coefficient.

    Each is b + 1 random bits less 2^b; they are added as limbs of 32 bits, and the sum is reduced from the top
    (Horner).
    """
    bits = params.flood_bits + 1
    widths = [bits % _LIMB or _LIMB] + [_LIMB] * ((bits - 1) // _LIMB)
    words = np.frombuffer(os.urandom(12 * params.degree * len(widths)), dtype="<u4").astype(np.uint64)
    words = words.reshape(3, len(widths), params.degree)
    limbs = [(words[:, index] >> np.uint64(_LIMB - width)).sum(axis=0) for index, width in enumerate(widths)]
    found = np.empty((len(params.data_primes), params.degree), dtype=np.uint64)
    for index, prime in enumerate(params.data_primes):
        value = limbs[0]  # below 2^34, so below every prime
        for row in limbs[1:]:
            value = reduce_once(multiply_modulo(value, 1 << _LIMB, prime) + row, prime)
        found[index] = reduce_once(value + np.uint64(prime - 3 * pow(2, params.flood_bits, prime) % prime), prime)
    return found


def sample_ternary(degree: int) -> NDArray[np.int64]:
    """Coefficients uniform on {-1, 0, 1}: int64 [degree]. A byte gives one if it is below 255 = 3 * 85."""
    found = np.empty(0, dtype=np.int64)
    while len(found) < degree:
        drawn = np.frombuffer(os.urandom(degree + degree // 32 + 64), dtype=np.uint8)
        found = np.concatenate([found, drawn[drawn < 255].astype(np.int64) % 3 - 1])
    return found[:degree]


def sample_centred_binomial(degree: int) -> NDArray[np.int64]:
    """Centred binomial coefficients with 42 coins (variance 10.5), SEAL's own error distribution: int64 [degree]."""
    coins = np.frombuffer(os.urandom(8 * degree), dtype="<u4").reshape(2, degree) & np.uint32((1 << 21) - 1)
    heads = np.bitwise_count(coins).astype(np.int64)
    return np.asarray(heads[0] - heads[1])


def sample_uniform(bits: int, degree: int) -> NDArray[np.int64]:
    """Coefficients uniform on [-2^bits, 2^bits), bits < 63: int64 [degree]."""
    words = np.frombuffer(os.urandom(8 * degree), dtype="<u8") >> np.uint64(63 - bits)
    return words.astype(np.int64) - (1 << bits)


def sample_modulo(modulus: int, count: int) -> NDArray[np.int64]:
    """Numbers uniform on [0, modulus), modulus < 2^32: int64 [count]. Words beyond it are drawn again."""
    found, mask = np.empty(0, dtype=np.int64), np.uint32((1 << modulus.bit_length()) - 1)
    while len(found) < count:
        drawn = np.frombuffer(os.urandom(4 * (count - len(found))), dtype="<u4") & mask
        found = np.concatenate([found, drawn[drawn < modulus].astype(np.int64)])
    return found


def to_residues(values: NDArray[np.int64], params: ParameterSet) -> RingElement:
    """Signed coefficients, smaller than every prime, as residues."""
    return np.stack([(values + (values < 0) * np.int64(prime)).astype(np.uint64) for prime in params.data_primes])


def add_elements(one: RingElement, other: RingElement, params: ParameterSet) -> RingElement:
    """The sum; residues of at most 60 bits do not overflow."""
    return np.stack([reduce_once(a + b, p) for a, b, p in zip(one, other, params.data_primes, strict=True)])


def scale_element(element: RingElement, factor: int, params: ParameterSet) -> RingElement:
    """The element times 0 <= factor <= 2^32."""
    return np.stack(
        [multiply_modulo(row, factor, prime) for row, prime in zip(element, params.data_primes, strict=True)]
    )


def multiply_modulo(row: NDArray[np.uint64], factor: int, prime: int) -> NDArray[np.uint64]:
    """row * factor modulo prime, for rows below the prime.

    The quotient is below the factor, at most 2^32, so float64 gives it with an error of at most one; the remainder is
    then exact in wrapping 64-bit arithmetic and off by at most one prime.
    """
    quotient = (row.astype(np.float64) * (factor / prime)).astype(np.uint64)
    rest = row * np.uint64(factor) - quotient * np.uint64(prime)
    rest = np.where(rest >> np.uint64(63), rest + np.uint64(prime), rest)
    return reduce_once(rest, prime)


def reduce_once(row: NDArray[np.uint64], prime: int) -> NDArray[np.uint64]:
    """Values below two primes, reduced."""
    return np.where(row >= np.uint64(prime), row - np.uint64(prime), row)
