"""Cells as text in one spelling, and the words that stand for no value.

Text is normalised by NFKC (Unicode Standard Annex 15), which turns full-width letters and digits into ordinary ones.
Invisible marks are removed, spaces of every kind become one ordinary space, and the marks by which a spreadsheet keeps
a number as text (``'0111``, ``="0111"``) are taken off.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import polars as pl

NULL_WORDS: Final = frozenset(
    [
        *(
            "",
            "na",
            "n/a",
            "#n/a",
            "#n/a n/a",
            "#na",
            "nan",
            "-nan",
            "nat",
            "null",
            "(null)",
            "[null]",
            "<na>",
            "<null>",
        ),
        *("\\n", "#null!", "#div/0!", "#value!", "#ref!", "#name?", "#num!", "#num", "1.#qnan", "1.#ind", "-1.#ind"),
    ]
)
"""No value in a column of any kind, in lower case: what databases, spreadsheets and data frames write for it."""
NUMBER_NULL_WORDS: Final = frozenset(
    [
        *(
            "-",
            "--",
            "---",
            "—",
            "——",
            "–",
            "_",
            "/",
            "\\",
            ".",
            "..",
            "...",
            "*",
            "?",
            "??",
            "none",
            "nil",
            "n.a.",
            "n.d.",
        ),
        *("unknown", "missing", "not available", "not applicable", "no data", "blank", "empty", "#", "无", "暂无"),
        *("没有", "无数据", "暂缺", "缺失", "空", "空值", "未知", "不详", "未填", "未填写", "不适用", "未提供", "待补"),
    ]
)
"""No value in a column of numbers or dates, in lower case. In a column of categories each is a category."""

_INVISIBLE: Final = r"[\p{Cc}\p{Cf}\x{FE00}-\x{FE0F}]"
_ORDINARY: Final = r"^[!-~]+$"


def normalise_text(column: pl.Series) -> pl.Series:
    """Text in one spelling, null where nothing is left; ``column`` and result: String [rows]."""
    return apply_to_distinct(column, _normalise)


def apply_to_distinct(column: pl.Series, change: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """``change(column)``, computed once for each distinct cell where cells repeat; ``change`` keeps the order."""
    if column.len() < 1_000:
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
    return text.str.to_lowercase().is_in(sorted(words)).fill_null(value=False)


def _normalise(column: pl.Series) -> pl.Series:
    odd = ~column.str.contains(_ORDINARY).fill_null(value=True)
    text = column.clone()  # ``scatter`` writes in place
    if odd.any():
        changed = column.filter(odd).str.replace_all(r"[\t\r\n\x{0B}\x{0C}]", " ").str.replace_all(_INVISIBLE, "")
        changed = changed.str.normalize("NFKC").str.replace_all(r"\s+", " ").str.strip_chars()
        text = text.scatter(odd.arg_true(), changed)
    guarded = text.str.contains(r"""^(=".*"|'[0-9+\-.].*)$""").fill_null(value=False)
    if guarded.any():
        freed = text.filter(guarded).str.replace(r"""^(?:="(.*)"|'(.*))$""", "$1$2").str.strip_chars()
        text = text.scatter(guarded.arg_true(), freed)
    return text.set(text == "", None)
