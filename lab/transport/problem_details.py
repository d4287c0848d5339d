"""Problem documents (RFC 9457) as they are read: the error it was on the other side, from a service not trusted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lab.terms.errors import (
    Busy,
    Conflict,
    InvalidInput,
    NotAllowed,
    NotAuthentic,
    NotFound,
    ShulabError,
    Unreachable,
)
from lab.terms.text.escaping import escape_hidden

TYPE_PREFIX = "urn:shulab:error:"
ERROR_FAMILIES: Mapping[str, type[ShulabError]] = {
    family.code: family for family in (InvalidInput, NotAllowed, Unreachable, Busy, NotAuthentic, NotFound, Conflict)
}
"""The error families by their codes."""
_BY_STATUS: Mapping[int, type[ShulabError]] = {
    401: NotAuthentic,
    403: NotAllowed,
    404: NotFound,
    408: Unreachable,
    409: Conflict,
    429: Unreachable,
    502: Unreachable,
    503: Unreachable,
    504: Unreachable,
}
_LONGEST_TEXT = 1000


def parse_json_object(content: bytes) -> dict[str, Any] | None:
    """``content`` as a JSON object, or None."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def problem_kind(content: bytes) -> str:
    """Last part of the problem's type; empty if there is none."""
    return str((parse_json_object(content) or {}).get("type", "")).removeprefix(TYPE_PREFIX)


def problem_to_error(status: int, content: bytes) -> ShulabError:
    """The problem as the error it was at the bureau; an answer that is no problem document by its status."""
    problem = parse_json_object(content) or {}
    family = ERROR_FAMILIES.get(problem_kind(content)) or _BY_STATUS.get(status)
    if family is None:
        family = InvalidInput if 400 <= status < 500 else Unreachable
    detail = _printable(problem.get("detail")) or f"The bureau answered with HTTP status {status}."
    step = _printable(problem.get("next_step")) or "ask the bureau; its log has the reason"
    return family(detail, next_step=step)


def _printable(text: object) -> str:
    """What a stranger wrote, with all of it to be seen, but not endless."""
    return escape_hidden(text[:_LONGEST_TEXT]) if isinstance(text, str) else ""
