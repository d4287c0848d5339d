"""How a text file is laid out: where its header is, what separates its fields, and which last columns are empty."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from lab.tables.text.lines import iterate_lines, open_text, unclosed_quote
from lab.terms.errors import InvalidInput

SEPARATORS = (",", ";", "\t", "|")
_WIDE_SEPARATORS = "，；｜"
_SAMPLE_LINES = 50
_DECLARED = re.compile(r'\A"?sep=(.)"?\Z', re.IGNORECASE)
"""The first line with which Excel is told a separator."""


@dataclass(frozen=True, slots=True)
class TextLayout:
    """``header``: the fields of the header line. ``first``: lines before it, blank ones and a line ``sep=;``.

    ``extra``: fields without a name that each of the first rows has after the header's last.
    """

    header: list[str]
    separator: str
    first: int
    extra: int = 0


def find_layout(path: Path, encoding: str, quoted: bool) -> TextLayout:
    """Find separator and header of a file that has text; raises ``InvalidInput``."""
    with open_text(path, encoding) as file:
        lines = iterate_lines(file, path.name)
        first, line, declared = 0, "", None
        for line in lines:
            text = line.rstrip("\n").lstrip("\ufeff")
            found = _DECLARED.match(text.strip(" "))
            if found and declared is None:
                declared = found[1]
            elif text:
                break
            first += 1
        sample = [row for row in islice(lines, _SAMPLE_LINES) if row != "\n"]
    separator = declared or choose_separator(line, sample)
    if separator not in SEPARATORS:
        raise InvalidInput(
            f"Expected fields separated by comma, semicolon, tab or |; the first line of {path.name} names another.",
            next_step="export the table with commas",
        )
    header = _header(path, encoding, separator, first) if quoted else line.rstrip("\n").split(separator)
    if len(header) == 1:
        _refuse_hidden_columns(path.name, line, sample)
    extra = 0
    if sample and not quoted:
        ends = [row.rstrip("\n").split(separator)[len(header) :] for row in sample]
        extra = len(ends[0]) if all(len(end) == len(ends[0]) and not any(map(str.strip, end)) for end in ends) else 0
    return TextLayout(header, separator, first, extra)


def choose_separator(line: str, sample: list[str]) -> str:
    """The separator that splits the header and most of the next lines into equally many fields.

    In case of a tie, the one that splits the header into the most; then a comma. Quoted text does not count.
    """
    header = _outside_quotes(line)

    def rank(separator: str) -> tuple[bool, float, int]:
        count = header.count(separator)
        alike = sum(_outside_quotes(row).count(separator) == count for row in sample)
        return count > 0, alike / max(1, len(sample)), count

    return max(SEPARATORS, key=rank)


def _outside_quotes(line: str) -> str:
    return "".join(line.split('"')[::2])


def _header(path: Path, encoding: str, separator: str, first: int) -> list[str]:
    """The first record after ``first`` lines that is not blank."""
    with open_text(path, encoding) as file:
        lines = islice(iterate_lines(file, path.name), first, None)
        reader = csv.reader(lines, delimiter=separator, strict=True)
        try:
            return next(record for record in reader if record)
        except csv.Error:
            raise unclosed_quote(path.name, first + reader.line_num) from None


def _refuse_hidden_columns(name: str, line: str, sample: list[str]) -> None:
    """Raise ``InvalidInput`` if a header of one column is followed by rows of several."""
    wide = [mark for mark in _WIDE_SEPARATORS if mark in line]
    if wide and sample and all(any(mark in row for mark in wide) for row in sample):
        raise InvalidInput(
            f"Expected fields separated by comma, semicolon, tab or |; {name} has full-width separators in every line.",
            next_step="export the table with half-width commas",
        )
    counts = [{mark: _outside_quotes(row).count(mark) for mark in SEPARATORS} for row in sample]
    if any(len({count[mark] for count in counts}) == 1 and counts[0][mark] for mark in SEPARATORS if counts):
        raise InvalidInput(
            f"Expected as many names as fields in {name}; its header has one name, and its rows have several fields.",
            next_step="add a header line that names each column",
        )
