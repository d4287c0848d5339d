"""The items of a register's columns: those that a dictionary describes, and automatic ones for the rest."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.terms.errors import InvalidInput
from models.shared.dimensions import DEFAULT_DIMENSION
from models.shared.features import FeatureDescription

UNDESCRIBED = "undescribed"
_CODE = re.compile(r"[^\s\x00-\x1f]{1,100}")


@dataclass(frozen=True, slots=True)
class CatalogueItem:
    """One catalogue item: a column of a register and its description."""

    column: str
    code: str
    zh: str
    en: str
    dimension: str
    domain: str
    grade: str
    described: bool

    @property
    def as_feature_words(self) -> FeatureDescription:
        """The item as model training needs it."""
        return FeatureDescription(
            item=self.code,
            zh=self.zh,
            en=self.en,
            dimension=self.dimension,
            domain=self.domain,
            grade=self.grade,
        )


def describe_columns(
    register: str, columns: Sequence[str], descriptions: Mapping[str, FeatureDescription]
) -> tuple[CatalogueItem, ...]:
    """One item for each column, in order.

    A column that the dictionary leaves out gets an automatic item. Its code and names contain its place and not the
    column's name, because banks read the codes and names of items in contracts and sheets. Raises ``InvalidInput`` if
    two columns share a code, or a code has spaces or more than 100 characters.
    """
    items = [
        _describe(column, descriptions.get(column), f"{place:03d}", register)
        for place, column in enumerate(columns, start=1)
    ]
    codes = [item.code for item in items]
    if any(not _CODE.fullmatch(code) for code in codes):
        raise InvalidInput(
            "Expected item codes of 1 to 100 characters without spaces.", next_step="correct the dictionary"
        )
    if len(set(codes)) != len(codes):
        raise InvalidInput("Two columns have the same item code.", next_step="give each its own code in the dictionary")
    return tuple(items)


def _describe(column: str, description: FeatureDescription | None, place: str, register: str) -> CatalogueItem:
    code, zh, en = f"{register}.{place}", f"登记项{place}", f"register item {place}"
    given = description or FeatureDescription(item=code, zh=zh, en=en, domain=UNDESCRIBED, grade=UNDESCRIBED)
    return CatalogueItem(
        column=column,
        code=given.item or code,
        zh=given.zh or given.en or zh,
        en=given.en or en,
        dimension=given.dimension or DEFAULT_DIMENSION["bureau"],
        domain=given.domain or UNDESCRIBED,
        grade=given.grade or UNDESCRIBED,
        described=description is not None,
    )
