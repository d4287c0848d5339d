"""Runs the notebooks on small made-up data and keeps their outputs: ``python -m tests.support.notebook_outputs``.

Kept outputs are for people who read a notebook without running it. They hold nothing of the machine that made them: no
path, no name of a user, no time of day, and a notebook with its outputs stays small.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.rglob("*.ipynb"))
ROWS = 2_000
MOST_BYTES = 400_000
MACHINE_DETAIL = re.compile(
    r"(?<![\w<.])/(?:work|home|root|tmp|usr|opt|var|mnt|Users)/|\\\\Users\\\\|\bpid \d|127\.0\.0\.1:\d"
)
"""What tells of the machine: absolute paths, process ids, ports."""


def run_notebook(path: Path, rows: int, folder: Path, *, timeout: int = 900) -> Any:
    """The notebook as run from first cell to last in ``folder``, on a made-up town of ``rows`` enterprises."""
    environment = {
        **os.environ,
        "SHULAB_NOTEBOOK_ROWS": str(rows),
        "SHULAB_NOTEBOOK_OUT": str(folder / "out"),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=timeout, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute(env=environment)
    return notebook


def without_machine_detail(notebook: Any, folder: Path) -> Any:
    """The notebook without times of execution, and with the run's folder named as a person would name it."""
    notebook.metadata.pop("widgets", None)
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            for holder in (output, output.get("data", {})):
                for kind, text in list(holder.items()):
                    if isinstance(text, str) and kind != "image/png":
                        named = text.replace(str(folder), "shulab-notebook")
                        holder[kind] = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", named)
    return notebook


def outputs_of(notebook: Any) -> str:
    """All text of the outputs."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            found += [str(output.get("text", ""))]
            found += [str(text) for kind, text in output.get("data", {}).items() if kind != "image/png"]
    return "\n".join(found)


def main() -> None:
    """Run every notebook and keep its outputs."""
    for path in NOTEBOOKS:
        with tempfile.TemporaryDirectory() as folder:
            made = without_machine_detail(run_notebook(path, ROWS, Path(folder)), Path(folder))
        found = MACHINE_DETAIL.search(outputs_of(made))
        if found:
            sys.exit(f"{path.name}: an output tells of this machine; change the cell that prints it")
        nbformat.write(made, path)
        print(f"written: {path.relative_to(FOLDER.parent)}, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
