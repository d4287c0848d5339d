"""The schema of a catalogue's files: names, types and words of each file, unknown ones forbidden.

What one value says about another (keys, derived grades, natural persons) is checked after, in ``reader``.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt, StringConstraints

from lab.bureau.data.catalogue.item_definition import (
    CreditUse,
    Frequency,
    Grain,
    ItemReleaseForm,
    ItemType,
    OpeningType,
    SharingType,
)
from lab.terms.names import IdKind
from lab.terms.text.visible_line import VisibleLine
from models.shared.catalogue_words import SensitivityGrade, parse_grade

SLUG_PATTERN = r"^[a-z][a-z0-9_]{0,62}$"
_Slug = Annotated[str, StringConstraints(pattern=SLUG_PATTERN)]
_ItemCode = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}\.[a-z][a-z0-9_]{0,62}$")]
_ValueCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$")]
_Name = Annotated[VisibleLine, Field(min_length=1, max_length=100)]
_Sentence = Annotated[VisibleLine, Field(min_length=1, max_length=500)]
_Note = Annotated[VisibleLine, Field(max_length=500)]
_NamePair = Annotated[list[_Name], Field(min_length=2, max_length=2)]


def _read_grade(word: object) -> object:
    """A grade in any of its spellings (``internal``, ``内部``, ``2``); the schema refuses another word."""
    return (parse_grade(word) if isinstance(word, str) else None) or word


_Grade = Annotated[SensitivityGrade, BeforeValidator(_read_grade)]


class _CatalogueTable(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PersonalClassTable(_CatalogueTable):
    """``[[natural_persons.classes]]``: a class of information on natural persons, and the words of its items' names."""

    code: _Slug
    zh: _Name
    en: _Name
    credit_use: CreditUse
    words_zh: Annotated[list[_Name], Field(max_length=200)] = []
    words_en: Annotated[list[_Name], Field(max_length=200)] = []


class NaturalPersonsTable(_CatalogueTable):
    """``[natural_persons]``: the rules of another country than the program's own."""

    regulation_zh: _Name
    regulation_en: _Name
    individual_code_prefixes: Annotated[list[_ValueCode], Field(max_length=100)]
    classes: Annotated[list[PersonalClassTable], Field(max_length=100)] = []


class CatalogueIndexTable(_CatalogueTable):
    """``catalogue.toml``: the title, the domains in order, and how enterprises are told apart."""

    title_zh: _Name
    title_en: _Name
    domains: Annotated[list[_Slug], Field(min_length=1, max_length=300)]
    enterprises: _Slug | None = None
    id_kind: IdKind = "uscc"
    natural_persons: NaturalPersonsTable | None = None


class ItemDefaultsTable(_CatalogueTable):
    """``[defaults]``: what holds of each item of the domain that says nothing else."""

    grade: _Grade | None = None
    sharing: SharingType | None = None
    opening: OpeningType | None = None
    release_forms: list[ItemReleaseForm] | None = None
    legal_basis: _Note | None = None
    retention_years: Annotated[StrictInt, Field(ge=1, le=100)] | None = None
    credit_use: CreditUse | None = None


class ItemTable(ItemDefaultsTable):
    """``[items.NAME]``."""

    zh: _Name
    en: _Name
    definition_zh: _Sentence
    definition_en: _Sentence
    type: ItemType
    unit: Annotated[VisibleLine, Field(max_length=40)] = ""
    codes: Annotated[dict[_ValueCode, _NamePair], Field(max_length=5_000)] = {}
    required: StrictBool = False
    personal: StrictBool = False
    credit_use_reason: _Note = ""
    derived_from: Annotated[list[_ItemCode], Field(max_length=100)] = []
    lowered_reason: _Note = ""


class DomainTable(_CatalogueTable):
    """``DOMAIN.toml``."""

    code: _Slug
    zh: _Name
    en: _Name
    owner_zh: _Name
    owner_en: _Name
    frequency: Frequency
    grain: Grain
    key: Annotated[list[_Slug], Field(min_length=1, max_length=8)]
    held_from: _Slug
    held_to: Annotated[str, StringConstraints(pattern=r"^([a-z][a-z0-9_]{0,62})?$")] = ""
    defaults: ItemDefaultsTable = ItemDefaultsTable()
    items: Annotated[dict[_Slug, ItemTable], Field(min_length=1, max_length=1_000)]
