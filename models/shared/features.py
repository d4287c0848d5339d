"""Features: the columns of a table that enter a model, how their cells are read, and how they become numbers.

Both parties encode with this code, so a bin means the same on both sides. Tables come as text (every column a string,
as read from a file); typed columns are accepted as they are. ``lab.tables.cells`` reads the cells. A cell that is not
of the column's kind counts as missing; ``read_features`` counts such cells, so that the caller can report them.
Infinities are clipped to +-1e300 (LightGBM's own largest threshold).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from lab.tables.cells.column_kinds import ColumnHint, ColumnSummary, require_decided, summarise_columns
from lab.tables.cells.reading import CellReading, ColumnKind, read_cells
from lab.tables.cells.text import apply_to_distinct
from lab.tables.cells.values.categories import category_keys
from lab.terms.errors import InvalidInput
from models.shared.canonical_json import STRICT_CONFIG
from models.shared.dimensions import DEFAULT_DIMENSION

LEAST_OF_A_CATEGORY, LEAST_ROWS_OF_A_PILOT = 5, 40
"""A category of fewer rows is "other", in a sample of as many rows as training needs: its name would tell every bank of
the model what one enterprise has in this column."""
MAX_CATEGORIES = 63  # with "other" a feature has at most 64 codes, so LightGBM's bitset has two words
MAX_NUMBER = 1e300
OTHER_ZH, OTHER_EN = "其他", "other"

FeatureParty = Literal["bank", "bureau"]
Word = Annotated[str, Field(max_length=200)]


@dataclass(frozen=True)
class FeatureDescription:
    """A dictionary's entry for one column: catalogue code, name in both languages, dimension, domain, grade.

    And how its cells are read: ``kind`` (one of ``COLUMN_KINDS``, or empty: decided by the cells), ``unit`` of bare
    numbers, and ``null``, further words or numbers for no value.
    """

    item: str = ""
    zh: str = ""
    en: str = ""
    dimension: str = ""
    domain: str = ""
    grade: str = ""
    kind: str = ""
    unit: str = ""
    null: tuple[str, ...] = ()
    reading: CellReading | None = None
    """Conventions decided before, for a column that is read again."""

    @property
    def hint(self) -> ColumnHint:
        """What the entry states of how cells are read."""
        return ColumnHint(cast(ColumnKind, self.kind) if self.kind else None, self.unit, self.null, self.reading)


@dataclass(frozen=True)
class Feature:
    """One input of a model: a column, and how its cells are read.

    ``categories`` are in order of codes; code ``len(categories)`` is "other".
    """

    name: Annotated[str, Field(min_length=1, max_length=200)]
    party: FeatureParty
    kind: ColumnKind
    categories: Annotated[tuple[Word, ...], Field(max_length=MAX_CATEGORIES)]
    dimension: Annotated[str, Field(max_length=40)]
    label_zh: Word
    label_en: Word
    item: Annotated[str, Field(max_length=100)] = ""
    reading: CellReading = field(default_factory=CellReading)

    __pydantic_config__ = STRICT_CONFIG


def infer_features(
    frame: pl.DataFrame,
    party: FeatureParty,
    dictionary: Mapping[str, FeatureDescription] | None = None,
    summaries: Sequence[ColumnSummary] | None = None,
) -> tuple[Feature, ...]:
    """One feature for each column of ``frame``, in column order.

    Kind and conventions are those of ``summaries``, or are decided here (``describe_columns``). A categorical feature
    has the 63 most frequent values (ties by text) and "other". Raises ``InvalidInput`` naming columns that are not of
    one kind (``column_kinds.require_decided``).
    """
    descriptions = dictionary or {}
    found = describe_columns(frame, descriptions) if summaries is None else summaries
    require_decided(found)
    return tuple(
        _feature(frame[summary.name], summary, party, descriptions.get(summary.name, FeatureDescription()))
        for summary in found
    )


def describe_columns(
    frame: pl.DataFrame,
    dictionary: Mapping[str, FeatureDescription] | None = None,
    row_numbers: NDArray[np.int64] | None = None,
) -> tuple[ColumnSummary, ...]:
    """How each column is read, in column order; a dictionary's statements are not questioned. ``row_numbers``, [rows]:
    each row's number in its file, for the notes.
    """
    return summarise_columns(frame, {name: entry.hint for name, entry in (dictionary or {}).items()}, row_numbers)


def settle_descriptions(
    descriptions: Mapping[str, FeatureDescription], found: Iterable[ColumnSummary | Feature]
) -> dict[str, FeatureDescription]:
    """Descriptions that state kind and conventions of each column as ``found``, so that they are not decided again."""
    return {
        **descriptions,
        **{
            one.name: replace(
                descriptions.get(one.name, FeatureDescription()), kind=one.kind, reading=one.reading, unit="", null=()
            )
            for one in found
        },
    }


@dataclass(frozen=True)
class FeatureCells:
    """What was found in one feature's column. Counts are of rows: ``missing`` without a value, ``unreadable`` with
    something that is not of the kind (they count as missing), ``contrary`` of these with another decimal mark or order
    of day and month than in training, ``unseen`` in no category of the model. ``unreadable_places``: places of the
    first few, 0 for the first row."""

    name: str
    rows: int
    missing: int
    unreadable: int
    unseen: int
    unreadable_places: tuple[int, ...] = ()
    contrary: int = 0


def encode_features(frame: pl.DataFrame, features: Sequence[Feature]) -> NDArray[np.float64]:
    """The inputs of a model: float64 [rows, features], NaN for missing, codes for categories.

    A categorical value that training has not seen gets the code of "other". Columns that no feature names are ignored.
    Raises ``InvalidInput`` naming the columns that are missing.
    """
    return read_features(frame, features)[0]


def read_features(
    frame: pl.DataFrame, features: Sequence[Feature]
) -> tuple[NDArray[np.float64], tuple[FeatureCells, ...]]:
    """As ``encode_features``, and what was found in each column."""
    require_columns(frame, features)
    encoded = np.full((frame.height, len(features)), np.nan, order="F")  # written and read column by column
    found = []
    for position, feature in enumerate(features):
        cells = read_cells(frame[feature.name], feature.kind, feature.reading)
        unseen = 0
        if feature.kind == "categorical":
            encoded[:, position] = _codes(cells.values, feature.categories)
            unseen = int((encoded[:, position] == len(feature.categories)).sum())
        else:
            numbers = cells.values.to_numpy().astype(np.float64)
            encoded[:, position] = np.clip(numbers, -MAX_NUMBER, MAX_NUMBER)
        unreadable = cells.unreadable.arg_true()
        places = tuple(unreadable.head(5).to_list())
        found.append(
            FeatureCells(
                name=feature.name,
                rows=frame.height,
                missing=cells.missing_count,
                unreadable=unreadable.len(),
                unseen=unseen,
                unreadable_places=places,
                contrary=int(cells.contrary.sum()),
            )
        )
    return encoded, tuple(found)


def require_columns(frame: pl.DataFrame, features: Sequence[Feature]) -> None:
    """Raise ``InvalidInput`` naming the features' columns that ``frame`` does not have."""
    present = set(frame.columns)  # polars makes a new list each time
    absent = [feature.name for feature in features if feature.name not in present]
    if absent:
        raise InvalidInput(
            f"Expected {len(features)} feature columns; these are missing: {', '.join(absent[:20])}.",
            next_step="add the columns as the pilot sample has them, or correct their names in the header",
        )


