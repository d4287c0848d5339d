"""Scoring under each parameter set beside LightGBM in clear and Concrete-ML, on the same firms and core in one run; the
figures go to RESULTS.md.

``make bench-scoring`` runs it. Concrete-ML takes part where ``make peers`` has set it up, once, for the first set.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from typing import Any

from protocols.scoring.parameters import PARAMETERS
from tests.benchmarks.results import keep, where

SETS = tuple(PARAMETERS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--enterprises", type=int, default=16_384)
    parser.add_argument("--columns", type=int, default=80)
    parser.add_argument("--trees", type=int, default=200)
    parser.add_argument("--core", type=int, default=0, help="that everybody is pinned to")
    parser.add_argument("--no-peer", action="store_true", help="leave Concrete-ML out")
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.core})
    sizes = [f"--{name}={getattr(options, name)}" for name in ("enterprises", "columns", "trees")]
    found: dict[str, dict[str, Any]] = {}
    for name in SETS:
        sys.stderr.write(f"{name} ...\n")
        peer = "--no-peer" if options.no_peer or found else "--peer"
        words = ["bench", "scoring", *sizes, "--parameters", name, peer, "--json"]
        done = subprocess.run([sys.executable, "-P", "-m", "lab.cli", *words], stdout=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(f"{name} ended with exit code {done.returncode}")
        found[name] = json.loads(done.stdout)
    text = _report(options, found)
    sys.stdout.write(text)
    keep(f"scoring {options.columns} columns, {options.trees} trees", text)


def _report(options: argparse.Namespace, found: dict[str, dict[str, Any]]) -> str:
    first = found[SETS[0]]
    peer = first["concrete_ml"]
    sizes = f"COLUMNS={options.columns} ENTERPRISES={options.enterprises}"
    lines = [
        f"## Scoring: {first['columns']} columns, {options.trees} trees, {options.enterprises:,} enterprises",
        "",
        f"{where(str(options.core))}. `make bench-scoring {sizes}`.",
        "Processor µs an enterprise, the least of three passes; one core.",
        "",
        "| | encrypt | evaluate | decrypt | weights from the model | LightGBM in clear | evaluate / LightGBM | floor "
        "| evaluate / floor | bytes up | bytes down | peak MiB | largest error |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, facts in found.items():
        us = {step: facts[f"us_per_enterprise_{step}"] for step in ("encrypt", "evaluate", "decrypt", "terms")}
        cells = (
            *(f"{value:.1f}" for value in us.values()),
            f"{facts['us_per_enterprise_plain_lightgbm']:.1f}",
            f"{facts['evaluate_over_lightgbm']:.2f}",
            f"{facts['floor_us_per_enterprise']:.1f}",
            f"{facts['evaluate_over_floor']:.1f}",
            f"{facts['bytes_up_per_enterprise']:,.0f}",
            f"{facts['bytes_down_per_enterprise']:,.0f}",
            f"{facts['peak_rss'] / 2**20:,.0f}",
            f"{facts['max_abs_error']:.1e}",
        )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", "The floor of a batch, as counted in `lab/simulation/bench/lower_bound.py`:", ""]
    lines += [
        f"* {name}: {facts['floor_ntts_per_batch']} transforms of {facts['floor_us_per_ntt']:.0f} µs, "
        f"{facts['floor_bytes_per_batch'] / 1e6:.1f} MB at {facts['floor_gigabytes_per_second']:.0f} GB/s"
        for name, facts in found.items()
    ]
    lines += ["", "Where an evaluation's time goes (µs an enterprise, of one profiled call):", ""]
    steps = list(first["evaluate_us_by_step"])
    lines += [f"| | {' | '.join(step.replace('_', ' ') for step in steps)} |", "|---" * (len(steps) + 1) + "|"]
    for name, facts in found.items():
        cells = tuple(f"{facts['evaluate_us_by_step'][step]:.2f}" for step in steps)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines.append("")
    for name, facts in found.items():
        binding = facts["binding_us_by_step"]
        share = sum(binding.values()) / facts["us_per_enterprise_evaluate"]
        lines.append(
            f"* {name}: of `encode`, {binding['convert_weights']:.1f} µs are the binding's way through Python's "
            f"integers, of `load`, {binding['columns_through_a_file']:.1f} through a file: together {share:.0%}."
        )
    lines += ["", *_peer(peer, first)]
    return "\n".join(lines) + "\n"


def _peer(peer: dict[str, Any] | None, ours: dict[str, Any]) -> list[str]:
    if peer is None:
        return ["Concrete-ML took no part: `make peers` sets it up."]
    return [
        f"Concrete-ML's XGBClassifier on the same firms, {peer['trees']} trees of depth {peer['depth']}, "
        f"{peer['features']} features of {peer['bits']} bits: {peer['cpu_seconds_per_enterprise']:,.1f} processor "
        f"seconds an enterprise ({peer['seconds_per_enterprise']:,.1f} s on the clock; {peer['rows']} scored), "
        f"{peer['bytes_up_per_enterprise']:,} bytes up, {peer['bytes_down_per_enterprise']:,} down, evaluation keys of "
        f"{peer['bytes_evaluation_keys'] / 1e6:,.0f} MB, {peer['peak_rss'] / 2**20:,.0f} MiB. That is "
        f"{ours['concrete_ml_over_ours']:,} times our encryption, evaluation and decryption together, and "
        f"{ours['concrete_ml_over_evaluate']:,} times our evaluation. It protects something else: the bank's features "
        "from a server that holds the model in clear, and every feature is encrypted.",
    ]


if __name__ == "__main__":
    main()
