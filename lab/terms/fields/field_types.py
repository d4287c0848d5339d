"""Field types that documents share, and the base class of documents."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from lab.terms.names import (
    CONTRACT_ID_PATTERN,
    HEX32_PATTERN,
    HEX64_PATTERN,
    MODEL_REF_PATTERN,
    REQUEST_ID_PATTERN,
    SLUG_PATTERN,
)

Hex32 = Annotated[str, Field(pattern=HEX32_PATTERN)]
"""A SHA-256 hash or an Ed25519 public key."""
Hex64 = Annotated[str, Field(pattern=HEX64_PATTERN)]
"""An Ed25519 signature."""
Name = Annotated[str, Field(min_length=1, max_length=200)]
PositiveCount = Annotated[int, Field(ge=1, le=2**53 - 1)]
"""A number from 1 to the largest that canonical JSON holds exactly (RFC 8785, section 3.2.2.3)."""
Slug = Annotated[str, Field(pattern=SLUG_PATTERN)]
ContractId = Annotated[str, Field(pattern=CONTRACT_ID_PATTERN)]
RequestId = Annotated[str, Field(pattern=REQUEST_ID_PATTERN)]
"""A request for data, like ``r-20260101-1a2b3c4d``."""
ModelRefText = Annotated[str, Field(pattern=MODEL_REF_PATTERN)]
"""A model as ``name`` or ``name@version`` (``lab.terms.names.ModelRef``)."""


class FrozenDocument(BaseModel):
    """A document with exactly its own fields, which do not change."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)
