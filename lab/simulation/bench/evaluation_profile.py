"""Profile of an evaluation: the time of each step, from a profiled call, and the overhead of SEAL's Python binding.

The binding takes Python numbers, so every weight becomes an integer object and is converted back. It reads and writes
objects through files, so bytes are written to a file before SEAL copies them. Both costs are measured separately
(``protocols.scoring.seal.operation_costs``).
"""

from __future__ import annotations

import cProfile
import time
from collections.abc import Callable
from typing import Any

from protocols.scoring.messages import QuantizedWeights
from protocols.scoring.parameters import ParameterSet
from protocols.scoring.seal.operation_costs import integer_conversion_microseconds, memory_file_microseconds

_STEPS: dict[str, tuple[str, str]] = {
    # step: the function, and who calls it
    "read": ("read_batch", "evaluate_batch"),
    "unpack": ("unpack_residues", "read_seeded_ciphertext"),
    "expand": ("expand_seed", "read_seeded_ciphertext"),
    "load": ("ciphertext_from_ntt", "add_products"),
    "encode": ("encode", "add_products"),
    "transform": ("transform_to_ntt", "add_products"),
    "multiply": ("multiply_plain", "add_products"),
    "add": ("add_inplace", "add_products"),
    "mask": ("draw_mask", "<listcomp>"),
    "switch_down_and_serialise": ("finalize_sums", "evaluate_batch"),
}
"""Calls of an evaluation, none of which contains another."""


def evaluation_steps_us(evaluate: Callable[[], object], rows: int) -> dict[str, float]:
    """Microseconds a row for each step, for ``flood`` (part of ``mask``) and ``rest``, from one profiled call."""
    profile = cProfile.Profile(time.process_time)
    profile.runcall(evaluate)
    profile.create_stats()
    calls = profile.stats
    found = {step: _seconds_in(calls, *names) for step, names in _STEPS.items()}
    whole = sum(entry[2] for entry in calls.values())
    found["rest"] = whole - sum(found.values())
    found["of_which_flood"] = _seconds_in(calls, "sample_flood", "_errors") + _seconds_in(
        calls, "scale_element", "_errors"
    )
    return {step: round(seconds / rows * 1e6, 3) for step, seconds in found.items()}


def binding_overhead_us(weights: QuantizedWeights, params: ParameterSet, rows: int) -> dict[str, float]:
    """Microseconds a row that an evaluation spends on converting weights and on passing columns through a file."""
    columns = len(set(weights.columns.tolist()))
    return {
        "convert_weights": round(len(weights.columns) * integer_conversion_microseconds(params) / rows, 3),
        "columns_through_a_file": round(
            columns * memory_file_microseconds(2 * 8 * params.degree * len(params.data_primes)) / rows, 3
        ),
    }


def _seconds_in(calls: dict[tuple[str, int, str], tuple[Any, ...]], name: str, caller: str) -> float:
    """Seconds in a function and its callees, counting only calls by ``caller``; raises ``LookupError`` without any."""
    total, calls_found = 0.0, False
    for (_, _, found), (*_, callers) in calls.items():
        if found == name or found.endswith(f".{name}>"):
            spent = [entry[3] for (_, _, by), entry in callers.items() if by == caller]
            total, calls_found = total + sum(spent), calls_found or bool(spent)
    if not calls_found:
        raise LookupError(f"the profile has no call of {name} by {caller}: correct the table of steps")
    return total
