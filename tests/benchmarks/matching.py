"""Matching beside what a user would pick instead, on the same files and cores in one run; the figures go to RESULTS.md.

``make bench-matching`` runs it. SecretFlow's protocols take part where ``make peers`` has set them up.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab.simulation.bench.matching_files import write_matching_files
from tests.benchmarks.results import keep, where

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PEERS = ROOT / ".venv-peers" / "bin" / "python"
OURS = ("x25519", "openmined")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--register", type=int, default=1_000_000)
    parser.add_argument("--portfolio", type=int, default=100_000)
    parser.add_argument("--engines", default=",".join(OURS), help="of ours, with commas")
    parser.add_argument("--peers", default="openmined-psi,unbalanced,ecdh,rr22", help="of the others, with commas")
    parser.add_argument("--cores", default="0,1", help="cores that everybody is pinned to")
    options = parser.parse_args()
    os.sched_setaffinity(0, {int(core) for core in options.cores.split(",")})
    rows = []
    with tempfile.TemporaryDirectory(prefix="shulab-peers-") as folder:
        write_matching_files(Path(folder), options.register, options.portfolio)
        for name, command in _contestants(options, Path(folder)):
            sys.stderr.write(f"{name} ...\n")
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=folder)
            if done.returncode:
                sys.exit(f"{name} ended with exit code {done.returncode}")
            rows.append((name, json.loads(done.stdout)))
    text = _report(options, rows)
    sys.stdout.write(text)
    keep(f"matching {options.register} x {options.portfolio}", text)


def _contestants(options: argparse.Namespace, folder: Path) -> Iterator[tuple[str, list[str]]]:
    lab = [sys.executable, "-P", "-m", "lab.cli", "bench", "matching", "--json"]
    for engine in filter(None, options.engines.split(",")):
        sizes = ["--register", str(options.register), "--portfolio", str(options.portfolio)]
        yield f"shulab {engine}", [*lab, *sizes, "--engine", engine]
    files = ["--register-file", str(folder / "register.csv"), "--portfolio-file", str(folder / "portfolio.csv")]
    for peer in filter(None, options.peers.split(",")):
        if peer == "openmined-psi":
            yield peer, [sys.executable, "-P", str(HERE / "peers" / "openmined_matching.py"), *files, "--json"]
        elif PEERS.exists():
            script = [str(PEERS), "-P", str(HERE / "peers" / "spu_matching.py"), *files]
            yield f"SecretFlow {peer}", [*script, "--protocol", peer, "--cores", options.cores, "--json"]
        else:
            sys.stderr.write(f"SecretFlow {peer} takes no part: run `make peers` first\n")


def _report(options: argparse.Namespace, rows: list[tuple[str, dict[str, Any]]]) -> str:
    found = dict(rows)
    path = next((facts["path"] for name, facts in rows if name == "shulab x25519"), "-")
    lines = [
        f"## Matching: register {options.register:,}, portfolio {options.portfolio:,}",
        "",
        f"{where(options.cores)}; x25519 ran on the {path} path. `make bench-matching REGISTER={options.register} "
        f"PORTFOLIO={options.portfolio}`.",
        "",
        "| | set-up s | online s | set-up CPU s | online CPU s | MB down | MB up | peak MiB bureau | peak MiB bank "
        "| matched |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, facts in rows:
        cells = (
            f"{facts['seconds_setup']:.1f}",
            f"{facts['seconds_online']:.1f}",
            f"{facts['cpu_setup']:.1f}",
            f"{_cpu_online(facts):.1f}",
            f"{facts['bytes_down'] / 1e6:.1f}",
            f"{facts['bytes_up'] / 1e6:.1f}",
            f"{facts['peak_rss_bureau'] / 2**20:,.0f}",
            f"{facts['peak_rss_bank'] / 2**20:,.0f}",
            f"{facts['matched']:,}",
        )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", "Ratios (ours / theirs; under 1 is faster):", ""]
    ours = found.get("shulab x25519")
    for name, facts in rows:
        if ours is None or name.startswith("shulab x25519"):
            continue
        mine, other = (_times(one) for one in (ours, facts))
        lines.append(f"* {name}: " + ", ".join(f"{_ratio(mine[what], other[what])} {what}" for what in mine))
    if ours is not None:
        lines += [
            "",
            f"A set-up of ours takes {ours['setup_bits_an_entry']} bits an entry; a Golomb-coded set at 2^-40 needs "
            f"{ours['bound_bits_an_entry']}.",
            f"Importing the file beforehand took {ours['seconds_import']:.1f} s and "
            f"{ours['peak_rss_import'] / 2**20:,.0f} MiB, which are in no figure above.",
            f"Beside the arithmetic, ours: {_rest(ours, 'setup')} processor seconds of the set-up, "
            f"{_rest(ours, 'online')} online (`lab bench matching` shows each process).",
            "CPU s: processor seconds of both parties; ours hold the starts of our commands, theirs their calls alone.",
        ]
    return "\n".join(lines) + "\n"


def _times(facts: dict[str, Any]) -> dict[str, float]:
    return {
        "set-up": facts["seconds_setup"],
        "online": facts["seconds_online"],
        "set-up CPU": facts["cpu_setup"],
        "online CPU": _cpu_online(facts),
    }


def _cpu_online(facts: dict[str, Any]) -> float:
    return float(facts["cpu_online_bureau"] + facts["cpu_online_bank"])


def _rest(facts: dict[str, Any], phase: str) -> str:
    return f"{facts['processor'][phase]['all']['rest']:.1f}"


def _ratio(ours: float, theirs: float) -> str:
    return f"{ours / theirs:.2f}" if theirs else "-"


if __name__ == "__main__":
    main()
