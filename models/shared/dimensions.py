"""The six dimensions of a portrait: codes, and names in both languages."""

from __future__ import annotations

from dataclasses import dataclass

from lab.terms.errors import InvalidInput


@dataclass(frozen=True)
class Dimension:
    """One aspect of an enterprise's credit. Documents hold ``code``; people read ``zh`` and ``en``."""

    code: str
    zh: str
    en: str


DIMENSIONS: tuple[Dimension, ...] = (
    Dimension("existence", "存续与稳定", "Existence and stability"),
    Dimension("tax", "纳税与合规", "Tax and compliance"),
    Dimension("operations", "经营与成长", "Operations and growth"),
    Dimension("people", "用工与社保", "People and payroll"),
    Dimension("conduct", "信贷往来", "Credit conduct with the bank"),
    Dimension("legal", "司法与处罚", "Legal and penalties"),
)
DIMENSION_CODES: tuple[str, ...] = tuple(dimension.code for dimension in DIMENSIONS)

# The dimension of a feature that no dictionary describes: a bank knows its client's conduct, and a register knows how
# the enterprise operates.
DEFAULT_DIMENSION: dict[str, str] = {"bank": "conduct", "bureau": "operations"}


def find_dimension(code: str) -> Dimension:
    """The dimension with this code; raises ``InvalidInput`` for another code."""
    for candidate in DIMENSIONS:
        if candidate.code == code:
            return candidate
    raise InvalidInput(
        f"Expected one of the dimensions {', '.join(DIMENSION_CODES)}; found another word.",
        next_step="correct the dimension in the dictionary",
    )
