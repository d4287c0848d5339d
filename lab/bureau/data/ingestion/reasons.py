"""Why a row of a delivery is set aside: for people in both languages, and what to do about it.

While rows are read a reason is a short text, ``CODE`` or ``CODE:ITEM``; several of one row are joined by ``; ``. No
reason holds a cell's value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

import polars as pl

from lab.terms.identifiers import RejectionReason
from lab.terms.text.bilingual import BilingualEnum

BETWEEN: Final = "; "


class SetAsideReason(BilingualEnum):
    """Why a row is set aside; the value is the code."""

    MISSING = "missing", "必填项为空", "is required and empty"
    NOT_A_NUMBER = "not-a-number", "不是数字", "is not a number"
    NOT_WHOLE = "not-whole", "不是整数", "is not a whole number"
    OTHER_UNIT = "other-unit", "写明的单位与映射文件所载不同", "names another unit than the mapping states"
    NO_UNIT = "no-unit", "未写明单位，而映射文件要求逐格写明", "names no unit, and the mapping says that each cell does"
    OTHER_CURRENCY = "other-currency", "不是人民币", "is in another currency than yuan"
    TOO_LARGE = "too-large", "数值过大，不可能", "is larger than any such value can be"
    OTHER_SCALE = (
        "other-scale",
        "约为该企业其他金额的一万倍或万分之一，疑似元与万元混用；核对无误的，请加 --accept-amounts 单独导入",
        "is about 10,000 times, or 1/10,000 of, the enterprise's other amounts, as if yuan and ten thousand yuan were "
        "mixed; if it is right, import it with --accept-amounts",
    )
    NOT_A_DATE = "not-a-date", "不是日期", "is not a date"
    DATE_ORDER = (
        "date-order",
        "日月次序不明或与映射文件所载（date_order）相反",
        "does not show which is day and month, or shows the contrary of the mapping's date_order",
    )
    STAND_IN_DATE = (
        "stand-in-date",
        "是代替空值的日期（如 1899、1900、9999 年）；若确为空，请在映射文件的 null 中列出",
        "is a date that stands for none (as of 1899, 1900, 9999); if so, list it under null in the mapping",
    )
    FUTURE_DATE = "future-date", "晚于收到之日", "is later than the day of receipt"
    PERIOD_START = (
        "period-start",
        "不是期间的首日；若任一日均可代表该期，请在映射文件中写 period",
        "is not the first day of a period; if any day stands for its period, state period in the mapping",
    )
    UNKNOWN_CODE = "unknown-code", "不在代码表中", "is not among the codes"
    NOT_YES_NO = "not-yes-no", "既不是“是”也不是“否”", "is neither yes nor no"
    TOO_LONG = "too-long-text", "文字过长", "is too long"
    ENDS_EARLY = "ends-early", "截止日早于起始日", "is a day before the record begins"
    UNMAPPED = (
        "unmapped",
        "旧代码不在对照表中（lab bureau legacy-codes import）",
        "is an old code that the table of legacy codes does not have (lab bureau legacy-codes import)",
    )
    LEGACY_FORM = "legacy-form", "不是 15 位注册号或 9 位组织机构代码", "is no 15-digit or 9-digit legacy code"
    DIFFERS = (
        "differs",
        "与已有记录不同；如属更正，请用 lab bureau records correct",
        "the record is held with other values; if this is right, send it with lab bureau records correct",
    )
    WAS_DELETED = (
        "was-deleted",
        "该记录已被删除；如应恢复，请用 lab bureau records correct",
        "the record was deleted; if it is to count again, send it with lab bureau records correct",
    )
    SAME_FILE = (
        "same-file",
        "同一文件中此记录有内容不同的多行，无从判断哪行为准",
        "rows of this file say different things of the same record; nobody can tell which counts",
    )
    EARLIER_ROW = (
        "earlier-row",
        "与文件前部已采用的一行不同",
        "differs from an earlier row of the file, which was taken",
    )
    NEVER_WAS = "never-was", "没有可更正或删除的记录", "there is no such record to correct or delete"


def row_reason(reason: SetAsideReason | RejectionReason, item: str = "") -> str:
    """The reason as it is kept with a row."""
    return f"{reason.value}:{item}" if item else reason.value


def is_reason(kept: str, reason: SetAsideReason) -> bool:
    """Whether a reason as it is kept is this one, of whichever item."""
    return kept.partition(":")[0] == reason.value


def join_reasons(reasons: Iterable[pl.Series], name: str = "reason") -> pl.Series:
    """All reasons of each row joined, null where there is none; each series String [rows]."""
    columns = [column.alias(str(place)) for place, column in enumerate(reasons)]
    frame = pl.DataFrame(columns)
    joined = frame.select(pl.concat_str(pl.all(), separator=BETWEEN, ignore_nulls=True).alias("joined"))["joined"]
    return joined.set(joined == "", None).alias(name)


def count_reasons(reasons: pl.Series) -> Counter[str]:
    """How many rows each reason was found in; a row with two reasons counts for both."""
    counted: Counter[str] = Counter()
    for joined, rows in reasons.value_counts(name="rows").iter_rows():
        for reason in (joined or "").split(BETWEEN):
            if reason:
                counted[reason] += rows
    return counted


def describe_reason(reason: str) -> tuple[str, str]:
    """A reason in Chinese and English: ``sales: is not a number``."""
    code, _, item = reason.partition(":")
    word = _WORDS[code]
    return (f"{item}：{word[0]}", f"{item}: {word[1]}") if item else word


def describe_reasons(reasons: pl.Series) -> pl.Series:
    """Joined reasons as sentences in both languages, for the file of rows set aside; items with one reason together."""
    words: dict[str, str] = {}
    for joined in reasons.drop_nulls().unique().to_list():
        items: dict[str, list[str]] = {}
        for one in joined.split(BETWEEN):
            code, _, item = one.partition(":")
            items.setdefault(code, []).extend([item] if item else [])
        pairs = [describe_reason(f"{code}:{', '.join(names)}") for code, names in items.items()]
        words[joined] = "；".join(zh for zh, _ in pairs) + " · " + BETWEEN.join(en for _, en in pairs)
    if not words:
        return reasons
    return reasons.replace_strict(words, default=None, return_dtype=pl.String)


_WORDS: Final[dict[str, tuple[str, str]]] = {one.value: (one.zh, one.en) for one in (*RejectionReason, *SetAsideReason)}
