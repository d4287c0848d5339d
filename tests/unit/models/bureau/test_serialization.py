"""Model files: loading gives the saved model, and a tampered file is refused before any of it is used."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from lab.terms.contract.document import ResultDetail
from lab.terms.errors import InvalidInput, NotFound, ShulabError
from models.bureau import serialization
from models.bureau.training.settings import TrainingSettings
from models.bureau.training.trainer import train_model


@pytest.fixture(scope="module")
def good() -> bytes:
    rng = np.random.default_rng(1)
    public = pl.DataFrame({"a": rng.normal(size=200), "t": rng.choice(["x", "y", "z"], 200)})
    bank = pl.DataFrame({"b": rng.normal(size=200), "c": rng.normal(size=200)})
    label = (public["a"].to_numpy() + bank["b"].to_numpy() > 0.5).astype(int)
    return serialization.serialize_model(train_model(public, bank, label, TrainingSettings(seed=1)).model)


def test_a_file_keeps_the_model(good: bytes, tmp_path: Path) -> None:
    model = serialization.load_model(good)
    serialization.save_model(model, tmp_path / "m.json")
    assert (tmp_path / "m.json").read_bytes() == good
    assert serialization.load_model(tmp_path / "m.json") == model
    assert [path.name for path in tmp_path.iterdir()] == ["m.json"]
    with pytest.raises(NotFound):
        serialization.load_model(tmp_path / "other.json")


def inner(document: Any) -> Any:
    return next(node for tree in document["forest"]["trees"] for node in tree if node["split"])


TAMPERED: dict[str, Callable[[Any], Any]] = {
    "unknown field": lambda d: d.update(code="import os"),
    "other schema": lambda d: d.update(schema="shulab-model/2"),
    "missing field": lambda d: d.pop("quantum"),
    "number as text": lambda d: d.update(quantum="0.5"),
    "quantum no power of two": lambda d: d.update(quantum=0.3),
    "quantum too fine": lambda d: d.update(quantum=2.0**-60),
    "quantum zero": lambda d: d.update(quantum=0),
    "loop": lambda d: inner(d).update(left=0),
    "child far away": lambda d: inner(d).update(left=10**6),
    "feature beyond": lambda d: inner(d)["split"].update(feature=99),
    "negative feature": lambda d: inner(d)["split"].update(feature=-1),
    "categories of a number": lambda d: inner(d)["split"].update(feature=0, categories=[1]),
    "bank feature first": lambda d: d["features"].reverse(),
    "name twice": lambda d: d["features"][3].update(name=d["features"][2]["name"]),
    "unknown dimension": lambda d: d["features"][0].update(dimension="luck"),
    "path in name": lambda d: d.update(name="../../etc/passwd"),
    "version zero": lambda d: d.update(version=0),
    "slope negative": lambda d: d["calibration"].update(slope=-1.0),
    "grades out of order": lambda d: d["scale"]["bounds"].reverse(),
    "reference twice": lambda d: d["references"].append(d["references"][0]),
    "short reference": lambda d: d["references"][0]["quantiles"].pop(),
    "limit below values": lambda d: d.update(value_limit=10),
}


@pytest.mark.parametrize("change", TAMPERED.values(), ids=TAMPERED.keys())
def test_a_tampered_file_is_refused(good: bytes, change: Callable[[Any], Any]) -> None:
    document = json.loads(good)
    change(document)
    with pytest.raises(InvalidInput):
        serialization.load_model(json.dumps(document).encode())


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_infinities_and_nan_are_refused(good: bytes, number: str) -> None:
    document = json.loads(good)
    inner(document)["split"]["threshold"] = "@"
    with pytest.raises(InvalidInput):
        serialization.load_model(json.dumps(document).replace('"@"', number).encode())


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b"\x80\x04K\x01.", b"[" * 100_000, b'{"a":'])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        serialization.load_model(data)


def test_a_free_model_declared_as_one_is_refused() -> None:
    rng = np.random.default_rng(2)
    public = pl.DataFrame({"a": rng.normal(size=300)})
    bank = pl.DataFrame({"b": rng.normal(size=300), "c": rng.normal(size=300)})
    label = (bank["b"].to_numpy() * bank["c"].to_numpy() > 0).astype(int)
    model = train_model(public, bank, label, TrainingSettings(interactions="free", seed=1)).model
    document = json.loads(serialization.serialize_model(model))
    document["interactions"] = "one"
    with pytest.raises(InvalidInput, match="one bank feature a path"):
        serialization.load_model(json.dumps(document).encode())
    with pytest.raises(InvalidInput, match="interactions=one"):
        model.sheet(ResultDetail.FULL)


def test_messages_carry_no_value_of_the_file(good: bytes) -> None:
    document = json.loads(good)
    document["features"][2]["kind"] = "secret-value"
    with pytest.raises(ShulabError) as caught:
        serialization.load_model(json.dumps(document).encode())
    assert "secret-value" not in str(caught.value) and "features" in str(caught.value)
