"""Choices that several commands offer, so that they are the same words everywhere."""

from __future__ import annotations

from enum import StrEnum


class Family(StrEnum):
    """Which family of models."""

    boosted = "boosted"
    scorecard = "scorecard"


class Interactions(StrEnum):
    """One bank feature a path, or free."""

    one = "one"
    free = "free"


class IdKind(StrEnum):
    """Which identifiers stand in a file."""

    uscc = "uscc"
    opaque = "opaque"
