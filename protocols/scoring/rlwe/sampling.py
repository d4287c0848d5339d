"""Secret randomness of the scoring protocol: the flood, and the small values of ring learning with errors.

All of it comes from the operating system (``os.urandom``).
"""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from protocols.scoring.parameters import ParameterSet
from protocols.scoring.rlwe.ring import RingElement, multiply_modulo, reduce_once

_LIMB_BITS = 32  # the largest factor that ``multiply_modulo`` takes is 2^32


def sample_flood(params: ParameterSet) -> RingElement:
    """The sum of three uniform values on [-2^b, 2^b), b = ``flood_bits``, in every coefficient.

    Each value is b + 1 random bits less 2^b. The values are added as limbs of 32 bits, and the sum is reduced limb by
    limb from the top (Horner's rule).
    """
    bits = params.flood_bits + 1
    widths = [bits % _LIMB_BITS or _LIMB_BITS] + [_LIMB_BITS] * ((bits - 1) // _LIMB_BITS)
    words = np.frombuffer(os.urandom(12 * params.degree * len(widths)), dtype="<u4").astype(np.uint64)
    words = words.reshape(3, len(widths), params.degree)
    limbs = [(words[:, index] >> np.uint64(_LIMB_BITS - width)).sum(axis=0) for index, width in enumerate(widths)]
    flood = np.empty((len(params.data_primes), params.degree), dtype=np.uint64)
    for index, prime in enumerate(params.data_primes):
        value = limbs[0]  # below 2^34, so below every prime
        for limb in limbs[1:]:
            value = reduce_once(multiply_modulo(value, 1 << _LIMB_BITS, prime) + limb, prime)
        flood[index] = reduce_once(value + np.uint64(prime - 3 * pow(2, params.flood_bits, prime) % prime), prime)
    return flood


def sample_ternary(degree: int) -> NDArray[np.int64]:
    """Coefficients uniform on {-1, 0, 1}: int64 [degree]. A random byte is used if it is below 255 = 3 * 85."""
    drawn = np.empty(0, dtype=np.int64)
    while len(drawn) < degree:
        octets = np.frombuffer(os.urandom(degree + degree // 32 + 64), dtype=np.uint8)
        drawn = np.concatenate([drawn, octets[octets < 255].astype(np.int64) % 3 - 1])
    return drawn[:degree]


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
    """Numbers uniform on [0, modulus), modulus < 2^32: int64 [count]. Words of ``modulus`` or more are drawn again."""
    drawn, mask = np.empty(0, dtype=np.int64), np.uint32((1 << modulus.bit_length()) - 1)
    while len(drawn) < count:
        words = np.frombuffer(os.urandom(4 * (count - len(drawn))), dtype="<u4") & mask
        drawn = np.concatenate([drawn, words[words < modulus].astype(np.int64)])
    return drawn
