"""Features: the columns of a table that enter a model, their kind, and how their text becomes numbers.

Both parties encode with this code, so a bin means the same on both sides. Tables come as text (every column a string,
as read from a file); numeric columns are accepted as they are.

In a numeric column a value that is not a number counts as missing. ``count_unreadable_cells`` counts such cells, so
that the caller can report them. Infinities are clipped to +-1e300 (LightGBM's own largest threshold).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from lab.terms.errors import InvalidInput
from models.shared.canonical_json import STRICT_CONFIG
from models.shared.dimensions import DEFAULT_DIMENSION, find_dimension

MISSING_MARKERS: tuple[str, ...] = ("", "na", "n/a", "nan", "null")  # compared in lower case, without outer spaces
MAX_CATEGORIES = 63  # with "other" a feature has at most 64 codes, so LightGBM's bitset has two words
MAX_NUMBER = 1e300
OTHER_ZH, OTHER_EN = "其他", "other"

FeatureParty = Literal["bank", "bureau"]
Word = Annotated[str, Field(max_length=200)]


@dataclass(frozen=True)
class FeatureDescription:
    """A dictionary's entry for one column: catalogue code, name in both languages, dimension, domain, grade."""

    item: str = ""
    zh: str = ""
    en: str = ""
    dimension: str = ""
    domain: str = ""
    grade: str = ""


@dataclass(frozen=True)
class Feature:
    """One input of a model: a column. ``categories`` are in order of codes; code ``len(categories)`` is "other"."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    party: FeatureParty
    kind: Literal["numeric", "categorical"]
    categories: Annotated[tuple[Word, ...], Field(max_length=MAX_CATEGORIES)]
    dimension: Annotated[str, Field(max_length=40)]
    label_zh: Word
    label_en: Word
    item: Annotated[str, Field(max_length=100)] = ""

    __pydantic_config__ = STRICT_CONFIG


def parse_feature_descriptions(dictionary: Mapping[str, Any]) -> dict[str, FeatureDescription]:
    """The ``[items.<column>]`` tables of a parsed TOML dictionary (keys: code, zh, en, dimension, domain, grade).

    Raises ``InvalidInput`` for an unknown dimension or an entry that is not a table of strings.
    """
    descriptions: dict[str, FeatureDescription] = {}
    items = dictionary.get("items", {})
    if not isinstance(items, Mapping):
        raise InvalidInput("Expected [items.<column>] tables in the dictionary; found something else.")
    for column, entry in items.items():
        if not isinstance(entry, Mapping):
            raise InvalidInput(f"Expected a table at items.{column} in the dictionary; found something else.")
        text = {key: str(entry.get(key, "")) for key in ("code", "zh", "en", "dimension", "domain", "grade")}
        if text["dimension"]:
            find_dimension(text["dimension"])
        descriptions[column] = FeatureDescription(item=text.pop("code"), **text)
    return descriptions


def infer_features(
    frame: pl.DataFrame, party: FeatureParty, dictionary: Mapping[str, FeatureDescription] | None = None
) -> tuple[Feature, ...]:
    """One feature for each column of ``frame``, in column order.

    A column is numeric if every value present is a number; an empty column is numeric too. Otherwise it is categorical,
    with its 63 most frequent values (ties by text) and "other".
    """
    descriptions = dictionary or {}
    return tuple(_infer_feature(frame[name], party, descriptions.get(name)) for name in frame.columns)


def encode_features(frame: pl.DataFrame, features: Sequence[Feature]) -> NDArray[np.float64]:
    """The inputs of a model: float64 [rows, features], NaN for missing, codes for categories.

    A categorical value that training has not seen gets the code of "other". Columns that no feature names are ignored.
    Raises ``InvalidInput`` naming the columns that are missing.
    """
    require_columns(frame, features)
    encoded = np.full((frame.height, len(features)), np.nan, order="F")  # written and read column by column
    for position, feature in enumerate(features):
        column = frame[feature.name]
        if feature.kind == "numeric":
            numbers = _numbers(column).to_numpy().astype(np.float64)
            encoded[:, position] = np.clip(numbers, -MAX_NUMBER, MAX_NUMBER)
        else:
            text = _present(column.cast(pl.String)).str.slice(0, 200)
            codes = text.replace_strict(
                list(feature.categories),
                list(range(len(feature.categories))),
                default=len(feature.categories),
                return_dtype=pl.Float64,
            )
            encoded[:, position] = np.where(text.is_null().to_numpy(), np.nan, codes.fill_null(np.nan).to_numpy())
    return encoded


def count_unreadable_cells(frame: pl.DataFrame, features: Sequence[Feature]) -> dict[str, int]:
    """How many cells of each numeric feature are present but not numbers; features without any are left out."""
    require_columns(frame, features)
    counts = {}
    for feature in features:
        column = frame[feature.name]
        if feature.kind == "numeric" and column.dtype == pl.String:
            count = int((_present(column).is_not_null() & _numbers(column).is_null()).sum())
            if count:
                counts[feature.name] = count
    return counts


def require_columns(frame: pl.DataFrame, features: Sequence[Feature]) -> None:
    """Raise ``InvalidInput`` naming the features' columns that ``frame`` does not have."""
    present = set(frame.columns)  # polars makes a new list each time
    absent = [feature.name for feature in features if feature.name not in present]
    if absent:
        raise InvalidInput(
            f"Expected {len(features)} feature columns; these are missing: {', '.join(absent[:20])}.",
            next_step="add the columns (empty cells are fine) or correct their names in the header",
        )


def _infer_feature(column: pl.Series, party: FeatureParty, described: FeatureDescription | None) -> Feature:
    description, categories = described or FeatureDescription(), _categories(column)
    return Feature(
        name=column.name,
        party=party,
        kind="categorical" if categories else "numeric",
        categories=categories,
        dimension=description.dimension or DEFAULT_DIMENSION[party],
        label_zh=description.zh or description.en or column.name,
        label_en=description.en or column.name,
        item=description.item,
    )


def _categories(column: pl.Series) -> tuple[str, ...]:
    """The categories of a column in order of codes; none for a numeric one."""
    if column.dtype != pl.String:
        return ()
    present = _present(column).drop_nulls()
    if not present.cast(pl.Float64, strict=False).null_count():
        return ()
    counts = present.value_counts(sort=False).sort(["count", column.name], descending=[True, False])
    return tuple(text[:200] for text in counts[column.name].head(MAX_CATEGORIES).to_list())


def _present(column: pl.Series) -> pl.Series:
    """Text without outer spaces, null for a marker of missing values."""
    text = column.str.strip_chars()
    return text.set(text.str.to_lowercase().is_in(list(MISSING_MARKERS)), None)


def _numbers(column: pl.Series) -> pl.Series:
    """Float64, null for a missing value and for text that is not a number."""
    if column.dtype == pl.String:
        column = _present(column)
    return column.cast(pl.Float64, strict=False).fill_nan(None)
