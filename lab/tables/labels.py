"""The label column of a pilot: which words mean a default, and the one label of an enterprise with several rows.

A column is read if all its labels are of one pair: 0 and 1, yes and no, 违约 and 正常. Anything else stops the command
with the count and the rows, never with the text. In a table of loans an enterprise has several rows. It counts as
defaulted if any of them did, the usual definition of a defaulted obligor; which row comes first decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lab.tables.cells.text import NULL_WORDS, is_soft_null, is_word, normalise_text
from lab.tables.cells.values.booleans import NO_AND_NOTHING, PAIRS
from lab.tables.cells.values.numbers import parse_plain
from lab.terms.errors import InvalidInput
from lab.terms.text.bilingual import BilingualText

UNLABELLED: Final = -1
LABEL_PAIRS: Final[tuple[tuple[str, str], ...]] = (
    ("0", "1"),
    *((no, yes) for yes, no in PAIRS),
    ("good", "bad"),
    ("g", "b"),
    ("假", "真"),
    ("好", "坏"),
    ("正常", "违约"),
    ("未违约", "违约"),
    ("非违约", "违约"),
    ("不违约", "违约"),
    ("未逾期", "逾期"),
    ("正常", "逾期"),
    ("non-default", "default"),
    ("no default", "default"),
)
"""(did not default, defaulted), normalised and in lower case; a column of yes and no says whether there was one."""
_ROWS_NAMED: Final = 10


@dataclass(frozen=True, slots=True)
class LabelColumn:
    """``values``, int8 [rows]: 1 defaulted, 0 did not, -1 without a label. ``pair``: the words, of ``LABEL_PAIRS``."""

    values: NDArray[np.int8]
    pair: tuple[str, str]

    def note(self) -> BilingualText | None:
        """Which word was read as a default, in both languages; None for 0 and 1."""
        if self.pair == LABEL_PAIRS[0]:
            return None
        good, bad = self.pair
        return f"标签 {bad} 读作违约，{good} 读作未违约", f"The label {bad} is read as default, {good} as no default"


@dataclass(frozen=True, slots=True)
class FirmLabels:
    """The labels of enterprises, int8 [firms]: 1 if any row is 1, else 0 if any is 0, else -1; and what was merged."""

    values: NDArray[np.int8]
    repeated_firms: int
    """Enterprises with several rows."""
    differing_firms: int
    """Of these, enterprises with rows of both labels; they count as defaulted."""
    unused_rows: int
    """Rows of which only the label is used, as they are not the first of their enterprise."""

    def notes(self) -> list[BilingualText]:
        """What a user must know, in both languages; empty if each enterprise has one row."""
        if not self.repeated_firms:
            return []
        return [
            (
                f"{self.repeated_firms:,} 户企业有多行：特征取首行，其余 {self.unused_rows:,} 行只用其标签；"
                f"任一行违约即为违约，其中 {self.differing_firms:,} 户各行标签不一，计为违约",
                f"{self.repeated_firms:,} enterprises have several rows: features come from the first, and of the "
                f"other {self.unused_rows:,} rows only the label is used; one row in default makes a default, so "
                f"{self.differing_firms:,} enterprises whose rows differ count as defaults",
            )
        ]


def read_labels(column: pl.Series, row_numbers: NDArray[np.int64]) -> LabelColumn:
    """Read a column of text, [rows]; ``row_numbers``, [rows], are the rows' numbers in the file, for messages.

    Raises ``InvalidInput`` with count and positions unless all labels are of one pair.
    """
    texts = column.cast(pl.String).fill_null("")
    spellings = texts.unique()
    words = _normalise(spellings)
    labels = set(words.drop_nulls().to_list())
    pair = max(LABEL_PAIRS, key=lambda words: len(labels & set(words)))  # the first of the best
    if strange := labels - set(pair):
        places = row_numbers[texts.is_in(spellings.filter(words.is_in(list(strange))).implode()).to_numpy()]
        listed = ", ".join(str(place) for place in places[:_ROWS_NAMED].tolist())
        more = ", …" if len(places) > _ROWS_NAMED else ""
        raise InvalidInput(
            f"Expected labels of one pair, such as 0 and 1, yes and no, 正常 and 违约, or nothing; found something "
            f"else in {len(places):,} rows (rows {listed}{more}).",
            next_step="write the label as 0 (no default) and 1 (default)",
        )
    codes = words.replace_strict({pair[0]: 0, pair[1]: 1}, default=UNLABELLED, return_dtype=pl.Int8)
    values = texts.replace_strict(spellings, codes, return_dtype=pl.Int8)
    return LabelColumn(values.to_numpy().astype(np.int8), pair)


def merge_labels(firms: NDArray[np.int64], labels: NDArray[np.int8], count: int) -> FirmLabels:
    """One label for each of ``count`` enterprises. ``firms``, ``labels``: each row's enterprise and label, [rows]."""
    worst = np.full(count, UNLABELLED, dtype=np.int8)
    np.maximum.at(worst, firms, labels)
    healthy = np.zeros(count, dtype=np.bool_)
    healthy[firms[labels == 0]] = True
    rows = np.bincount(firms, minlength=count)
    repeated = int((rows > 1).sum())
    return FirmLabels(worst, repeated, int(((worst == 1) & healthy).sum()), len(firms) - int((rows > 0).sum()))


def _normalise(texts: pl.Series) -> pl.Series:
    """Words of labels in one spelling, a number that is 0 or 1 as that digit, null for words that stand for no label.

    无 stays a word: beside 有 it means that there was no default.
    """
    words = normalise_text(texts).str.to_lowercase()
    nothing = (is_word(words, NULL_WORDS) | is_soft_null(words)) & (words != NO_AND_NOTHING)
    numbers = parse_plain(words)
    for number in ("0", "1"):
        words = words.set((numbers == float(number)).fill_null(value=False), number)
    return words.set(nothing.fill_null(value=True), None)
