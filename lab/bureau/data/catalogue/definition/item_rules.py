"""What the values of a domain's file must say about each other: a fault for each that does not fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from lab.bureau.data.catalogue.item_definition import (
    CreditUse,
    Domain,
    Grain,
    Item,
    ItemType,
    OpeningType,
    ReleaseForm,
    SharingType,
)
from lab.bureau.data.catalogue.natural_persons import natural_person_rules
from lab.terms.text.known_names import describe_unknown_name
from lab.terms.text.nearest_name import nearest_name
from models.shared.catalogue_words import SensitivityGrade

RESERVED_COLUMNS = frozenset({"enterprise", "record", "held_from", "held_to", "operation", "known_on", "segment"})
"""Columns that each table of records has besides its items."""
_UNIT_TYPES = frozenset({ItemType.INTEGER, ItemType.NUMBER})
_KEY_TYPES = frozenset({ItemType.TEXT, ItemType.CODE, ItemType.INTEGER, ItemType.DATE})
_SCORING = (ReleaseForm.MODEL_INPUT, ReleaseForm.PORTRAIT)


def find_domain_faults(domain: Domain) -> Iterator[str]:
    """The faults of a domain and its items, as phrases for an error."""
    by_name = {item.name: item for item in domain.items}
    for field, name in (
        *(("key", name) for name in domain.key),
        ("held_from", domain.held_from),
        *((("held_to", domain.held_to),) if domain.held_to else ()),
    ):
        item = by_name.get(name)
        if item is None:
            yield f"{field}: no item {describe_unknown_name(name, nearest_name(name, by_name))}"
            continue
        if field != "held_to" and not item.required:
            yield f"{field}: the item {name} is not required"
        if field == "key" and (item.personal or item.type not in _KEY_TYPES):
            yield f"key: the item {name} is personal, or of a type that identifies nothing"
        if field != "key" and item.type is not ItemType.DATE:
            yield f"{field}: the item {name} is not a date"
    if len(set(domain.key)) < len(domain.key):
        yield "key: an item twice"
    if domain.grain is not Grain.EVENT and domain.key != (domain.held_from,):
        yield f"key: held_from alone expected of the grain {domain.grain}"
    for label, names in (("zh", [i.zh for i in domain.items]), ("en", [i.en.casefold() for i in domain.items])):
        if Counter(names).most_common(1)[0][1] > 1:
            yield f"{label}: two items of the same name"
    for item in domain.items:
        for fault in _find_item_faults(item):
            yield f"items.{item.name}: {fault}"


def _find_item_faults(item: Item) -> Iterator[str]:
    if item.name in RESERVED_COLUMNS:
        yield "the name is reserved"
    if bool(item.codes) != (item.type is ItemType.CODE):
        yield "codes expected of the type code, and of no other"
    if item.unit and item.type not in _UNIT_TYPES and item.type is not ItemType.AMOUNT:
        yield "a unit expected only of numbers"
    if item.type in _UNIT_TYPES and not item.unit:
        yield "unit is missing"
    if item.opening is OpeningType.UNCONDITIONAL and (item.personal or item.grade is not SensitivityGrade.PUBLIC):
        yield "unconditional opening expected only of items graded public, and of no personal ones"
    if item.sharing is SharingType.UNCONDITIONAL and item.grade.rank > SensitivityGrade.INTERNAL.rank:
        yield "unconditional sharing expected only of items graded public or internal"
    if item.personal and item.grade.rank < SensitivityGrade.SENSITIVE.rank:
        yield "a grade of sensitive or restricted expected of a personal item"
    if (item.personal or item.credit_use is CreditUse.FORBIDDEN) and any(f in item.release_forms for f in _SCORING):
        yield "neither model-input nor portrait expected of a personal or forbidden item"
    for found in natural_person_rules().classes_of(item.zh, item.en):
        if item.credit_use.rank < found.credit_use.rank and not item.credit_use_reason:
            yield f"credit_use {found.credit_use} expected by its name, or a credit_use_reason"
