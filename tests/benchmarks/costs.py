"""What one entry or identifier costs in matching: processor microseconds of one core, step by step, for each engine.

What the canaries of a request cost is in it.

``make bench-costs`` runs it. The smallest of a few repetitions is given, since other work can only lengthen one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import numpy as np

from protocols.matching import bank, bureau
from protocols.matching.engines.x25519 import hash_to_curve, openssl, scalars

ROWS = 8_192
REPETITIONS = 5


def microseconds(work: Callable[[], object], rows: int) -> float:
    """Processor time of ``work`` by row."""
    found = []
    for _ in range(REPETITIONS):
        begun = time.process_time()
        work()
        found.append(time.process_time() - begun)
    return min(found) / rows * 1e6


def main() -> None:
    names = [f"91{number:016d}" for number in range(ROWS)]
    print("| engine | path | evaluate | blind | answer | unblind |\n|---|---|---|---|---|---|")
    for engine in bureau.ENGINES:
        key, blinding = bureau.generate_key(engine), bank.Blinding(engine, os.urandom(32))
        public = bureau.compute_public_key(engine, key)
        elements = bureau.read_request(engine, blinding.build_request(names), ceiling=2 * ROWS)
        response = bureau.pack_response(engine, bureau.evaluate_elements(engine, key, elements))
        steps: list[Callable[[], object]] = [
            lambda e=engine, k=key: bureau.evaluate_register(e, k, names),  # type: ignore[misc]
            lambda b=blinding: b.build_request(names),  # type: ignore[misc]
            lambda e=engine, k=key, s=elements: bureau.evaluate_elements(e, k, s),  # type: ignore[misc]
            lambda b=blinding, r=response, p=public: b.finalize(r, ROWS, p),  # type: ignore[misc]
        ]
        print(
            f"| {engine} | {bureau.arithmetic_library(engine)} | "
            + " | ".join(f"{microseconds(s, ROWS):.1f}" for s in steps)
            + " |"
        )
    values = bureau.evaluate_register("x25519", bureau.generate_key("x25519"), names)
    points, scalar = hash_to_curve.encode_to_curve(names), scalars.generate_scalar()
    print(f"\nhash to the curve: {microseconds(lambda: hash_to_curve.encode_to_curve(names), ROWS):.1f}")
    print(f"multiply by OpenSSL's X25519: {microseconds(lambda: openssl.multiply(scalar, points), ROWS):.1f}")
    print(
        f"hash under a contract: {microseconds(lambda: bureau.derive_tags_and_marks('c-1', names, values), ROWS):.2f}"
    )
    marks = np.random.default_rng(1).integers(0, 256, (bureau.BUCKET_ENTRIES, 16), dtype=np.uint8)
    geometry = bureau.BucketGeometry.for_entries(bureau.BUCKET_ENTRIES)

    def code() -> bytes:
        return bureau.encode_bucket(np.sort(bureau.locate_marks(geometry, marks)[1]))

    coded = code()
    print(f"place and code a mark: {microseconds(code, bureau.BUCKET_ENTRIES):.3f}")
    print(
        f"read a coded mark: {microseconds(lambda: bureau.decode_bucket(coded, geometry), bureau.BUCKET_ENTRIES):.3f}"
    )


if __name__ == "__main__":
    main()
