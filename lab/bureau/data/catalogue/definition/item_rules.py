"""What the values of a domain's file must say about each other: a fault for each that does not fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from lab.bureau.data.catalogue.item_definition import (
    CreditUse,
    Domain,
    Grain,
    Item,
    ItemReleaseForm,
    ItemType,
    NaturalPersonRules,
    OpeningType,
    SharingType,
)
from lab.terms.text.known_names import describe_unknown_name
from lab.terms.text.nearest_name import nearest_name
from models.shared.catalogue_words import SensitivityGrade

AMOUNT_UNIT = "元 yuan"
"""The unit in which amounts are kept."""
RESERVED_COLUMNS = frozenset({"enterprise", "record", "held_from", "held_to", "operation", "known_on", "segment"})
"""Columns that each table of records has besides its items."""
_UNIT_TYPES = frozenset({ItemType.INTEGER, ItemType.NUMBER})
_KEY_TYPES = frozenset({ItemType.TEXT, ItemType.CODE, ItemType.INTEGER, ItemType.DATE})
_SCORING = (ItemReleaseForm.MODEL_INPUT, ItemReleaseForm.PORTRAIT)


def find_domain_faults(domain: Domain, rules: NaturalPersonRules) -> Iterator[str]:
    """The faults of a domain and its items, as phrases for an error; ``rules``: what holds for natural persons."""
    by_name = {item.name: item for item in domain.items}
    for name in domain.key:
        yield from _find_key_faults(name, by_name)
    yield from _find_day_faults("held_from", domain.held_from, by_name)
    if domain.held_to:
        yield from _find_day_faults("held_to", domain.held_to, by_name)
    if len(set(domain.key)) < len(domain.key):
        yield "key: an item twice"
    if domain.grain is not Grain.EVENT and domain.key != (domain.held_from,):
        yield f"key: held_from alone expected of the grain {domain.grain}"
    for label, names in (("zh", [i.zh for i in domain.items]), ("en", [i.en.casefold() for i in domain.items])):
        if Counter(names).most_common(1)[0][1] > 1:
            yield f"{label}: two items of the same name"
    for item in domain.items:
        for fault in (*_find_value_faults(item), *_find_release_faults(item), *_find_credit_faults(item, rules)):
            yield f"items.{item.name}: {fault}"


def _find_key_faults(name: str, by_name: Mapping[str, Item]) -> Iterator[str]:
    item = by_name.get(name)
    if item is None:
        yield f"key: no item {describe_unknown_name(name, nearest_name(name, by_name))}"
    elif not item.required or item.personal or item.type not in _KEY_TYPES:
        yield f"key: the item {name} is personal, not required, or of a type that identifies nothing"


def _find_day_faults(field: str, name: str, by_name: Mapping[str, Item]) -> Iterator[str]:
    item = by_name.get(name)
    if item is None:
        yield f"{field}: no item {describe_unknown_name(name, nearest_name(name, by_name))}"
    elif item.personal or item.type is not ItemType.DATE:
        yield f"{field}: the item {name} is personal, or not a date"
    elif field == "held_from" and not item.required:
        yield f"held_from: the item {name} is not required"


def _find_value_faults(item: Item) -> Iterator[str]:
    if item.name in RESERVED_COLUMNS:
        yield "the name is reserved"
    if bool(item.codes) != (item.type is ItemType.CODE):
        yield "codes expected of the type code, and of no other"
    if item.type is ItemType.AMOUNT:
        if item.unit != AMOUNT_UNIT:
            yield f"no unit expected, or {AMOUNT_UNIT}, in which amounts are kept"
    elif bool(item.unit) != (item.type in _UNIT_TYPES):
        yield "a unit expected of integers and numbers, and of no other"


def _find_release_faults(item: Item) -> Iterator[str]:
    if item.opening is OpeningType.UNCONDITIONAL and (item.personal or item.grade is not SensitivityGrade.PUBLIC):
        yield "unconditional opening expected only of items graded public, and of no personal ones"
    if item.sharing is SharingType.UNCONDITIONAL and item.grade.rank > SensitivityGrade.INTERNAL.rank:
        yield "unconditional sharing expected only of items graded public or internal"
    if item.personal and item.grade.rank < SensitivityGrade.SENSITIVE.rank:
        yield "a grade of sensitive or restricted expected of a personal item"


def _find_credit_faults(item: Item, rules: NaturalPersonRules) -> Iterator[str]:
    if (item.personal or item.credit_use is CreditUse.FORBIDDEN) and any(f in item.release_forms for f in _SCORING):
        yield "neither model-input nor portrait expected of a personal or forbidden item"
    for found in rules.classes_of(item.zh, item.en):
        if item.credit_use.rank < found.credit_use.rank and not item.credit_use_reason:
            yield f"credit_use {found.credit_use} expected by its name, or a credit_use_reason"
