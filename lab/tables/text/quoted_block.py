"""A block of quoted CSV (RFC 4180) as one without quotation marks, which is split several times as fast.

The marks are checked by their places alone: one opens at the start of a field, closes before a separator or a line end,
and is written twice inside. Such text says the same to ``csv.reader``. Inside quotes, separators and line ends are
written as two control characters, which ``restore`` turns back; text that has them itself is not taken.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

_QUOTE, _LINE_END = ord('"'), ord("\n")
_SEPARATOR_INSIDE: Final = "\x1f"
_LINE_END_INSIDE: Final = "\x1e"
_LONGEST_ROW: Final = csv.field_size_limit()
"""Bytes; ``csv.reader`` refuses a longer field."""

Bytes = NDArray[np.uint8]
Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class QuotedBlock:
    """Whole records. ``data``: their bytes without quotation marks; ``lengths``: bytes of each record there, with its
    line end; ``width``: fields of each, 0 for a blank line. ``inside``: whether separators or line ends are hidden."""

    data: Bytes
    lengths: Places
    width: Places
    inside: bool

    def restore(self, frame: pl.DataFrame, separator: str) -> pl.DataFrame:
        """The cells with the separators and line ends that were in quotes."""
        if not self.inside:
            return frame
        text = pl.all().str.replace_all(_SEPARATOR_INSIDE, separator, literal=True)
        return frame.select(text.str.replace_all(_LINE_END_INSIDE, "\n", literal=True))


def read_quoted_block(text: str, separator: str) -> QuotedBlock | None:
    """The records of ``text``; None for text that is not in order, does not end with a line, or that only
    ``csv.reader`` can judge."""
    if not text.endswith("\n") or _SEPARATOR_INSIDE in text or _LINE_END_INSIDE in text:
        return None
    data = np.frombuffer(text.encode(), dtype=np.uint8)
    quotes = np.flatnonzero(data == _QUOTE)
    if len(quotes) % 2 or not _in_order(data, quotes, ord(separator)):
        return None
    ends, ends_inside = _split(np.flatnonzero(data == _LINE_END), quotes)
    separators, separators_inside = _split(np.flatnonzero(data == ord(separator)), quotes)
    starts = np.concatenate(([0], ends[:-1] + 1))
    if len(ends) == 0 or int((ends - starts).max()) > _LONGEST_ROW:
        return None
    width = np.searchsorted(separators, ends) - np.searchsorted(separators, starts) + 1
    width[ends == starts] = 0
    plain = data.copy()
    plain[separators_inside], plain[ends_inside] = ord(_SEPARATOR_INSIDE), ord(_LINE_END_INSIDE)
    dropped = _dropped_marks(quotes)
    kept = np.ones(len(data), dtype=np.bool_)
    kept[dropped] = False
    lengths = ends - starts + 1 - (np.searchsorted(dropped, ends) - np.searchsorted(dropped, starts))
    return QuotedBlock(plain[kept], lengths, width, bool(len(separators_inside) or len(ends_inside)))


def _in_order(data: Bytes, quotes: Places, separator: int) -> bool:
    """Whether each mark opens a field, closes one, or is one of two inside."""
    opening, closing = quotes[::2], quotes[1::2]
    if not len(quotes):
        return True
    before = np.where(opening > 0, data[opening - 1], _LINE_END)
    after = data[np.minimum(closing + 1, len(data) - 1)]  # the last byte is a line end
    good_before = (before == separator) | (before == _LINE_END) | (before == _QUOTE)
    good_after = (after == separator) | (after == _LINE_END) | (after == _QUOTE)
    return bool(good_before.all() and good_after.all())


def _split(places: Places, quotes: Places) -> tuple[Places, Places]:
    """The places outside quotes, and those inside."""
    inside = (np.searchsorted(quotes, places) & 1).astype(np.bool_)
    return places[~inside], places[inside]


def _dropped_marks(quotes: Places) -> Places:
    """All marks but the second of two inside a field, which stands for one."""
    opening, closing = quotes[::2], quotes[1::2]
    again = np.zeros(len(opening), dtype=np.bool_)
    again[1:] = opening[1:] == closing[:-1] + 1
    return np.sort(np.concatenate((opening[~again], closing)))
