"""Models as files: canonical JSON, strictly parsed. Loading an untrusted file runs no code from it."""

from __future__ import annotations

import math
import os
from pathlib import Path

from lab.terms.contract.document import ResultDetail
from lab.terms.errors import InvalidInput, NotFound
from models.bureau.forest import check_forest
from models.bureau.model import Model
from models.shared.calibration import check_scale
from models.shared.canonical_json import dump_canonical, parse_strict, require
from models.shared.columns import check_columns
from models.shared.dimensions import DIMENSION_CODES
from models.shared.drift.column_profiles import check_profiles

__all__ = ["Model", "load_model", "save_model", "serialize_model", "validate_model"]

MAX_MODEL_BYTES = 64_000_000


def serialize_model(model: Model) -> bytes:
    """The file's bytes (RFC 8785): equal models have equal bytes."""
    return dump_canonical(model)


def save_model(model: Model, path: Path) -> None:
    """Write the model. The file is either complete or absent."""
    draft = path.with_name(path.name + ".part")
    draft.write_bytes(serialize_model(model))
    os.replace(draft, path)


def load_model(source: Path | str | bytes) -> Model:
    """Read and validate a model from a file or its bytes.

    Raises ``NotFound`` if the file does not exist, ``InvalidInput`` if anything in it does not fit.
    """
    if isinstance(source, bytes):
        data = source
    else:
        path = Path(source)
        if not path.is_file():
            raise NotFound(f"Expected a model file; {path.name} is not there.", next_step="check the path")
        if path.stat().st_size > MAX_MODEL_BYTES:
            raise InvalidInput(
                f"Expected a model file of at most {MAX_MODEL_BYTES} bytes; found {path.stat().st_size}."
            )
        data = path.read_bytes()
    model = parse_strict(Model, data, what="a model file", max_bytes=MAX_MODEL_BYTES)
    validate_model(model)
    return model


def validate_model(model: Model) -> None:
    """Raise ``InvalidInput`` unless the parts of a model fit each other."""
    of = "a model file"
    features = model.features
    require(
        list(model.public_features) + list(model.bank_features) == list(features), "the bureau's features first", of=of
    )
    for group in (model.public_features, model.bank_features):
        require(len({feature.name for feature in group}) == len(group), "feature names that differ", of=of)
    for feature in features:
        require(feature.dimension in DIMENSION_CODES, "known dimensions", of=of)
        distinct = len(set(feature.categories)) == len(feature.categories)
        require((feature.kind == "categorical") == bool(feature.categories) and distinct, "categories that fit", of=of)
    require(len(model.profiles) in (0, len(features)), "a profile for each feature", of=of)
    for group, profiles in (
        (model.public_features, model.profiles[: len(model.public_features)]),
        (model.bank_features, model.profiles[len(model.public_features) :]),
    ):
        check_profiles(group, profiles, of=of)
    counts = tuple(len(f.categories) if f.kind == "categorical" else None for f in features)
    check_forest(model.forest, counts, of=of)
    check_scale(model.calibration, model.scale, of=of)
    require(model.quantum > 0 and math.frexp(model.quantum)[0] == 0.5, "a quantum that is a power of two", of=of)
    weights = model.column_weights  # raises unless the forest keeps to the declared interactions
    check_columns(model.bank_features, weights.binnings, weights.columns, of=of)
    require(model.value_bound(ResultDetail.FULL) <= model.value_limit, "values within its own limit", of=of)
    outputs = [reference.output for reference in model.references]
    require(len(set(outputs)) == len(outputs), "one reference for each output", of=of)
