"""How the SELECT of a feature is refused."""

from __future__ import annotations

from lab.terms.errors import InvalidInput


def refuse(feature: str, what: str) -> InvalidInput:
    """The error for feature ``feature``; ``what`` says what is wrong with its SELECT."""
    return InvalidInput(
        f"The SQL of feature {feature} is refused: {what}.",
        next_step="correct the feature's file; docs/formats/features.md says what a SELECT may hold",
    )
