"""Where an evaluation's time goes: step by step, from the profile of a real call, and what of it the binding takes.

The binding takes numbers as Python's: every weight becomes an integer object and is read back. It reads and writes
objects by the path of a file, so that bytes are written to one before SEAL copies them. Both are measured by themselves
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
    "read": ("read_batch", "evaluate"),
    "unpack": ("unpack", "read_seeded"),
    "expand": ("expand", "read_seeded"),
    "load": ("transformed", "add_products"),
    "encode": ("encode", "add_products"),
    "transform": ("transform_to_ntt", "add_products"),
    "multiply": ("multiply_plain", "add_products"),
    "add": ("add_inplace", "add_products"),
    "mask": ("draw", "<listcomp>"),
    "switch_down_and_serialise": ("finish", "evaluate"),
}
"""Calls of evaluation that do not lie within each other."""


def evaluation_steps_us(evaluate: Callable[[], object], rows: int) -> dict[str, float]:
    """Microseconds of a row by step, ``flood`` (part of ``mask``) and ``rest``, of one profiled call."""
    profile = cProfile.Profile(time.process_time)
    profile.runcall(evaluate)
    profile.create_stats()
    calls = profile.stats
    found = {step: _seconds_in(calls, *names) for step, names in _STEPS.items()}
    whole = sum(entry[2] for entry in calls.values())
    found["rest"] = whole - sum(found.values())
    found["of_which_flood"] = _seconds_in(calls, "flood", "_errors") + _seconds_in(calls, "scaled", "_errors")
    return {step: round(seconds / rows * 1e6, 3) for step, seconds in found.items()}


def binding_overhead_us(terms: QuantizedWeights, params: ParameterSet, rows: int) -> dict[str, float]:
    """Microseconds of a row that converting weights, and taking columns through a file, cost in an evaluation."""
    columns = len(set(terms.columns.tolist()))
    return {
        "convert_weights": round(len(terms.columns) * integer_conversion_microseconds(params) / rows, 3),
        "columns_through_a_file": round(
            columns * memory_file_microseconds(2 * 8 * params.degree * len(params.data_primes)) / rows, 3
        ),
    }


def _seconds_in(calls: dict[tuple[str, int, str], tuple[Any, ...]], name: str, caller: str) -> float:
    """Seconds in a function and what it calls, as far as ``caller`` called it."""
    total = 0.0
    for (_, _, found), (*_, callers) in calls.items():
        if found == name or found.endswith(f".{name}>"):
            total += sum(spent[3] for (_, _, by), spent in callers.items() if by == caller)
    return total
