"""Processor time of single operations of SEAL and its binding on this machine, for benchmarks of the scheme."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import tenseal.sealapi as seal

from protocols.scoring.parameters import ParameterSet
from protocols.scoring.seal import binding

REPETITIONS = 20


def min_microseconds(work: Callable[[], object]) -> float:
    """The least of some repetitions of ``work``, in microseconds: other work on the core can only lengthen one."""
    durations = []
    for _ in range(REPETITIONS):
        start = time.process_time_ns()
        work()
        durations.append(time.process_time_ns() - start)
    return min(durations) / 1e3


def ntt_microseconds(params: ParameterSet) -> float:
    """One forward number-theoretic transform of N numbers modulo a prime of q, in SEAL."""
    evaluator = seal.Evaluator(binding.seal_context(params.name))
    one = np.ones((len(params.data_primes), params.degree), dtype=np.uint64)
    plain, again = seal.Ciphertext(), seal.Ciphertext()
    evaluator.transform_from_ntt(binding.ciphertext_from_coefficients(one, one, params), plain)
    return min_microseconds(lambda: evaluator.transform_to_ntt(plain, again)) / (2 * len(params.data_primes))


def integer_conversion_microseconds(params: ParameterSet) -> float:
    """The conversion of N weights to Python integers and back, which the binding does before it calls SEAL.

    The measured call is refused for one number too many, after all of them were converted.
    """
    encoder, plain = seal.BatchEncoder(binding.seal_context(params.name)), seal.Plaintext()
    weights: Any = np.full(params.slots + 1, params.value_limit, dtype=np.int64)

    def convert() -> None:
        with suppress(ValueError):
            encoder.encode(memoryview(weights), plain)

    return min_microseconds(convert)


def memory_file_microseconds(size: int) -> float:
    """Writing and reading ``size`` bytes of a memory file, which the binding needs because it reads from paths only."""
    data, file = bytes(size), os.memfd_create("shulab-gauge")

    def copy() -> None:
        os.pwrite(file, data, 0)
        os.pread(file, size, 0)

    try:
        return min_microseconds(copy)
    finally:
        os.close(file)
