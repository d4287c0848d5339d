"""Problem documents (RFC 9457) from a service that is not trusted, read back into the error that it raised."""

from __future__ import annotations

import json
import uuid
from typing import Any

from lab.terms.errors import ERROR_FAMILIES, ShulabError, Unreachable, find_family
from lab.terms.text.escaping import escape_hidden

TYPE_PREFIX = "urn:shulab:error:"
_LONGEST_TEXT = 1000


def parse_json_object(content: bytes) -> dict[str, Any] | None:
    """``content`` as a JSON object, or None."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def problem_kind(content: bytes) -> str:
    """The last part of the problem's type, which is an error family's code; empty if there is none."""
    return str((parse_json_object(content) or {}).get("type", "")).removeprefix(TYPE_PREFIX)


def problem_to_error(status: int, content: bytes) -> ShulabError:
    """The error that the bureau raised; a response without a problem document is judged by its status."""
    problem = parse_json_object(content) or {}
    family = ERROR_FAMILIES.get(problem_kind(content)) or find_family(status)
    detail = _printable(problem.get("detail")) or f"The bureau answered with HTTP status {status}."
    step = _printable(problem.get("next_step")) or "ask the bureau; its log has the reason"
    instance = problem_instance(problem)
    if status >= 500 and family is Unreachable and problem_kind(content) not in ERROR_FAMILIES and instance:
        # A fault: only the bureau's log says more, and it is found there by this number.
        detail, step = f"{detail} Instance: {instance}.", f"report the instance {instance} to the bureau"
    return family(detail, next_step=step)


def problem_instance(problem: dict[str, Any]) -> str:
    """The id of the request in a problem document, as the service's log has it; empty for anything but a UUID."""
    try:
        return str(uuid.UUID(str(problem.get("instance", "")).removeprefix("urn:uuid:")))
    except ValueError:
        return ""


def _printable(text: object) -> str:
    """Text from outside: every character visible, and cut at a bound."""
    return escape_hidden(text[:_LONGEST_TEXT]) if isinstance(text, str) else ""
