"""Cells as text in one spelling, and the words that stand for no value.

Text is normalised by NFKC (Unicode Standard Annex 15), which turns full-width letters and digits into ordinary ones;
digits of every script become 0 to 9. A cell with a raised or enclosed number or a fraction (``5²``, ``½``) is left as
it is, since NFKC would make 52 of it. Invisible marks are removed, spaces of every kind become one ordinary space,
HTML entities become their characters, and the marks by which a spreadsheet keeps a number as text (``'0111``,
``="0111"``) are taken off.
"""

from __future__ import annotations

import html
import sys
import unicodedata
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Final

import polars as pl

from lab.terms.text.text_formula import TEXT_FORMULA, without_text_formula

NULL_WORDS: Final = frozenset(
    [
        *(
            "na",
            "n/a",
            "#n/a",
            "#n/a n/a",
            "#na",
            "nan",
            "-nan",
            "+nan",
            "nat",
            "null",
            "(null)",
            "[null]",
            "<na>",
            "<null>",
        ),
        *("", "\\n", "#null!", "#div/0!", "#value!", "#ref!", "#name?", "#num!", "#num", "#calc!", "#spill!"),
        *("1.#qnan", "1.#ind", "-1.#ind", "1.#inf", "-1.#inf"),
    ]
)
"""No value in a column of any kind, in lower case: what databases, spreadsheets and data frames write for it."""
NUMBER_NULL_WORDS: Final = frozenset(
    [
        *(
            "none",
            "nil",
            "n.a.",
            "n.d.",
            "n.a",
            "unknown",
            "missing",
            "not available",
            "not applicable",
            "no data",
            "blank",
        ),
        *(
            "empty",
            "undefined",
            "tbd",
            "无",
            "暂无",
            "没有",
            "无数据",
            "暂缺",
            "缺失",
            "空",
            "空值",
            "未知",
            "不详",
            "未填",
        ),
        *("未填写", "不适用", "未提供", "待补", "待定", "未披露", "保密", "长期", "永久", "无期限", "无固定期限"),
        *("0000-00-00", "0000/00/00", "0000-00-00 00:00:00", "1900-01-00", "1900/1/0", "1900/01/00"),
    ]
)
"""No value in a column of numbers, dates or yes and no, in lower case. In a column of categories each is a category."""

_NO_LETTERS: Final = r"^[\-–—―_/\\.…*?#~·、。]+$"
"""Only marks, such as ``--``, ``****`` and ``#####``: no value, like ``NUMBER_NULL_WORDS``."""
_INVISIBLE: Final = r"[\p{Cc}\p{Cf}\x{FE00}-\x{FE0F}]"
_ORDINARY: Final = r"^[!#-%(-<>-~\x{4E00}-\x{9FFF}](?: ?[!-%'-~\x{4E00}-\x{9FFF}])*$"
"""ASCII without ``&`` and Chinese characters, no mark of text at the beginning, single spaces inside: nothing to
normalise.
"""
_GUARDED: Final = r"""^(?:'+([0-9+\-.].*)|"([^"]*)")$"""
_SAMPLE: Final = 20_000
"""Cells at the beginning of a column that show whether cells repeat."""
_MOST_PASSES: Final = 6
"""Passes until nothing changes any more; text that needs more keeps what is left."""


def normalise_text(column: pl.Series) -> pl.Series:
    """Text in one spelling, null where nothing is left; ``column`` and result: String [rows]."""
    return apply_to_distinct(column, _normalise)


