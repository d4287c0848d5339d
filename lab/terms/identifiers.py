"""Identifiers of enterprises in one written form, or the reason why a row has no valid one.

Bank and bureau normalise with the same functions, so that two spellings of one code match. A unified social credit code
(GB 32100-2015) is checked by python-stdnum's rules. No character is guessed: the alphabet has no I, O, Z, S and V,
because they look like digits, and such a letter is reported, not replaced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import polars as pl
from numpy.typing import NDArray
from stdnum.cn import uscc

from lab.terms.names import IdKind
from lab.terms.text.bilingual import BilingualEnum

USCC_LENGTH = 18
OPAQUE_MAX_CHARACTERS = 200  # longer than any register number in use; bounds the text that is hashed

_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # GB 32100-2015, 4.1: without I, O, Z, S, V
_LOOK_ALIKES = "IOZSV"
_SEPARATORS = r"[\s\p{Pd}\p{Cf}\x{2212}]"  # white space, hyphens and dashes, zero-width marks, the minus sign


class RejectionReason(BilingualEnum):
    """Why a row is set aside. The value is the code in files and JSON; ``zh`` and ``en`` are for people."""

    EMPTY = "empty", "没有填写代码", "no code is given"
    CHARACTERS = "characters", "含有代码中不允许的字符", "contains characters that a code can't have"
    LENGTH = "length", "不是 18 位", "is not 18 characters long"
    LOOK_ALIKE = (
        "look-alike",
        "含有易混淆字母 I、O、Z、S 或 V（标准不使用），未作猜测",
        "contains a look-alike letter I, O, Z, S or V, which the standard does not use; not guessed",
    )
    FORMAT = "format", "前 8 位不全是数字", "the first 8 characters are not all digits"
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


@dataclass(frozen=True, slots=True)
class NormalisedIdentifiers:
    """Codes in one written form, in input order. ``reasons`` holds a ``RejectionReason`` where the code is None, and
    None elsewhere.
    """

    codes: tuple[str | None, ...]
    reasons: tuple[str | None, ...]

    @property
    def accepted_count(self) -> int:
        """How many rows have a code."""
        return sum(code is not None for code in self.codes)


def normalise_identifiers(values: Sequence[str | None], kind: IdKind) -> NormalisedIdentifiers:
    """Bring identifiers to one written form.

    ``uscc``: NFKC (full-width to half-width), white space and hyphens removed, upper case; then length, alphabet and
    check character of GB 32100-2015 are checked. ``opaque``: outer white space removed. A value that fails becomes
    None with its reason; no data raises an error. 1,000,000 codes take about one second.
    """
    column = pl.Series("code", values, dtype=pl.String)
    codes, reasons = _uscc(column) if kind == "uscc" else _opaque(column)
    return NormalisedIdentifiers(tuple(codes.to_list()), tuple(_as_reason(reasons.to_list())))


def _as_reason(codes: list[str | None]) -> list[RejectionReason | None]:
    members: dict[str | None, RejectionReason | None] = {reason.value: reason for reason in RejectionReason}
    members[None] = None
    return [members[code] for code in codes]


def _opaque(column: pl.Series) -> tuple[pl.Series, pl.Series]:
    frame = pl.DataFrame({"code": column.str.strip_chars()})
    code = pl.col("code")
    return _split(
        frame,
        pl.when(code.is_null() | (code == ""))
        .then(pl.lit(RejectionReason.EMPTY.value))
        .when(code.str.len_chars() > OPAQUE_MAX_CHARACTERS)
        .then(pl.lit(RejectionReason.TOO_LONG.value))
        .when(code.str.contains(r"\p{Cc}"))
        .then(pl.lit(RejectionReason.CHARACTERS.value)),
    )


def _uscc(column: pl.Series) -> tuple[pl.Series, pl.Series]:
    clean = column.str.normalize("NFKC").str.replace_all(_SEPARATORS, "")
    # Only ASCII letters change case: Unicode upper-casing would turn some foreign letters into alphabet letters.
    ascii_upper = pl.when(pl.col("code").str.contains(r"^[0-9A-Za-z]*$"))
    frame = pl.DataFrame({"code": clean}).select(
        ascii_upper.then(pl.col("code").str.to_uppercase()).otherwise(pl.col("code"))
    )
    code = pl.col("code")
    shape = (
        pl.when(code.is_null() | (code == ""))
        .then(pl.lit(RejectionReason.EMPTY.value))
        .when(~code.str.contains(r"^[0-9A-Z]*$"))
        .then(pl.lit(RejectionReason.CHARACTERS.value))
        .when(code.str.len_bytes() != USCC_LENGTH)
        .then(pl.lit(RejectionReason.LENGTH.value))
        .when(code.str.contains(f"[{_LOOK_ALIKES}]"))
        .then(pl.lit(RejectionReason.LOOK_ALIKE.value))
        .when(~code.str.contains(r"^[0-9]{8}"))
        .then(pl.lit(RejectionReason.FORMAT.value))
    )
    frame = frame.with_columns(shape.alias("reason"))
    well_formed = frame["reason"].is_null().to_numpy()
    reasons = np.full(len(frame), None, dtype=object)
    reasons[:] = frame["reason"].to_list()
    positions = np.flatnonzero(well_formed)
    fits = _check_character_fits(frame["code"].filter(frame["reason"].is_null()).to_list())
    reasons[positions[~fits]] = RejectionReason.CHECKSUM.value
    return _split(frame, pl.Series("reason", reasons.tolist(), dtype=pl.String))


def _split(frame: pl.DataFrame, reason: pl.Expr | pl.Series) -> tuple[pl.Series, pl.Series]:
    judged = frame.select(code="code", reason=reason)
    valid = pl.when(pl.col("reason").is_null()).then(pl.col("code"))
    judged = judged.select(valid.alias("code"), pl.col("reason").cast(pl.String))
    return judged["code"], judged["reason"]


@lru_cache(maxsize=1)
def _contributions() -> NDArray[np.uint8]:
    """What each character adds to the sum modulo 31 at each of the 17 places, [17, 256].

    The sum of GB 32100-2015, 4.7 is linear in the characters, so it follows from python-stdnum's results for codes with
    a single non-zero character. A table of them checks a million codes at once; stdnum takes 17 µs for each.
    """
    table = np.zeros((USCC_LENGTH - 1, 256), dtype=np.uint8)
    for place in range(USCC_LENGTH - 1):
        for character in _ALPHABET:
            body = "0" * place + character + "0" * (USCC_LENGTH - 2 - place)
            table[place, ord(character)] = (31 - _ALPHABET.index(uscc.calc_check_digit(body))) % 31
    return table


def _check_character_fits(codes: list[str]) -> NDArray[np.bool_]:
    """Whether the 18th character of each well-formed code is right, [n]."""
    if not codes:
        return np.zeros(0, dtype=np.bool_)
    letters = np.array(codes, dtype=f"S{USCC_LENGTH}").view(np.uint8).reshape(-1, USCC_LENGTH)
    table = _contributions()
    total = np.zeros(len(codes), dtype=np.uint16)
    for place in range(USCC_LENGTH - 1):
        total += table[place, letters[:, place]]
    expected = np.frombuffer(_ALPHABET.encode(), dtype=np.uint8)[(31 - total % 31) % 31]
    return np.asarray(expected == letters[:, -1], dtype=np.bool_)
