"""The sheet: what a bank learns of a model, and nothing more.

It names the bank's own features, the cut points (or conditions) that the model asks about, the outputs and their
quantum, and the public constants that turn a decrypted sum into a probability, a score and a portrait. It holds no
weight and no tree. A contract pins its SHA-256. Reading it needs neither LightGBM nor scikit-learn.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from lab.terms.contract.document import ResultDetail
from lab.terms.fields.field_types import Slug
from lab.terms.names import ModelRef
from lab.terms.text.bilingual import BilingualText
from models.shared.calibration import Calibration, ScoreScale, check_scale
from models.shared.canonical_json import STRICT_CONFIG, dump_canonical, parse_strict, require
from models.shared.columns import (
    MAX_COLUMNS,
    Binning,
    IndicatorColumn,
    check_columns,
    compute_indicators,
    describe_column,
)
from models.shared.dimensions import DIMENSION_CODES
from models.shared.drift.column_profiles import ColumnProfile, check_profiles
from models.shared.features import Feature, encode_features
from models.shared.item_sources import MAX_SOURCES, ItemSource, SourceWord

SHEET_SCHEMA = "shulab-sheet/1"
MAX_SHEET_BYTES = 8_000_000
QUANTILE_COUNT = 101
Family = Literal["boosted", "scorecard"]
Interactions = Literal["one", "free"]
"""``one``: a path tests at most one bank feature. ``free``: no constraint."""
Text = Annotated[str, Field(max_length=400)]


@dataclass(frozen=True)
class ScoreOutput:
    """One number that a reply has for each enterprise.

    ``total``: everything (key ``total``). ``dimension``: a dimension's subtotal (key: its code). ``feature``: a bank
    feature's subtotal (key: its name). ``public``: the part of public records alone (key ``public``).
    """

    kind: Literal["total", "dimension", "feature", "public"]
    key: Annotated[str, Field(max_length=200)]

    __pydantic_config__ = STRICT_CONFIG


TOTAL_OUTPUT = ScoreOutput("total", "total")
PUBLIC_OUTPUT = ScoreOutput("public", "public")


@dataclass(frozen=True)
class ReferenceDistribution:
    """The distribution of an output in the pilot sample, in raw units: mean and the 0th to 100th percentiles."""

    output: ScoreOutput
    mean: float
    quantiles: Annotated[tuple[float, ...], Field(min_length=QUANTILE_COUNT, max_length=QUANTILE_COUNT)]

    __pydantic_config__ = STRICT_CONFIG


@dataclass(frozen=True)
class PublicItem:
    """A catalogue item of the bureau that the model uses: a source of the public part of a portrait.

    ``sources``: where the item itself comes from, if it is computed from others; days are those of the register on
    which the model was trained. ``reason_zh`` and ``reason_en``: how a reason for a lower score says it, the same for
    every enterprise; empty if nothing does.
    """

    code: Text
    zh: Text
    en: Text
    dimension: Annotated[str, Field(max_length=40)]
    sources: Annotated[tuple[ItemSource, ...], Field(max_length=MAX_SOURCES)] = ()
    reason_zh: SourceWord = ""
    reason_en: SourceWord = ""

    __pydantic_config__ = STRICT_CONFIG


@dataclass(frozen=True)
class NamedValue:
    """A figure of the training, for example ``auc_model``, measured on rows that the model had not seen."""

    name: Annotated[str, Field(max_length=60)]
    value: float

    __pydantic_config__ = STRICT_CONFIG


@dataclass(frozen=True)
class BankSheet:
    """What a bank needs to encrypt indicators and to interpret sums.

    ``raw = quantum * (sum of all outputs of one kind of split) + intercept``. ``error_bound`` is the largest difference
    between that and the model's exact raw score, in raw units.
    """

    model: Slug
    version: Annotated[int, Field(ge=1)]
    family: Family
    interactions: Interactions
    detail: ResultDetail
    features: Annotated[tuple[Feature, ...], Field(max_length=2000)]
    binnings: Annotated[tuple[Binning, ...], Field(max_length=2000)]
    columns: Annotated[tuple[IndicatorColumn, ...], Field(max_length=MAX_COLUMNS)]
    quantum: float
    intercept: float
    error_bound: float
    outputs: Annotated[tuple[ScoreOutput, ...], Field(min_length=1, max_length=2010)]
    calibration: Calibration
    scale: ScoreScale
    references: Annotated[tuple[ReferenceDistribution, ...], Field(max_length=2020)]
    items: Annotated[tuple[PublicItem, ...], Field(max_length=2000)]
    facts: Annotated[tuple[NamedValue, ...], Field(max_length=50)]
    profiles: Annotated[tuple[ColumnProfile, ...], Field(max_length=2000)] = ()
    schema: Literal["shulab-sheet/1"] = "shulab-sheet/1"

    __pydantic_config__ = STRICT_CONFIG

    def compute_indicators(self, frame: pl.DataFrame) -> NDArray[np.uint8]:
        """The bank's indicators, uint8 [columns, rows] of 0 and 1, from its own records (text or numbers).

        Raises ``InvalidInput`` naming the feature columns that are missing.
        """
        return compute_indicators(self.features, self.binnings, self.columns, encode_features(frame, self.features))

    @property
    def ref(self) -> ModelRef:
        """The model of this sheet, by name and version."""
        return ModelRef(self.model, self.version)

    def describe_columns(self) -> list[BilingualText]:
        """What each column asks, in (Chinese, English), for a bank that checks what it encrypts."""
        return [describe_column(self.features, self.binnings, column) for column in self.columns]

    @cached_property
    def columns_sha256(self) -> str:
        """SHA-256, hexadecimal, of what the columns ask of which features.

        If it is the same for two sheets, indicators encrypted for one serve the other.
        """
        asked = {
            "features": [
                (feature.name, feature.kind, feature.categories, asdict(feature.reading)) for feature in self.features
            ],
            "binnings": [asdict(binning) for binning in self.binnings],
            "columns": [column.tests for column in self.columns],
        }
        return hashlib.sha256(json.dumps(asked, ensure_ascii=False).encode()).hexdigest()

    def find_reference(self, output: ScoreOutput) -> ReferenceDistribution | None:
        """The distribution of an output in the pilot sample, if the sheet has it."""
        return self._references.get(output)

    @cached_property
    def _references(self) -> dict[ScoreOutput, ReferenceDistribution]:
        return {reference.output: reference for reference in self.references}

    def to_json(self) -> bytes:
        """Canonical JSON (RFC 8785): the bytes whose SHA-256 a contract pins."""
        return dump_canonical(self)

    @property
    def sha256(self) -> str:
        """SHA-256 of ``to_json()``, hexadecimal."""
        return hashlib.sha256(self.to_json()).hexdigest()

    @classmethod
    def from_json(cls, data: bytes) -> BankSheet:
        """Parse a sheet strictly; raises ``InvalidInput`` naming what does not fit."""
        sheet = parse_strict(cls, data, what="a bank sheet", max_bytes=MAX_SHEET_BYTES)
        check_sheet(sheet)
        return sheet


def check_sheet(sheet: BankSheet) -> None:
    """Raise ``InvalidInput`` unless the parts of a sheet fit each other."""
    of = "a bank sheet"
    names = [feature.name for feature in sheet.features]
    require(len(set(names)) == len(names), "feature names that differ", of=of)
    require(all(feature.party == "bank" for feature in sheet.features), "features of the bank only", of=of)
    require(all(feature.dimension in DIMENSION_CODES for feature in sheet.features), "known dimensions", of=of)
    check_columns(sheet.features, sheet.binnings, sheet.columns, of=of)
    check_profiles(sheet.features, sheet.profiles, of=of)
    check_scale(sheet.calibration, sheet.scale, of=of)
    require(sheet.quantum > 0 and math.frexp(sheet.quantum)[0] == 0.5, "a quantum that is a power of two", of=of)
    require(sheet.error_bound >= 0, "an error bound that is not negative", of=of)
    require(len(set(sheet.outputs)) == len(sheet.outputs), "outputs that differ", of=of)
    kinds = {output.kind for output in sheet.outputs}
    expected = {
        ResultDetail.TOTAL: {"total"},
        ResultDetail.DIMENSIONS: {"dimension"},
        ResultDetail.FEATURES: {"feature", "public"},
        ResultDetail.FULL: {"dimension", "feature", "public"},
    }[sheet.detail]
    require(
        kinds <= expected and (sheet.detail is not ResultDetail.TOTAL or len(sheet.outputs) == 1),
        "outputs as its detail says",
        of=of,
    )
    for output in sheet.outputs:
        known = {"dimension": DIMENSION_CODES, "feature": names, "total": ("total",), "public": ("public",)}[
            output.kind
        ]
        require(output.key in known, "outputs it can name", of=of)
