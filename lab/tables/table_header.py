"""The header line of a table: its separator, and the rules for column names."""

from __future__ import annotations

from collections import Counter

from lab.terms.errors import InvalidInput
from lab.terms.identifiers import normalise_identifiers

MAX_COLUMNS = 10_000
_SEPARATORS = (",", ";", "\t")


def choose_separator(line: str) -> str:
    """The separator that splits the header line into the most fields; a comma in case of a tie."""
    outside_quotes = "".join(line.split('"')[::2])
    return max(_SEPARATORS, key=outside_quotes.count)


def check_table_header(header: list[str], name: str) -> list[str]:
    """The column names; raises ``InvalidInput`` if one is missing or repeated, or if the line is a row of data."""
    _check_names(header, name)
    if len(header) > MAX_COLUMNS:
        raise InvalidInput(
            f"Expected at most {MAX_COLUMNS:,} columns in {name}; found {len(header):,}.", next_step="select columns"
        )
    if all(_is_number(cell) for cell in header) or normalise_identifiers(header, "uscc").accepted_count:
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
            next_step="name the column or delete it",
        )
    repeated = {cell for cell, count in Counter(header).items() if count > 1}
    if repeated:
        positions = [str(i + 1) for i, cell in enumerate(header) if cell in repeated]
        raise InvalidInput(
            f"Expected different column names in {name}; columns {', '.join(positions[:10])} share a name.",
            next_step="rename one of them",
        )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
