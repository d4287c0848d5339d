"""The header of a table: the rules for column names."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

from lab.terms.errors import InvalidInput
from lab.terms.identifiers import normalise_identifiers
from lab.terms.identifiers.credit_code import USCC_LENGTH

MAX_COLUMNS = 10_000
_INVISIBLE = "\ufeff\u200b\u2060"
"""Marks without width that exports leave at the ends of names."""


def clean_names(cells: list[str]) -> tuple[list[str], int]:
    """Column names without blanks around them; the empty ones after the last name are left out, and counted."""
    names = [cell.strip().strip(_INVISIBLE).strip() for cell in cells]
    last = max((place for place, name in enumerate(names, start=1) if name), default=len(names))
    return names[:last], len(names) - last


def check_table_header(header: list[str], name: str) -> list[str]:
    """The column names; raises ``InvalidInput`` if one is missing or repeated, or if the line is a row of data."""
    _check_names(header, name)
    if len(header) > MAX_COLUMNS:
        raise InvalidInput(
            f"Expected at most {MAX_COLUMNS:,} columns in {name}; found {len(header):,}.", next_step="select columns"
        )
    # Names are short: what has fewer characters than a code is none, and the check of codes takes longer than the rest.
    long = [cell for cell in header if len(unicodedata.normalize("NFKC", cell)) >= USCC_LENGTH]
    if all(_is_number(cell) for cell in header) or (long and normalise_identifiers(long, "uscc").accepted_count):
        raise InvalidInput(
            f"Expected column names in the first line of {name}; it looks like a row of data.",
            next_step="add a header line",
        )
    return header


def _check_names(header: list[str], name: str) -> None:
    unnamed = [str(i + 1) for i, cell in enumerate(header) if not cell]
    if unnamed:
        raise InvalidInput(
            f"Expected a name for each column in the first line of {name}; column {', '.join(unnamed[:10])} has none.",
            next_step="name the column or delete it; if the first line is a title, delete it",
        )
    written = [_as_read(cell) for cell in header]
    repeated = {cell for cell, count in Counter(written).items() if count > 1}
    if repeated:
        positions = [str(i + 1) for i, cell in enumerate(written) if cell in repeated]
        raise InvalidInput(
            f"Expected different column names in {name}; columns {', '.join(positions[:10])} share a name. Spaces and "
            "full width make no difference.",
            next_step="rename one of them",
        )


def _as_read(name: str) -> str:
    """The name as people tell names apart: half width, and without spaces."""
    return re.sub(r"[\s\u200b\ufeff]", "", unicodedata.normalize("NFKC", name))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
