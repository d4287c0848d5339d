"""Concrete-ML's boosted trees on the rows given: trained, compiled, and some of the rows scored under encryption.

Runs in the environment that ``make peers`` makes for it. Under this library the server holds the whole model in clear
and the client every feature, so all of a row is encrypted and every comparison of every tree is one on ciphertexts.

The file is NumPy's (npz): ``pilot`` float64 [n, features], ``label`` [n], ``asked`` float64 [m, features].
"""

from __future__ import annotations

import argparse
import functools
import json
import resource
import time

import numpy as np
import torch
from concrete.ml.sklearn import XGBClassifier

# Concrete-ML turns its trees into ONNX by torch's former exporter, which a later torch than it was made for takes only
# when asked to. That is while training; encrypted rows know no torch.
torch.onnx.export = functools.partial(torch.onnx.export, dynamo=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", required=True)
    parser.add_argument("--trees", type=int, default=200)
    parser.add_argument("--depth", type=int, default=3, help="of a tree: 8 leaves, as ours have")
    parser.add_argument("--bits", type=int, default=6, help="that a feature is quantized to")
    parser.add_argument("--rows", type=int, default=1, help="to score under encryption")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with np.load(options.file, allow_pickle=False) as arrays:
        pilot, label, asked = (arrays[name] for name in ("pilot", "label", "asked"))
    model = XGBClassifier(n_bits=options.bits, n_estimators=options.trees, max_depth=options.depth, n_jobs=1)
    model.fit(pilot, label)
    begun = time.perf_counter()
    circuit = model.compile(pilot[:200])
    compiled = time.perf_counter()
    circuit.client.keygen(force=False)
    keyed = time.perf_counter()
    rows = asked[: options.rows]
    spent = time.process_time()
    found = model.predict_proba(rows, fhe="execute")
    seconds, cpu = time.perf_counter() - keyed, time.process_time() - spent
    plain = model.predict_proba(rows, fhe="disable")
    facts = {
        "seconds_per_enterprise": round(seconds / len(rows), 3),
        "cpu_seconds_per_enterprise": round(cpu / len(rows), 3),
        "rows": len(rows),
        "trees": options.trees,
        "depth": options.depth,
        "bits": options.bits,
        "features": int(asked.shape[1]),
        "seconds_compile": round(compiled - begun, 3),
        "seconds_keys": round(keyed - compiled, 3),
        "bytes_up_per_enterprise": int(circuit.size_of_inputs),
        "bytes_down_per_enterprise": int(circuit.size_of_outputs),
        "bytes_evaluation_keys": int(circuit.size_of_bootstrap_keys + circuit.size_of_keyswitch_keys),
        "max_abs_error": float(np.abs(found - plain).max()),
        "peak_rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    print(json.dumps(facts) if options.json else "\n".join(f"{name}: {value}" for name, value in facts.items()))


if __name__ == "__main__":
    main()
