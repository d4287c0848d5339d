"""The notebooks run from first cell to last, on small sizes, and are kept in git without outputs."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").rglob("*.ipynb"))


EXTRACTION = NOTEBOOKS[0].parents[1] / "researcher" / "02-model-extraction.ipynb"
SIZES = [
    *(pytest.param(path, 2_000, id=path.stem) for path in NOTEBOOKS),
    # Larger weights and an unusual base: the attack of this notebook has to work at any size.
    pytest.param(EXTRACTION, 3_000, id=f"{EXTRACTION.stem}-3000"),
    *(
        pytest.param(EXTRACTION, rows, id=f"{EXTRACTION.stem}-{rows}", marks=pytest.mark.soak)
        for rows in (1_000, 10_000)
    ),
]


@pytest.mark.parametrize(("path", "rows"), SIZES)
def test_it_runs(path: Path, rows: int, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "SHULAB_NOTEBOOK_ROWS": str(rows),
        "SHULAB_NOTEBOOK_OUT": str(tmp_path / "out"),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute(env=environment)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    noise = [out for cell in code for out in cell.outputs if out.output_type == "stream" and out.name == "stderr"]
    assert not noise, "a notebook run should not print warnings"
    assert any("image/png" in out.get("data", {}) for cell in code for out in cell.outputs), "a chart is missing"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_kept_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert all(not cell.outputs and cell.execution_count is None for cell in notebook.cells if cell.cell_type == "code")


def test_both_persons_have_one() -> None:
    assert {path.parent.name for path in NOTEBOOKS} >= {"bank", "researcher"}
