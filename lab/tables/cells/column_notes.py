"""What a person should know of how a column was read. A note names a count and places, never a value."""

from __future__ import annotations

from dataclasses import dataclass

from lab.terms.text.bilingual import BilingualEnum, BilingualText


class NoteKind(BilingualEnum):
    """Kinds of notes. ``zh`` and ``en`` go behind the number of cells (or levels)."""

    UNREADABLE = (
        "unreadable",
        "格无法按此类型读取，按缺失处理",
        "cells could not be read as this kind and count as missing",
    )
    STYLED = "styled", "格带千分位、货币或单位", "cells have marks of thousands, a currency or a unit"
    PERCENT = (
        "percent",
        "格为百分数，按小数读取（12% 为 0.12）",
        "cells are percentages, read as fractions (12% is 0.12)",
    )
    PERCENT_POINTS = (
        "percent-points",
        "格为百分数，与其余单元格一致，按所写数字读取（12% 为 12）",
        "cells are percentages, read as written like the other cells (12% is 12)",
    )
    NULL_WORDS = "null-words", "格为表示无值的字词", "cells have a word or mark for no value"
    SENTINEL = (
        "sentinel",
        "格为代表无值的数字（如 -999），按缺失处理",
        "cells have a number for no value (such as -999)",
    )
    INFINITE = "infinite", "格为无穷大", "cells are infinite"
    DECIMAL_COMMA = "decimal-comma", "格以逗号为小数点", "cells have a decimal comma"
    DAY_OR_MONTH = (
        "day-or-month",
        "个日期的日月顺序无法判断，按月在前读取",
        "dates may have the day or the month first; read with the month first",
    )
    BOTH_ORDERS = (
        "both-orders",
        "个日期的日月顺序与其余相反",
        "dates have day and month the other way round than the rest",
    )
    LIKE_CODES = (
        "like-codes",
        '种等长整数，可能是代码；若是，请在词典中写 kind = "categorical"',
        'different whole numbers of one length may be codes; if so, say kind = "categorical" in the dictionary',
    )
    CODES = "codes", "格以零开头，整列按代码读取", "cells begin with a zero, so the column is read as codes"
    NUMBERS_AMONG_TEXT = (
        "numbers-among-text",
        "格是数字，但其余太多不是，整列按类别读取",
        "cells are numbers, but too many others are not, so the column is read as categories",
    )
    MANY_LEVELS = (
        "many-levels",
        "种不同的值，模型只区分最常见的 63 种",
        "different values, of which a model tells the 63 most frequent apart",
    )
    EMPTY = "empty", "格全部为空", "cells, all of them empty"


@dataclass(frozen=True, slots=True)
class ColumnNote:
    """A note: its kind, how many cells (or levels) it is of, and the places of some of them (0: the first row)."""

    kind: NoteKind
    count: int
    places: tuple[int, ...] = ()

    @property
    def text(self) -> BilingualText:
        """The note in (Chinese, English)."""
        count = f"{self.count:,}"
        return f"{count} {self.kind.zh}", f"{count} {self.kind.en}"
