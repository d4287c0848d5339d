"""What a bureau answers, read by a bank that does not trust it: JSON objects, receipts, and problem documents.

A problem document (RFC 9457) becomes the error that it was at the bureau. No HTTP here; the outlet does that.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lab.terms.errors import Busy, InvalidInput, ShulabError, Unreachable
from lab.terms.problems import error_of, kind_of, read_object


@dataclass(frozen=True)
class Answer:
    """Status, header fields by lower-case name, and the whole body."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def kind(self) -> str:
        """Last part of the problem's type."""
        return kind_of(self.content)

    @property
    def retry_after(self) -> float:
        """Seconds that the bureau asks to wait; 0 if it does not say."""
        value = self.headers.get("retry-after", "")
        return float(value) if value.isascii() and value.isdigit() and len(value) < 9 else 0.0

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; raises ``Unreachable`` for anything else."""
        found = read_object(self.content)
        if found is None:
            raise Unreachable(
                "Wanted a JSON object from the bureau; found something else.", next_step="check the bureau's address"
            )
        return found

    def receipt(self) -> dict[str, Any]:
        """The receipt in its header; raises ``Unreachable`` if there is none."""
        try:
            found = read_object(base64.b64decode(self.headers.get("shulab-receipt", ""), validate=True))
        except ValueError:
            found = None
        if found is None:
            raise Unreachable(
                "Wanted a receipt with the reply; found none.", next_step="ask the bureau for its version"
            )
        return found

    def error(self) -> ShulabError:
        """The problem as the error it was at the bureau; an answer that is no problem document by its status."""
        found = error_of(self.status, self.content)
        if isinstance(found, Busy):
            return Busy(found.detail, next_step=found.next_step, retry_after=int(self.retry_after))
        return found


@contextmanager
def strict(what: str) -> Iterator[None]:
    """A protocol's complaint about the other side's bytes as an error with a next step; it holds no value."""
    try:
        yield
    except ValueError as error:
        raise InvalidInput(
            f"The bureau's {what} answer does not fit: {error}.", next_step="ask the bureau; check both versions"
        ) from None
