"""The floor of an evaluation: the number-theoretic transforms it cannot do without, and the bytes it cannot but move.

Each term's weights need the inverse transform modulo t that puts integers into slots, and one forward transform for
each prime of q. Each output needs the same for its base, the mask's ternary polynomial and two errors forward, and for
each prime that is switched away two inverse transforms and two forward ones for each prime that is left. Columns come
transformed. Bytes: each column's two polynomials read once, weights read and their transforms written and read, sums
written once, the reply. Expanding seeds and drawing noise are no part of it, nor is arithmetic between transforms.
"""

from __future__ import annotations

import numpy as np

from protocols.scoring.messages import QuantizedWeights
from protocols.scoring.parameters import ParameterSet
from protocols.scoring.seal.operation_costs import min_microseconds, ntt_microseconds

_BLOCK = 64 * 1024 * 1024  # beyond every cache


def count_transforms(terms: int, outputs: int, params: ParameterSet) -> int:
    """How many transforms of N numbers a batch needs."""
    primes = len(params.data_primes)
    switched = sum(2 + 2 * left for left in range(1, primes))
    return terms * (1 + primes) + outputs * ((1 + primes) + 3 * primes + switched)


def count_bytes_moved(terms: int, columns: int, outputs: int, params: ParameterSet) -> int:
    """Bytes of a batch that are read or written at least."""
    primes, row = len(params.data_primes), 8 * params.degree
    return row * (columns * 2 * primes + terms * (1 + 2 * primes) + outputs * (2 * primes + 2))


def lower_bound_us(terms: QuantizedWeights, params: ParameterSet, rows: int) -> dict[str, float]:
    """Counts for a batch of ``rows``, what one transform and one byte take here, and the floor of a row in µs."""
    count = count_transforms(len(terms.columns), len(terms.base), params)
    size = count_bytes_moved(len(terms.columns), len(set(terms.columns.tolist())), len(terms.base), params)
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
