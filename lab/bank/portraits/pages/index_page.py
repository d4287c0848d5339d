"""The index of a folder of portraits: a line for each enterprise with a link to its page, some thousand a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.bank.portraits.pages.portrait_page import Language
from lab.bank.portraits.pages.rendering import render

LINES_PER_PAGE = 2_000


@dataclass(frozen=True)
class IndexLine:
    """One enterprise: the file of its portrait, its code, score, grade and probability of default."""

    file: str
    code: str
    score: int
    grade: str
    pd: str


@dataclass(frozen=True)
class IndexHeading:
    """What every page of an index says: the run, the bank, and how many portraits there are."""

    run: str
    bank: str
    count: int


def index_files(count: int) -> list[str]:
    """The names of the pages of an index of ``count`` portraits, ``index.html`` first."""
    pages = max(1, -(-count // LINES_PER_PAGE))
    return ["index.html", *(f"index-{number}.html" for number in range(2, pages + 1))]


def index_page(heading: IndexHeading, number: int, rows: Sequence[IndexLine], *, lang: Language = "both") -> str:
    """Page ``number`` (from 1) of an index, with the lines ``rows``, as text."""
    return render(
        "index.html.j2",
        lang=lang,
        run=heading.run,
        bank=heading.bank,
        count=heading.count,
        number=number,
        pages=index_files(heading.count),
        rows=rows,
    )
