"""Documents of models as bytes: written as canonical JSON (RFC 8785), parsed strictly.

A document is a frozen dataclass of plain values. Parsing runs no code from the document. Types are exact; unknown
fields, infinities and NaN are refused; the size is checked before anything is parsed.
"""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

import rfc8785
from pydantic import ConfigDict, TypeAdapter, ValidationError

from lab.terms.errors import InvalidInput

STRICT_CONFIG = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
T = TypeVar("T")


def dump_canonical(document: Any) -> bytes:
    """The canonical bytes (RFC 8785) of a dataclass. Doubles round-trip exactly; minus zero becomes zero."""
    return rfc8785.dumps(dataclasses.asdict(document))


def parse_strict(kind: type[T], data: bytes, *, what: str, max_bytes: int) -> T:
    """Parse ``data`` as a ``kind``; raises ``InvalidInput`` naming the parts that do not fit, never their values.

    ``what`` names the document in the message.
    """
    if len(data) > max_bytes:
        raise InvalidInput(
            f"Expected {what} of at most {max_bytes} bytes; found {len(data)}.", next_step=f"ask for {what} again"
        )
    try:
        return TypeAdapter(kind).validate_json(data)
    except ValidationError as error:
        parts = sorted({".".join(str(p) for p in e["loc"] if not isinstance(p, int)) for e in error.errors()})
        raise InvalidInput(
            f"Expected {what}; these parts do not fit: {', '.join(parts[:8]) or 'not JSON'}.",
            next_step=f"ask for {what} again from where it was made",
        ) from None


def require(condition: bool, what: str, *, of: str) -> None:
    """Raise ``InvalidInput`` unless ``condition`` holds; ``of`` names the document and ``what`` the requirement."""
    if not condition:
        raise InvalidInput(f"Expected {of} with {what}; found something else.", next_step=f"ask for {of} again")
