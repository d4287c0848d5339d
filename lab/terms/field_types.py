"""Field types that documents share (keys and hashes in hexadecimal, names, counts, slugs), and their base."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Hex32 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(min_length=1, max_length=200)]
PositiveCount = Annotated[int, Field(ge=1, le=2**53 - 1)]
"""A number from 1 to the largest that canonical JSON holds exactly (RFC 8785, section 3.2.2.3)."""
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class FrozenDocument(BaseModel):
    """A document that is strict about its fields and does not change."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)
