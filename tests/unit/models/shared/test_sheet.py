"""The sheet: everything that a bank needs, no weights, and readable without the libraries of training."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from lab.terms.contract.document import ResultDetail
from lab.terms.errors import InvalidInput
from models.bureau.model import Model
from models.bureau.training.settings import TrainingSettings
from models.bureau.training.trainer import train_model
from models.shared.sheet import BankSheet

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def model() -> Model:
    rng = np.random.default_rng(1)
    public = pl.DataFrame({"hidden_public_column": rng.normal(size=400), "unasked": [1.0] * 400})
    bank = pl.DataFrame({"b": rng.normal(size=400), "c": rng.choice(["x", "y"], 400)})
    label = (public["hidden_public_column"].to_numpy() + bank["b"].to_numpy() > 0.5).astype(int)
    return train_model(public, bank, label, TrainingSettings(seed=1)).model


def test_a_sheet_goes_over_the_wire_unchanged(model: Model) -> None:
    for detail in ResultDetail:
        sheet = model.sheet(detail)
        again = BankSheet.from_json(sheet.to_json())
        assert again == sheet and again.sha256 == sheet.sha256
        assert len(again.describe_columns()) == len(again.columns)
        assert all(zh and en for zh, en in again.describe_columns())


def test_a_sheet_holds_no_weight_and_no_threshold_of_the_bureau(model: Model) -> None:
    text = model.sheet(ResultDetail.FULL).to_json()
    document = json.loads(text)
    assert not {"forest", "trees", "weights"} & set(document)
    splits = [node.split for tree in model.forest.trees for node in tree if node.split]
    # LightGBM cuts every feature that crosses zero at 1e-35; any other cut is the feature's own.
    cuts = {split.threshold for split in splits if split.feature == 0 and abs(split.threshold) > 1e-30}
    leaves = {node.value for tree in model.forest.trees for node in tree if node.split is None}
    numbers = set(_numbers(document))
    assert cuts and not cuts & numbers
    assert leaves and not leaves & numbers
    assert b"unasked" not in text


def _numbers(part: Any) -> list[float]:
    if isinstance(part, dict):
        return [number for value in part.values() for number in _numbers(value)]
    if isinstance(part, list):
        return [number for value in part for number in _numbers(value)]
    return [part] if isinstance(part, float) else []


TAMPERED: dict[str, Callable[[Any], Any]] = {
    "unknown field": lambda d: d.update(weights=[1]),
    "quantum": lambda d: d.update(quantum=0.3),
    "a feature of the bureau": lambda d: d["features"][0].update(party="bureau"),
    "column of another bin": lambda d: d["columns"][0].update(tests=[[0, [4000]]]),
    "output of nobody": lambda d: d["outputs"][-2].update(key="nobody"),
    "output twice": lambda d: d["outputs"].append(d["outputs"][0]),
    "outputs of another detail": lambda d: d.update(detail="total"),
    "error bound": lambda d: d.update(error_bound=-1),
}


@pytest.mark.parametrize("change", TAMPERED.values(), ids=TAMPERED.keys())
def test_a_tampered_sheet_is_refused(model: Model, change: Callable[[Any], Any]) -> None:
    document = json.loads(model.sheet(ResultDetail.FULL).to_json())
    change(document)
    with pytest.raises(InvalidInput):
        BankSheet.from_json(json.dumps(document).encode())


def test_a_bank_needs_no_library_of_training() -> None:
    """In a fresh interpreter, the modules that a bank imports load no library of training and no weights."""
    code = (
        "import sys; from models.shared import calibration, columns, dimensions, features, portrait, sheet; "
        "unwanted = {'lightgbm', 'sklearn', 'optbinning', 'scipy', 'models.bureau.decomposition'}; "
        "print(sorted(unwanted & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
