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
    SCALED = (
        "scaled",
        "格自带万、亿等单位，其余按所写数字读取；若其余也以此为单位，请在词典中写 unit",
        "cells name thousands or more, the others are read as written; if they are in that unit too, say unit in the "
        "dictionary",
    )
    CURRENCIES = (
        "currencies",
        "格的货币与其余不同，未作换算",
        "cells are in another currency than the rest; nothing was converted",
    )
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
        "cells have a number for no value (such as -999) and count as missing",
    )
    MAYBE_SENTINEL = (
        "maybe-sentinel",
        "格可能是代表无值的数字（如 -999），按数字读取；若是，请在词典中写 null",
        "cells may have a number for no value (such as -999), read as a number; if so, say null in the dictionary",
    )
    SENTINEL_DAYS = (
        "sentinel-days",
        "格为代表无值的日期（如 9999-12-31）或 0，按缺失处理",
        "cells have a date for no value (such as 9999-12-31) or 0 and count as missing",
    )
    INFINITE = "infinite", "格为无穷大", "cells are infinite"
    OTHER_MARK = (
        "other-mark",
        "格的小数点与其余不同（逗号与点号互换），按缺失处理",
        "cells have another decimal mark than the rest (comma and point exchanged) and count as missing",
    )
    DECIMAL_COMMA = "decimal-comma", "格以逗号为小数点", "cells have a decimal comma"
    POINT_THOUSANDS = "point-thousands", "格以点号为千分位", "cells have points between thousands"
    MAYBE_THOUSANDS = (
        "maybe-thousands",
        "格的点号后都是三位数字，可能是千分位；按小数点读取，若是千分位则小了一千倍，请改写为不带点号的数字",
        "cells have a point and three digits, which may be thousands; read as a decimal point, so a thousand times too "
        "small if they are: then write the numbers without points",
    )
    ZEROS_LOST = (
        "zeros-lost",
        '格以零开头，按数字读取后零丢失；若是代码，请在词典中写 kind = "categorical"',
        'cells begin with a zero, which a number loses; if they are codes, say kind = "categorical" in the dictionary',
    )
    DIGITS_LOST = (
        "digits-lost",
        "格的整数超过 2^53，末位不精确",
        "cells are whole numbers beyond 2^53, whose last digits are not exact",
    )
    DAY_OR_MONTH = (
        "day-or-month",
        "个日期的日月顺序无法判断，按月在前读取",
        "dates may have the day or the month first; read with the month first",
    )
    BOTH_ORDERS = (
        "both-orders",
        "个日期的日月顺序与其余相反，按缺失处理",
        "dates have day and month the other way round than the rest and count as missing",
    )
    DIGIT_DATES = (
        "digit-dates",
        "格为数字形式的日期（如 20210304、202103）",
        "cells are dates in digits (20210304, 202103)",
    )
    SERIAL_DATES = (
        "serial-dates",
        "格为电子表格的日期序号（如 44259）",
        "cells are days as spreadsheets count them (such as 44259)",
    )
    UNCLEAR_DATES = (
        "unclear-dates",
        "格像日期，但年份只有两位，无法读取；请写四位年份",
        "cells look like dates with two digits for the year, which is not clear; write four digits",
    )
    ONE_AND_ZERO = (
        "one-and-zero",
        "格为 1 或 0，与表示是否的字词并用，按是否读取",
        "cells are 1 or 0 beside words for yes and no, and are read as these",
    )
    LIKE_CODES = (
        "like-codes",
        '种等长整数，可能是代码；若是，请在词典中写 kind = "categorical"',
        'different whole numbers of one length may be codes; if so, say kind = "categorical" in the dictionary',
    )
    LIKE_IDENTIFIERS = (
        "like-identifiers",
        "格为等长整数，像编号或电话号码，对模型没有意义",
        "cells are whole numbers of one length, like identifiers or telephone numbers, which tell a model nothing",
    )
    CODES = "codes", "格以零开头，整列按代码读取", "cells begin with a zero, so the column is read as codes"
    IDENTIFIERS = (
        "identifiers",
        "格为超过 2^53 的整数（如证件号码），整列按类别读取",
        "cells are whole numbers beyond 2^53 (such as identity numbers), so the column is read as categories",
    )
    NUMBERS_AMONG_TEXT = (
        "numbers-among-text",
        "格是数字，但其余太多不是，整列按类别读取",
        "cells are numbers, but too many others are not, so the column is read as categories",
    )
    NUMBER_LIKE = (
        "number-like",
        "格以数字开头，但整格不是数字，按类别读取",
        "cells begin with digits but are no numbers as a whole, and are read as categories",
    )
    SPELLINGS = (
        "spellings",
        "种写法与另一种只差大小写、空格或末尾标点，视为相同",
        "values differ from another only in case, spaces or marks at the end, and are read as that one",
    )
    LIKE_BOOLEAN = (
        "like-boolean",
        '格为是或否，其余不是，整列按类别读取；若为是否，请在词典中写 kind = "boolean"',
        "cells are yes or no, the others are not, so the column is read as categories; if it is yes/no, say kind = "
        '"boolean" in the dictionary',
    )
    MANY_LEVELS = (
        "many-levels",
        "种不同的值，模型只区分最常见的 63 种",
        "different values, of which a model tells the 63 most frequent apart",
    )
    EMPTY = "empty", "格全部没有值", "cells, none with a value"


@dataclass(frozen=True, slots=True)
class ColumnNote:
    """A note: its kind, how many cells (or levels) it is of, and ``places``: the numbers of some of their rows, in the
    file if its numbers were given (``column_kinds.summarise_columns``), else from 0.
    """

    kind: NoteKind
    count: int
    places: tuple[int, ...] = ()

    @property
    def text(self) -> BilingualText:
        """The note in (Chinese, English)."""
        count = f"{self.count:,}"
        if self.kind is NoteKind.MANY_LEVELS and self.count > 1_000:
            return f"超过 1,000 {self.kind.zh}", f"more than 1,000 {self.kind.en}"
        return f"{count} {self.kind.zh}", f"{count} {self.kind.en}"
