"""What a bureau answers, read by a bank that does not trust it: JSON objects, receipts, and problem documents.

A problem document (RFC 9457) becomes the error that it was at the bureau. No HTTP here; the outlet does that.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab.terms.errors import (
    Conflict,
    InvalidInput,
    NotAuthentic,
    NotFound,
    Refused,
    ShulabError,
    Unreachable,
)

_FAMILIES: Mapping[str, type[ShulabError]] = {
    family.code: family for family in (InvalidInput, Refused, Unreachable, NotAuthentic, NotFound, Conflict)
}
_BY_STATUS: Mapping[int, type[ShulabError]] = {
    401: NotAuthentic,
    403: Refused,
    404: NotFound,
    408: Unreachable,
    409: Conflict,
    429: Unreachable,
    502: Unreachable,
    503: Unreachable,
    504: Unreachable,
}
_LONGEST_TEXT = 1000


@dataclass(frozen=True)
class Answer:
    """Status, header fields by lower-case name, and the whole body."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def problem(self) -> Mapping[str, Any]:
        """The problem document in it, or nothing."""
        return _object(self.content) or {}

    @property
    def kind(self) -> str:
        """Last part of the problem's type."""
        return str(self.problem.get("type", "")).removeprefix("urn:shulab:error:")

    @property
    def retry_after(self) -> float:
        """Seconds that the bureau asks to wait; 0 if it does not say."""
        value = self.headers.get("retry-after", "")
        return float(value) if value.isascii() and value.isdigit() and len(value) < 9 else 0.0

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; raises ``Unreachable`` for anything else."""
        found = _object(self.content)
        if found is None:
            raise Unreachable(
                "Wanted a JSON object from the bureau; found something else.", next_step="check the bureau's address"
            )
        return found

    def receipt(self) -> dict[str, Any]:
        """The receipt in its header; raises ``Unreachable`` if there is none."""
        try:
            found = _object(base64.b64decode(self.headers.get("shulab-receipt", ""), validate=True))
        except ValueError:
            found = None
        if found is None:
            raise Unreachable(
                "Wanted a receipt with the reply; found none.", next_step="ask the bureau for its version"
            )
        return found

    def error(self) -> ShulabError:
        """The problem as the error it was at the bureau; an answer that is no problem document by its status."""
        family = _FAMILIES.get(self.kind) or _BY_STATUS.get(self.status)
        if family is None:
            family = InvalidInput if 400 <= self.status < 500 else Unreachable
        detail = _printable(self.problem.get("detail")) or f"The bureau answered with HTTP status {self.status}."
        step = _printable(self.problem.get("next_step")) or "ask the bureau; its log has the reason"
        return family(detail, next_step=step)


def _object(content: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _printable(text: object) -> str:
    """What a stranger wrote, safe for a terminal: no control characters, not endless."""
    return "".join(c for c in text if c.isprintable())[:_LONGEST_TEXT] if isinstance(text, str) else ""
