"""What runs on the emulated processor: the tests of engine x25519, and the instructions that each path takes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from protocols.matching.engines.x25519 import backend, hash_to_curve, multibuffer, openssl, scalars

COUNT = 64


def instructions(work: Callable[[], object]) -> float:
    """What ``work`` takes, in an unknown unit: the emulated clock counts instructions."""
    work()
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> int:
    model = Path("/proc/cpuinfo").read_text().split("model name\t: ")[1].splitlines()[0]
    way = backend.select_backend()
    print(f"processor: {model}\npath: {way.name} ({way.reason})", flush=True)
    names, key = [f"91{number:016d}" for number in range(COUNT)], scalars.generate_scalar()
    points = hash_to_curve.encode_to_curve(names)
    same = np.array_equal(multibuffer.multiply(key, points), openssl.multiply(key, points))
    keys = np.frombuffer(b"".join(scalars.generate_scalar() for _ in range(19)), dtype=np.uint8).reshape(-1, 32)
    each = (multibuffer.multiply_each(keys, points[0]), openssl.multiply_each(keys, points[0]))
    same = same and np.array_equal(*each)
    print(f"the same bytes on both paths: {same}")
    portable = instructions(lambda: openssl.multiply(key, points))
    for name, work in (
        ("multiplying by the accelerated path", lambda: multibuffer.multiply(key, points)),
        ("hashing to the curve", lambda: hash_to_curve.encode_to_curve(names)),
    ):
        print(
            f"instructions of {name}, to those of multiplying by the portable path: {instructions(work) / portable:.3f}"
        )
    tests = "tests/unit/protocols/matching/engines/test_x25519.py"
    status = pytest.main(["-q", "-rs", "-p", "no:cacheprovider", "--import-mode=importlib", "-c", "/dev/null", tests])
    return int(status) or int(way.name != "accelerated") or int(not same)


if __name__ == "__main__":
    sys.exit(main())
