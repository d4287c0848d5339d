"""Why a row has no usable identifier."""

from __future__ import annotations

from lab.terms.text.bilingual import BilingualEnum

OPAQUE_MAX_CHARACTERS = 200  # longer than any register number in use; bounds the text that is hashed


class RejectionReason(BilingualEnum):
    """Why a row is set aside. The value is the code in files and JSON; ``zh`` and ``en`` are for people."""

    EMPTY = "empty", "没有填写代码", "no code is given"
    CHARACTERS = "characters", "含有代码中不允许的字符", "contains characters that a code can't have"
    ROUNDED = (
        "rounded",
        "被电子表格写成了数字（科学计数法，或 15 位以上带 .0），末几位可能已丢失，未作猜测",
        "is written as a number (with an exponent, or more than 15 digits and .0); its last digits may be lost",
    )
    LENGTH = "length", "不是 18 位", "is not 18 characters long"
    LOOK_ALIKE = (
        "look-alike",
        "含有易混淆字母 I、O、Z、S 或 V（标准不使用），未作猜测",
        "contains a look-alike letter I, O, Z, S or V, which the standard does not use; not guessed",
    )
    FORMAT = "format", "第 3 至 8 位不全是数字", "characters 3 to 8 are not all digits"
    CHECKSUM = "checksum", "校验码不符", "the check character does not fit"
    TOO_LONG = (
        "too-long",
        f"超过 {OPAQUE_MAX_CHARACTERS} 个字符",
        f"is longer than {OPAQUE_MAX_CHARACTERS} characters",
    )
    DUPLICATE = (
        "duplicate",
        "与前面某行代码相同，以首行为准",
        "the same code is in an earlier row; the first row counts",
    )
    RAGGED = "ragged", "列数与表头不符", "the number of fields differs from the header"
    HEADER = "header", "重复表头", "it repeats the header"
    TOTAL = "total", "表末的合计行", "it is a row of totals at the end"
