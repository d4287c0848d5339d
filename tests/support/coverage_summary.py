"""What the tests ran of the product, after ``make test``: the least covered modules, the total, and the floor.

``python -m tests.support.coverage_summary`` reads what ``coverage combine`` left. Exit code 1: below the floor.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import coverage

SHOWN = 12
SLACK = 1.0
"""Percentage points that the floor may be behind. A few lines depend on how processes happen to be scheduled."""


@dataclass(frozen=True)
class Module:
    """One module: percent of its lines and branches that were run, and how many of both were not."""

    path: str
    percent: float
    missing: int


def read_modules(measured: coverage.Coverage) -> tuple[float, list[Module]]:
    """The total in percent, and every module."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "coverage.json"
        total = measured.json_report(outfile=str(file))
        files = json.loads(file.read_text(encoding="utf-8"))["files"]
    modules = [Module(path, one["summary"]["percent_covered"], _missing(one["summary"])) for path, one in files.items()]
    return total, modules


def describe(total: float, floor: float, modules: list[Module]) -> str:
    """The summary as lines of text: the modules with the least coverage, the total, and what to do about the floor."""
    text = io.StringIO()
    print(f"Coverage of lines and branches: {total:.1f} % (floor {floor:g} %). Least covered:", file=text)
    for module in sorted(modules, key=lambda one: (one.percent, one.path))[:SHOWN]:
        print(f"  {module.percent:5.1f} %  {module.path} ({module.missing} lines and branches not run)", file=text)
    if total < floor:
        print(
            f"Expected at least {floor:g} %, found {total:.2f} %. Run `make coverage` to see what no test runs, and"
            " write tests for it; the floor is never lowered.",
            file=text,
        )
    elif total >= floor + SLACK:
        print(f"Raise the floor: fail_under in pyproject.toml can be {int(total)}.", file=text)
    return text.getvalue()


def main() -> int:
    """Print the summary; 1 if the total is below the floor."""
    measured = coverage.Coverage()
    measured.load()
    total, modules = read_modules(measured)
    floor = float(measured.get_option("report:fail_under") or 0)  # type: ignore[arg-type]
    sys.stdout.write(describe(total, floor, modules))
    return int(total < floor)


def _missing(summary: dict[str, int]) -> int:
    return summary["missing_lines"] + summary["missing_branches"]


if __name__ == "__main__":
    sys.exit(main())
