"""Copies of the tree as each party would install it, and the ``lab`` command run from such a copy."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("lab", "models", "protocols", "sandbox")

BUREAU_ONLY = (
    "lab/bureau",
    "lab/cli/bureau",
    "lab/cli/officer",
    "lab/cli/simulation",
    "lab/simulation",
    "models/bureau",
    "protocols/**/bureau.py",
    "protocols/matching/key_derivation.py",
    "sandbox",
)
"""What no bank needs: removed from the bank's copy (a simulation belongs to neither)."""

BANK_ONLY = ("lab/bank", "lab/cli/bank", "lab/cli/simulation", "lab/simulation", "protocols/**/bank.py")
"""What no bureau needs: removed from the bureau's copy."""


def install_without(removed: Sequence[str], target: Path) -> Path:
    """Copy the packages into ``target`` and remove ``removed`` (patterns from the root; each must exist)."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, target / package, ignore=shutil.ignore_patterns("__pycache__"))
    for pattern in removed:
        found = list(target.glob(pattern))
        if not found:
            raise FileNotFoundError(f"{pattern} names nothing in the tree: correct the list in {__file__}")
        for path in found:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return target


def environment(tree: Path) -> dict[str, str]:
    """Variables under which Python sees ``tree`` and the installed libraries, but not the installed Shulab.

    With ``-S`` the ``.pth`` file of the editable install is not read, so nothing but the copy can answer an import.
    """
    libraries = sysconfig.get_path("purelib")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(tree), libraries]), "COLUMNS": "120", "NO_COLOR": "1"}


def command(*words: str) -> list[str]:
    """The ``lab`` command as run from a copy."""
    return [sys.executable, "-S", "-m", "lab.cli", *words]


def run(tree: Path, *words: str, variables: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``lab WORDS`` from the copy ``tree`` and wait for it."""
    return subprocess.run(
        command(*words),
        cwd=tree,
        env={**environment(tree), **(variables or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
