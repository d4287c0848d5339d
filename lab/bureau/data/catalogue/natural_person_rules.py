"""What a country's credit-reporting rules say of natural persons: classes of information, and how codes begin."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from lab.terms.text.bilingual import BilingualText


class CreditUse(StrEnum):
    """Whether credit-reporting rules allow an item of a natural person (sole proprietors and legal representatives
    included) to enter a model or a portrait."""

    ALLOWED = "allowed"
    RESTRICTED = "restricted"
    """Only with the person's written consent."""
    FORBIDDEN = "forbidden"

    @property
    def rank(self) -> int:
        """Its place in the order, from 0 (allowed) to 2 (forbidden)."""
        return list(CreditUse).index(self)


@dataclass(frozen=True, slots=True)
class PersonalDataClass:
    """A class of information on natural persons that a rule names, and the words by which its items are found."""

    code: str
    label: BilingualText
    credit_use: CreditUse
    pattern: re.Pattern[str]

    def names(self, *texts: str) -> bool:
        """Whether one of the texts has one of the words."""
        return any(self.pattern.search(text) for text in texts)

    def as_dict(self) -> dict[str, str]:
        """The class as plain JSON values."""
        zh, en = self.label
        return {
            "code": self.code,
            "zh": zh,
            "en": en,
            "credit_use": self.credit_use.value,
            "pattern": self.pattern.pattern,
        }


@dataclass(frozen=True, slots=True)
class NaturalPersonRules:
    """The regulation, its classes, and how codes of individual businesses begin."""

    regulation: BilingualText
    classes: tuple[PersonalDataClass, ...]
    code_prefixes: tuple[str, ...]

    def classes_of(self, zh: str, en: str) -> tuple[PersonalDataClass, ...]:
        """The classes that an item's names point to."""
        return tuple(one for one in self.classes if one.names(zh, en))

    def as_dict(self) -> dict[str, Any]:
        """The rules as plain JSON values."""
        return {
            "regulation_zh": self.regulation[0],
            "regulation_en": self.regulation[1],
            "individual_code_prefixes": list(self.code_prefixes),
            "classes": [one.as_dict() for one in self.classes],
        }
