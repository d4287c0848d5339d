"""What a catalogue says of a domain and of an item: the record types that everything else reads.

A domain is one table of records that one department holds; an item is one column of it. The words are those of
GB/T 43697-2024 (grades), and of the three lists of a public data office (aggregation, sharing, opening).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from lab.terms.names import IdKind
from lab.terms.text.bilingual import BilingualText
from models.shared.catalogue_words import SensitivityGrade


class ItemType(StrEnum):
    """What the values of an item are, and how they are kept."""

    TEXT = "text"
    CODE = "code"
    """One of the item's own list of codes, kept as text."""
    INTEGER = "integer"
    NUMBER = "number"
    AMOUNT = "amount"
    """Money in yuan, kept as a 64-bit floating point number of yuan with two decimals."""
    DATE = "date"
    YES_NO = "yes-no"


class Grain(StrEnum):
    """What one record of a domain is about."""

    STATE = "state"
    """How the enterprise is from a day on, until the next such record: key is the day alone."""
    PERIOD = "period"
    """A month or another period of the enterprise: key is the period's first day."""
    EVENT = "event"
    """A decision, case or certificate with a number of its own: key is that number."""


class Frequency(StrEnum):
    """How often the owner department promised to deliver."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    YEARLY = "yearly"


class SharingType(StrEnum):
    """Whether other offices may have an item: the sharing list."""

    UNCONDITIONAL = "unconditional"
    CONDITIONAL = "conditional"
    NOT_SHARED = "not-shared"


class OpeningType(StrEnum):
    """Whether the public may have an item: the opening list."""

    UNCONDITIONAL = "unconditional"
    CONDITIONAL = "conditional"
    NOT_OPEN = "not-open"


class ItemReleaseForm(StrEnum):
    """In which form an item may leave the bureau."""

    RECORD = "record"
    VERIFICATION = "verification"
    """Yes or no to a question about a value."""
    STATISTIC = "statistic"
    MODEL_INPUT = "model-input"
    """Weighed in an encrypted score; the value never leaves."""
    PORTRAIT = "portrait"
    """Named among the reasons of a portrait."""


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
class Item:
    """One item: a column of a domain's table. ``name`` is the column; ``code`` is ``DOMAIN.NAME``.

    ``grade`` is the one that applies: the stated one, or for a derived item the highest of its sources
    (``derived_from``: codes of items) unless a steward lowered it with ``lowered_reason``.
    """

    domain: str
    name: str
    zh: str
    en: str
    definition: BilingualText
    type: ItemType
    grade: SensitivityGrade
    unit: str = ""
    codes: Mapping[str, BilingualText] = field(default_factory=dict)
    required: bool = False
    personal: bool = False
    sharing: SharingType = SharingType.CONDITIONAL
    opening: OpeningType = OpeningType.NOT_OPEN
    release_forms: frozenset[ItemReleaseForm] = frozenset()
    legal_basis: str = ""
    retention_years: int = 5
    credit_use: CreditUse = CreditUse.ALLOWED
    credit_use_reason: str = ""
    """Why the item is less restricted than its name or its sources suggest."""
    derived_from: tuple[str, ...] = ()
    lowered_reason: str = ""

    @property
    def code(self) -> str:
        """The item's code, ``DOMAIN.NAME``."""
        return f"{self.domain}.{self.name}"


@dataclass(frozen=True, slots=True)
class Domain:
    """One domain: a table of records. ``key``: the items that with the enterprise's code identify a record.

    ``held_from``: the DATE item that says from which day a record held; ``held_to``: the DATE item that says until
    which day, or empty.
    """

    code: str
    zh: str
    en: str
    owner_zh: str
    owner_en: str
    frequency: Frequency
    grain: Grain
    key: tuple[str, ...]
    held_from: str
    held_to: str
    items: tuple[Item, ...]

    def item(self, name: str) -> Item:
        """The item with this column name; raises ``KeyError``."""
        for candidate in self.items:
            if candidate.name == name:
                return candidate
        raise KeyError(name)


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


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A whole catalogue. ``sha256``: of the canonical form of all its definitions.

    ``id_kind``: how its enterprises are identified. ``stated_enterprises``: the domain that says which enterprises
    there are, empty if the files leave it open. ``natural_persons``: the country's rules for natural persons, None for
    those that come with the program.
    """

    title: BilingualText
    domains: tuple[Domain, ...]
    sha256: str
    id_kind: IdKind = "uscc"
    stated_enterprises: str = ""
    natural_persons: NaturalPersonRules | None = None

    @property
    def enterprises(self) -> str:
        """The code of the domain that says which enterprises there are: the stated one, else the first whose records
        are states, else the first."""
        states = (domain.code for domain in self.domains if domain.grain is Grain.STATE)
        return self.stated_enterprises or next(states, self.domains[0].code)

    @property
    def items(self) -> tuple[Item, ...]:
        """All items, in order of domains."""
        return tuple(item for domain in self.domains for item in domain.items)

    def domain(self, code: str) -> Domain:
        """The domain with this code; raises ``KeyError``."""
        for candidate in self.domains:
            if candidate.code == code:
                return candidate
        raise KeyError(code)

    def item(self, code: str) -> Item:
        """The item with the code ``DOMAIN.NAME``; raises ``KeyError``."""
        domain, _, name = code.partition(".")
        return self.domain(domain).item(name)
