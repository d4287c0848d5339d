"""Lists in pages: the next page begins after the member that the cursor names.

A list grows for years; a response must not. The cursor names a member, not a position, so that a list which grows
meanwhile loses and repeats nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Query
from pydantic import Field

from lab.terms.fields.bounded_types import Line

Member = TypeVar("Member")
MAX_MEMBERS = 1000
PageCursor = Annotated[
    Annotated[Line, Field(max_length=200)] | None,
    Query(description="续页 `next` of the page before; without it, the first page."),
]
PageLimit = Annotated[int, Query(ge=1, le=MAX_MEMBERS, description="每页条数 Members of a page at most.")]
NextCursor = Annotated[str | None, Field(description="the cursor of the next page; null: this is the last")]
PAGE_LIMIT = 200
"""Members of a page unless the caller chooses."""


def page_of(
    found: Sequence[Member], limit: int, cursor_of: Callable[[Member], object]
) -> tuple[Sequence[Member], str | None]:
    """The first ``limit`` of ``found``, and the cursor of the next page if there are more; ``found`` holds up to one
    member more than a page."""
    page = found[:limit]
    return page, str(cursor_of(page[-1])) if len(found) > limit else None


def page_view(name: str, members: Sequence[Any], following: str | None) -> dict[str, Any]:
    """A page as JSON: its members under ``name``, and ``next``."""
    return {name: list(members), "next": following}
