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
    r"(?<![\w<.])/(?:work|home|root|tmp|usr|opt|var|mnt|Users)/|\bpid \d|127\.0\.0\.1:\d"
    r"|'(?:seconds|peak_rss|started|finished)': (?!…|\{…)|(?<![\w.])\d+(?:\.\d+)? s(?!\w)"
)
"""What tells of the machine: absolute paths, process ids, ports, seconds, memory."""


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
                        holder[kind] = _without_detail(text.replace(str(folder), "shulab-notebook"))
    return notebook


def _without_detail(text: str) -> str:
    """Text without ports, seconds and bytes of memory, which tell of the machine and of how busy it was."""
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", text)
    text = re.sub(r"'seconds': \{[^}]*\}", "'seconds': {…}", text)
    text = re.sub(r"'(peak_rss|started|finished)': ('[^']*'|\d+)", r"'\1': …", text)
    return re.sub(r"(?<![\w.])\d+(?:\.\d+)? s(?!\w)", "… s", text)


def outputs_of(notebook: Any) -> str:
    """All text of the outputs."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            found += [str(output.get("text", ""))]
            found += [str(text) for kind, text in output.get("data", {}).items() if kind != "image/png"]
    return "\n".join(found)


def main() -> None:
    """Run every notebook, or those named, and keep the outputs."""
    for path in [one for one in NOTEBOOKS if len(sys.argv) == 1 or one.name in sys.argv[1:]]:
        with tempfile.TemporaryDirectory() as folder:
            made = without_machine_detail(run_notebook(path, ROWS, Path(folder)), Path(folder))
        found = MACHINE_DETAIL.search(outputs_of(made))
        if found:
            sys.exit(f"{path.name}: an output tells of this machine; change the cell that prints it")
        nbformat.write(made, path)
        print(f"written: {path.relative_to(FOLDER.parent)}, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
