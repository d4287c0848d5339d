"""Concrete-ML on the same firms, in the separate environment that ``make peers`` creates."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from lab.simulation.bench.synthetic_firms import SyntheticFirms
from lab.terms.errors import ShulabError

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".venv-peers-concrete" / "bin" / "python"
STAMP = PYTHON.parents[1] / ".stamp"
_SCRIPT = ROOT / "tests" / "benchmarks" / "peers" / "concrete_scoring.py"


def measure_concrete_ml(
    pilot: SyntheticFirms, asked: SyntheticFirms, trees: int, *, rows: int = 1
) -> dict[str, Any] | None:
    """Train ``trees`` trees on ``pilot``, score ``rows`` firms of ``asked``; returns figures, or None if not set up.

    Raises ``ShulabError`` if it fails. It takes minutes.
    """
    if not (STAMP.exists() and _SCRIPT.exists()):
        return None
    with tempfile.TemporaryDirectory(prefix="shulab-peer-") as folder:
        file = Path(folder) / "firms.npz"
        scored = asked.take(0, rows)
        np.savez(file, pilot=_features(pilot), label=pilot.label, asked=_features(scored))
        words = ["--file", str(file), "--trees", str(trees), "--rows", str(rows), "--json"]
        done = subprocess.run(
            [str(PYTHON), "-P", "-W", "ignore", str(_SCRIPT), *words], stdout=subprocess.PIPE, text=True, cwd=folder
        )
    if done.returncode:
        raise ShulabError(
            f"Concrete-ML ended with exit code {done.returncode}.", next_step="read its output above, or give --no-peer"
        )
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return facts


def _features(firms: SyntheticFirms) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.hstack([firms.public.to_numpy(), firms.bank.to_numpy()]).astype(np.float64)
