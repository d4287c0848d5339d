"""Arithmetic in the ring Z_q[X]/(X^N + 1), outside SEAL: residues, sums, and exact products with small polynomials.

An element of the ring is uint64 [data primes, N]: its coefficients modulo each prime of q, each below its prime.

Both parties need a few exact products for a public key and its proof, and SEAL's binding has no function for them. A
product is computed by floating-point Fourier transforms: the element is cut into limbs of 10 bits, so every coefficient
of a partial product stays below 2^47 and the error of the transforms is far below 1/2. A coefficient that is not within
1/4 of a whole number raises an error. A wrong product could only make a valid proof fail.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from protocols.scoring.parameters import ParameterSet

RingElement = NDArray[np.uint64]
SMALL_BITS = 24
"""Bits that a small polynomial's coefficients may have."""
_LIMB_BITS = 10


def to_residues(values: NDArray[np.int64], params: ParameterSet) -> RingElement:
    """Residues of signed coefficients, int64 [N], each smaller than every prime in absolute value."""
    return np.stack([(values + (values < 0) * np.int64(prime)).astype(np.uint64) for prime in params.data_primes])


def add_elements(left: RingElement, right: RingElement, params: ParameterSet) -> RingElement:
    """The sum. Residues have at most 60 bits, so adding two does not overflow."""
    return np.stack([reduce_once(a + b, p) for a, b, p in zip(left, right, params.data_primes, strict=True)])


def scale_element(element: RingElement, factor: int, params: ParameterSet) -> RingElement:
    """The element times 0 <= factor <= 2^32."""
    return np.stack(
        [multiply_modulo(row, factor, prime) for row, prime in zip(element, params.data_primes, strict=True)]
    )


def multiply_by_small(element: RingElement, small: NDArray[np.int64], params: ParameterSet) -> RingElement:
    """``element`` times the polynomial with coefficients ``small``, int64 [N], each of less than 24 bits.

    Raises ``ValueError`` for larger coefficients, or if the product is not exact.
    """
    if np.abs(small).max() >= 1 << SMALL_BITS:
        raise ValueError(f"wanted coefficients of less than {SMALL_BITS} bits")
    degree = params.degree
    twist = np.exp(1j * np.pi * np.arange(degree) / degree)  # makes a cyclic product negacyclic
    transformed = np.fft.fft(small * twist)
    product = np.zeros_like(element)
    for index, prime in enumerate(params.data_primes):
        for shift in reversed(range(0, prime.bit_length(), _LIMB_BITS)):
            limb = (element[index] >> np.uint64(shift)) & np.uint64((1 << _LIMB_BITS) - 1)
            exact = (np.fft.ifft(np.fft.fft(limb * twist) * transformed) * twist.conj()).real
            whole = np.rint(exact)
            if np.abs(exact - whole).max() > 0.25:
                raise ValueError("a product was not exact")
            part = np.mod(whole.astype(np.int64), prime).astype(np.uint64)
            product[index] = reduce_once(multiply_modulo(product[index], 1 << _LIMB_BITS, prime) + part, prime)
    return product


def multiply_element_by_monomial(element: RingElement, exponent: int, params: ParameterSet) -> RingElement:
    """``element`` times X^exponent, 0 <= exponent < 2 N; X^N is -1."""
    rolled = np.roll(element, exponent % params.degree, axis=1)
    negated = np.zeros(params.degree, dtype=bool)
    negated[: exponent % params.degree] = True
    if exponent >= params.degree:
        negated = ~negated
    return np.stack(
        [
            np.where(negated & (row > 0), np.uint64(prime) - row, row)
            for row, prime in zip(rolled, params.data_primes, strict=True)
        ]
    )


def multiply_by_monomial(small: NDArray[np.int64], exponent: int) -> NDArray[np.int64]:
    """Signed coefficients, int64 [N], times X^exponent, 0 <= exponent < 2 N."""
    degree = len(small)
    rolled = np.roll(small, exponent % degree)
    rolled[: exponent % degree] *= -1
    return rolled if exponent < degree else -rolled


def multiply_modulo(row: NDArray[np.uint64], factor: int, prime: int) -> NDArray[np.uint64]:
    """row * factor modulo prime, for values below the prime and 0 <= factor <= 2^32.

    The quotient is below the factor, so float64 gives it with an error of at most one. The remainder is then exact in
    wrapping 64-bit arithmetic, but for at most one prime too many or too few.
    """
    quotient = (row.astype(np.float64) * (factor / prime)).astype(np.uint64)
    rest = row * np.uint64(factor) - quotient * np.uint64(prime)
    rest = np.where(rest >> np.uint64(63), rest + np.uint64(prime), rest)
    return reduce_once(rest, prime)


def reduce_once(row: NDArray[np.uint64], prime: int) -> NDArray[np.uint64]:
    """Values below two primes, reduced modulo the prime."""
    return np.where(row >= np.uint64(prime), row - np.uint64(prime), row)
