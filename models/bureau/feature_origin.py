"""What a bureau's feature of a model comes from, and the direction in which it was allowed to move the risk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.shared.canonical_json import STRICT_CONFIG
from models.shared.item_sources import MAX_SOURCES, ItemSource, SourceWord

Direction = Literal[-1, 0, 1]
"""1: a higher value never lowers the risk; -1: it never raises it; 0: no constraint."""


@dataclass(frozen=True)
class FeatureOrigin:
    """``feature``: the column's name. ``direction``: the constraint under which the model was trained.
    ``reason_zh``, ``reason_en``: how a reason for a lower score says it; empty if nothing does."""

    feature: Annotated[str, Field(min_length=1, max_length=200)]
    direction: Direction
    sources: Annotated[tuple[ItemSource, ...], Field(max_length=MAX_SOURCES)] = ()
    reason_zh: SourceWord = ""
    reason_en: SourceWord = ""

    __pydantic_config__ = STRICT_CONFIG
