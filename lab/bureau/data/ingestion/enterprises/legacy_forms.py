"""The two kinds of codes that enterprises had before unified codes (2015), in one written form.

* 15 digits: registration numbers of market regulation (GS 15-2006), the last a check digit (ISO 7064 MOD 11, 10).
* 9 characters: organisation codes (GB 11714-1997), the last a check character.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lab.terms.identifiers.spreadsheet_marks import without_text_guards

REGISTRATION: Final = r"^[0-9]{15}$"
ORGANISATION: Final = r"^[0-9A-Z]{8}[0-9X]$"
_DROPPED: Final = r"[\s\p{Pd}\p{Cf}\x{2212}]"


def compact_codes(cells: pl.Series) -> pl.Series:
    """Half width, upper case, without spaces, hyphens and a spreadsheet's marks; String [rows]."""
    code = pl.col("code")
    text = cells.str.normalize("NFKC").str.replace_all(_DROPPED, "").to_frame("code")
    found = text.select(without_text_guards(code)).to_series()
    return found.str.to_uppercase().set(found == "", None).alias(cells.name)


def legacy_kind(codes: pl.Series) -> pl.Series:
    """``registration-15`` or ``organisation-9`` by the form of compact codes, null for any other; String [rows]."""
    code = pl.col("code")
    kind = (
        pl.when(code.str.contains(REGISTRATION))
        .then(pl.lit("registration-15"))
        .when(code.str.contains(ORGANISATION))
        .then(pl.lit("organisation-9"))
        .otherwise(pl.lit(None, dtype=pl.String))
    )
    return codes.to_frame("code").select(kind.alias("kind"))["kind"]


def check_digit_fits(codes: pl.Series) -> NDArray[np.bool_]:
    """Whether the last digit of compact 15-digit codes is the check digit of the others, [codes]."""
    digits = np.array(codes.to_list(), dtype="S15").view(np.uint8).reshape(-1, 15).astype(np.int64) - ord("0")
    check = np.full(len(digits), 10, dtype=np.int64)
    for place in range(14):
        total = (check + digits[:, place]) % 10
        check = np.where(total == 0, 10, total) * 2 % 11
    return np.asarray((check + digits[:, 14]) % 10 == 1, dtype=np.bool_)
