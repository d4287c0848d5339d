"""What runs on the emulated processor: the tests of engine x25519, and the instructions that each path takes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from protocols.matching.engines.x25519 import accelerated, encoding, multiplication, path, scalars

COUNT = 64


def instructions(work: Callable[[], object], a_second: int) -> int:
    """What ``work`` takes for each of ``COUNT`` elements: the emulated clock counts instructions."""
    work()
    begun = time.perf_counter()
    work()
    return round((time.perf_counter() - begun) * a_second / COUNT)


def main() -> int:
    a_second = int(sys.argv[1])
    model = Path("/proc/cpuinfo").read_text().split("model name\t: ")[1].splitlines()[0]
    way = path.chosen()
    print(f"processor: {model}\npath: {way.name} ({way.why})", flush=True)
    names, key = [f"91{number:016d}" for number in range(COUNT)], scalars.generate()
    points = encoding.encode(names)
    same = np.array_equal(accelerated.multiply(key, points), multiplication.multiply(key, points))
    print(f"the same bytes on both paths: {same}")
    for name, work in (
        ("hash to the curve", lambda: encoding.encode(names)),
        ("multiply, portable", lambda: multiplication.multiply(key, points)),
        ("multiply, accelerated", lambda: accelerated.multiply(key, points)),
    ):
        print(f"instructions an element: {name}: {instructions(work, a_second):,}", flush=True)
    tests = "tests/unit/protocols/test_x25519.py"
    status = pytest.main(["-q", "-rs", "-p", "no:cacheprovider", "--import-mode=importlib", "-c", "/dev/null", tests])
    return int(status) or int(way.name != "accelerated") or int(not same)


if __name__ == "__main__":
    sys.exit(main())