def apply_to_distinct(column: pl.Series, change: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """``change(column)``, computed once for each distinct cell where cells repeat; ``change`` keeps the order."""
    sample = column.head(_SAMPLE)
    if column.len() < 1_000 or 2 * sample.n_unique() > sample.len():
        return change(column).alias(column.name)
    distinct = column.unique()
    if 2 * distinct.len() > column.len():
        return change(column).alias(column.name)
    table = pl.DataFrame({"cell": distinct, "result": change(distinct)})
    cells = column.to_frame("cell")
    return cells.join(table, on="cell", how="left", nulls_equal=True, maintain_order="left")["result"].alias(
        column.name
    )


def is_word(text: pl.Series, words: frozenset[str]) -> pl.Series:
    """Whether normalised text is one of ``words``, whatever its case; False for null."""
    longest, listed = _listed_words(words)
    short = text.str.len_bytes() <= longest
    if short.all():
        return text.str.to_lowercase().is_in(listed).fill_null(value=False)
    found = pl.zeros(text.len(), dtype=pl.Boolean, eager=True)
    places = short.fill_null(value=False).arg_true()
    few = text.gather(places).str.to_lowercase().is_in(listed)
    return found.scatter(places, few) if places.len() else found


@lru_cache(maxsize=1_000)
def _listed_words(words: frozenset[str]) -> tuple[int, pl.Series]:
    """The bytes of the longest cell that can be one of the words, and the words as a column: made once for each set."""
    longest = 2 * max((len(word.encode()) for word in words), default=0)  # capitals may have more bytes
    return longest, pl.Series(sorted(words), dtype=pl.String)


def is_soft_null(text: pl.Series) -> pl.Series:
    """Whether normalised text stands for no value in a column of numbers, dates or yes and no; False for null."""
    return is_word(text, NUMBER_NULL_WORDS) | text.str.contains(_NO_LETTERS).fill_null(value=False)


def _normalise(column: pl.Series) -> pl.Series:
    odd = ~column.str.contains(_ORDINARY).fill_null(value=True)
    if not odd.any():
        return column.set(column == "", None)
    text, places = column.clone(), odd.arg_true()
    for _ in range(_MOST_PASSES):
        before = text.gather(places)
        after = _change(before)
        moved = before.ne_missing(after)
        if not moved.any():
            break
        places = places.filter(moved)
        text.scatter(places, after.filter(moved))  # in place
    return text.set(text == "", None)


def _change(cells: pl.Series) -> pl.Series:
    """One pass over cells that are not ordinary."""
    text = _where(cells, r"&#?[0-9A-Za-z]+;", lambda some: some.map_elements(html.unescape, return_dtype=pl.String))
    text = text.str.replace_all(r"[\t\r\n\x{0B}\x{0C}]", " ").str.replace_all(_INVISIBLE, "")
    text = _where(text, r"\p{No}", lambda some: some, otherwise=lambda some: some.str.normalize("NFKC"))
    text = _where(text, r"[\p{Nd}--[0-9]]|[٫٬]", lambda some: some.str.replace_many(*_other_digits()))
    text = text.str.replace_all(r"\s+", " ").str.strip_chars()
    text = _where(text, _GUARDED, lambda some: some.str.replace(_GUARDED, "$1$2").str.strip_chars())
    return _where(text, TEXT_FORMULA, _inside_formula)


def _inside_formula(cells: pl.Series) -> pl.Series:
    return cells.to_frame("cell").select(without_text_formula(pl.col("cell")).str.strip_chars())["cell"]


def _where(
    cells: pl.Series,
    pattern: str,
    change: Callable[[pl.Series], pl.Series],
    otherwise: Callable[[pl.Series], pl.Series] | None = None,
) -> pl.Series:
    """``change`` of the cells with the pattern, ``otherwise`` of the rest, in their order."""
    found = cells.str.contains(pattern).fill_null(value=False)
    if not found.any():
        return otherwise(cells) if otherwise else cells
    rest = cells.filter(~found)
    changed = cells.clone().scatter(found.arg_true(), change(cells.filter(found)))
    return changed.scatter((~found).arg_true(), otherwise(rest)) if otherwise and rest.len() else changed


@cache
def _other_digits() -> tuple[list[str], list[str]]:
    """Digits of all scripts but ASCII, and the Arabic decimal and thousands marks, with what they become."""
    found = [c for c in map(chr, range(128, sys.maxunicode + 1)) if c.isdecimal()]  # category Nd
    return [*found, "٫", "٬"], [*(str(unicodedata.digit(c)) for c in found), ".", ","]
