"""Exact products in Z[X]/(X^N + 1) of an element with a small polynomial, by floating-point Fourier transforms.

Both parties need such products once for a public key, and SEAL's binding gives no way to take one out of it. The
element is cut into limbs of 10 bits so that every coefficient of a product stays below 2^47; the transforms' error is
then far below 1/2, and a coefficient that is not within 1/4 of a whole number is refused. A wrong product could only
make a valid proof fail.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from protocols.scoring.parameters import ParameterSet
from protocols.scoring.rlwe.sampling import RingElement, multiply_modulo, reduce_once

_LIMB = 10
SMALL_BITS = 24
"""Bits that a small polynomial's coefficients may have."""


def multiply_by_small(element: RingElement, small: NDArray[np.int64], params: ParameterSet) -> RingElement:
    """``element`` times the polynomial with coefficients ``small``, each of less than 2^24."""
    if np.abs(small).max() >= 1 << SMALL_BITS:
        raise ValueError(f"wanted coefficients of less than {SMALL_BITS} bits")
    degree = params.degree
    twist = np.exp(1j * np.pi * np.arange(degree) / degree)  # makes a cyclic product negacyclic
    transformed = np.fft.fft(small * twist)
    found = np.zeros_like(element)
    for index, prime in enumerate(params.data_primes):
        for place in reversed(range(0, prime.bit_length(), _LIMB)):
            limb = (element[index] >> np.uint64(place)) & np.uint64((1 << _LIMB) - 1)
            exact = (np.fft.ifft(np.fft.fft(limb * twist) * transformed) * twist.conj()).real
            whole = np.rint(exact)
            if np.abs(exact - whole).max() > 0.25:
                raise ValueError("a product was not exact")
            part = np.mod(whole.astype(np.int64), prime).astype(np.uint64)
            found[index] = reduce_once(multiply_modulo(found[index], 1 << _LIMB, prime) + part, prime)
    return found


def multiply_element_by_monomial(element: RingElement, turn: int, params: ParameterSet) -> RingElement:
    """``element`` times X^turn, 0 <= turn < 2 N: X^N is -1."""
    rolled = np.roll(element, turn % params.degree, axis=1)
    flipped = np.zeros(params.degree, dtype=bool)
    flipped[: turn % params.degree] = True
    if turn >= params.degree:
        flipped = ~flipped
    return np.stack(
        [
            np.where(flipped & (row > 0), np.uint64(prime) - row, row)
            for row, prime in zip(rolled, params.data_primes, strict=True)
        ]
    )


def multiply_by_monomial(small: NDArray[np.int64], turn: int) -> NDArray[np.int64]:
    """Signed coefficients times X^turn."""
    degree = len(small)
    rolled = np.roll(small, turn % degree)
    rolled[: turn % degree] *= -1
    return rolled if turn < degree else -rolled
