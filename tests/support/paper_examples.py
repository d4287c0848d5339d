"""The marked examples and tables of `docs/formats`, as tests read them.

A marked example is a fenced block below ``<!-- example: NAME -->``. A marked table follows ``<!-- table: NAME -->`` or
``<!-- settings: NAME -->``. Each name is used once.
"""

from __future__ import annotations

import re
from pathlib import Path

FORMATS = Path(__file__).parents[2] / "docs" / "formats"
_EXAMPLE = re.compile(r"^<!-- example: ([\w .-]+) -->\n```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TABLE = re.compile(r"^<!-- (?:table|settings): ([\w .-]+) -->\n\|.*\n\|[-|]+\n((?:\|.*\n)+)", re.MULTILINE)


def examples() -> dict[str, str]:
    """Every marked example by its name; raises ``ValueError`` if two have one name."""
    return _once([(name, body) for page in _pages() for name, _, body in _EXAMPLE.findall(page)])


def first_cells(name: str) -> list[str]:
    """The first cells of a marked table, without backticks."""
    rows = _once([found for page in _pages() for found in _TABLE.findall(page)])[name]
    return [line.split("|")[1].strip().strip("`") for line in rows.splitlines()]


def second_cells(name: str) -> dict[str, str]:
    """The second cell of each row of a marked table, by the first; without backticks."""
    rows = _once([found for page in _pages() for found in _TABLE.findall(page)])[name]
    return {line.split("|")[1].strip().strip("`"): line.split("|")[2].strip().strip("`") for line in rows.splitlines()}


def _pages() -> list[str]:
    return [path.read_text("utf-8") for path in sorted(FORMATS.glob("*.md"))]


def _once(pairs: list[tuple[str, str]]) -> dict[str, str]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("two examples or tables of docs/formats have one name")
    return found
