"""The notebooks run from first cell to last, on small sizes, and are kept with outputs that tell of no machine."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from tests.support.notebook_outputs import MACHINE_DETAIL, MOST_BYTES, NOTEBOOKS, outputs_of, run_notebook

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
    notebook = run_notebook(path, rows, tmp_path, timeout=300)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    noise = [out for cell in code for out in cell.outputs if out.output_type == "stream" and out.name == "stderr"]
    assert not noise, "a notebook run should not print warnings"
    assert any("image/png" in out.get("data", {}) for cell in code for out in cell.outputs), "a chart is missing"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_kept_with_outputs_that_tell_of_no_machine(path: Path) -> None:
    """`make notebooks` writes them anew when this fails."""
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), "run from first cell to last"
    assert any("image/png" in out.get("data", {}) for cell in code for out in cell.outputs), "a chart is missing"
    assert not any(out.output_type == "error" for cell in code for out in cell.outputs)
    assert not MACHINE_DETAIL.search(outputs_of(notebook))
    assert not any("execution" in cell.metadata for cell in notebook.cells)
    assert path.stat().st_size <= MOST_BYTES


def test_both_persons_have_one() -> None:
    assert {path.parent.name for path in NOTEBOOKS} >= {"bank", "researcher"}
