"""Lower bound of an evaluation: the number-theoretic transforms and the bytes that it cannot avoid.

Each product needs for its weights the inverse transform modulo t, which puts integers into slots, and one forward
transform for each prime of q. Each output needs the same for its base, forward transforms of the mask's ternary
polynomial and of two errors, and for each prime that is switched away two inverse transforms and two forward ones for
each remaining prime. Columns arrive transformed. Bytes: each column's two polynomials are read once, weights are read
and their transforms written and read, sums and the reply are written once. Expanding seeds, drawing noise and the
arithmetic between transforms are not counted.
"""

from __future__ import annotations

import numpy as np

from protocols.scoring.messages import QuantizedWeights
from protocols.scoring.parameters import ParameterSet
from protocols.scoring.seal.operation_costs import min_microseconds, ntt_microseconds

_BLOCK = 64 * 1024 * 1024  # larger than any cache


def count_transforms(terms: int, outputs: int, params: ParameterSet) -> int:
    """The number of transforms of N numbers that a batch needs."""
    primes = len(params.data_primes)
    switched = sum(2 + 2 * left for left in range(1, primes))
    return terms * (1 + primes) + outputs * ((1 + primes) + 3 * primes + switched)


def count_bytes_moved(terms: int, columns: int, outputs: int, params: ParameterSet) -> int:
    """The least number of bytes that a batch reads or writes."""
    primes, row = len(params.data_primes), 8 * params.degree
    return row * (columns * 2 * primes + terms * (1 + 2 * primes) + outputs * (2 * primes + 2))


def lower_bound_us(weights: QuantizedWeights, params: ParameterSet, rows: int) -> dict[str, float]:
    """Counts for a batch of ``rows``, the time of one transform and of one byte here, and the bound a row in µs."""
    count = count_transforms(len(weights.columns), len(weights.base), params)
    size = count_bytes_moved(len(weights.columns), len(set(weights.columns.tolist())), len(weights.base), params)
    ntt, byte = ntt_microseconds(params), _byte_us()
    return {
        "floor_ntts_per_batch": count,
        "floor_us_per_ntt": round(ntt, 2),
        "floor_bytes_per_batch": size,
        "floor_gigabytes_per_second": round(1e-3 / byte, 1),
        "floor_us_per_enterprise": round((count * ntt + size * byte) / rows, 3),
    }


def _byte_us() -> float:
    source = np.ones(_BLOCK // 8)
    target = np.empty_like(source)
    return min_microseconds(lambda: np.copyto(target, source)) / (2 * _BLOCK)