def _feature(
    column: pl.Series, summary: ColumnSummary, party: FeatureParty, description: FeatureDescription
) -> Feature:
    categories: tuple[str, ...] = ()
    kind = summary.kind
    if kind == "categorical":
        categories = _categories(read_cells(column, kind, summary.reading).values)
        kind = kind if categories else "numeric"  # without a single value
    return Feature(
        name=column.name,
        party=party,
        kind=kind,
        categories=categories,
        dimension=description.dimension or DEFAULT_DIMENSION[party],
        label_zh=description.zh or description.en or column.name,
        label_en=description.en or column.name,
        item=description.item,
        reading=summary.reading,
    )


def _codes(values: pl.Series, categories: Sequence[str]) -> NDArray[np.float64]:
    """The code of each category, float64 [rows], NaN for null; spellings of one category have its code."""
    keys = category_keys(pl.Series(categories, dtype=pl.String)).to_list()
    known = {key: float(code) for code, key in reversed(list(enumerate(keys)))}
    codes = apply_to_distinct(values, category_keys).replace_strict(
        list(known), list(known.values()), default=float(len(categories)), return_dtype=pl.Float64
    )
    return codes.set(values.is_null(), None).fill_null(np.nan).to_numpy()


def _categories(values: pl.Series) -> tuple[str, ...]:
    """The most frequent categories in order of codes, each in its most frequent spelling; ties by text.

    In a sample as large as training needs, rare ones are left out.
    """
    spellings = values.drop_nulls().alias("value").value_counts(sort=False)
    spellings = spellings.with_columns(key=category_keys(spellings["value"]))
    ordered = spellings.sort(["count", "value"], descending=[True, False])
    counts = ordered.group_by("key", maintain_order=True).agg(pl.col("value").first(), pl.col("count").sum())
    counts = counts.sort(["count", "value"], descending=[True, False])
    if values.len() >= LEAST_ROWS_OF_A_PILOT:
        counts = counts.filter(pl.col("count") >= LEAST_OF_A_CATEGORY)
    return tuple(counts["value"].head(MAX_CATEGORIES).to_list())
