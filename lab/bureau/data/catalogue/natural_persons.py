"""What credit-reporting rules forbid or restrict for natural persons, and the check of a model's items against them.

The rules are data (``natural_person_rules.toml``, or a catalogue's own ``[natural_persons]``). An individual business
is a natural person, and so is a legal representative. A personal or forbidden item never enters a model or a portrait,
of whomever; a restricted one only with the person's written consent.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from lab.bureau.data.catalogue.item_definition import (
    Catalogue,
    CreditUse,
    Item,
    ItemReleaseForm,
    NaturalPersonRules,
    PersonalDataClass,
)
from lab.terms.errors import InvalidInput, NotAllowed
from lab.terms.text.known_names import describe_unknown_names

_RULES_FILE = "natural_person_rules.toml"
_NOTHING = r"(?!)"
"""A pattern that no text has."""


@dataclass(frozen=True, slots=True)
class ModelItemCheck:
    """The items of a model that passed, and which of them need a natural person's written consent."""

    codes: tuple[str, ...]
    restricted: tuple[str, ...]


@cache
def natural_person_rules() -> NaturalPersonRules:
    """The rules in the file beside this module."""
    return build_natural_person_rules(tomllib.loads((files(__package__) / _RULES_FILE).read_text(encoding="utf-8")))


def rules_of(catalogue: Catalogue) -> NaturalPersonRules:
    """The rules that a catalogue states, else those in the file beside this module."""
    return catalogue.natural_persons or natural_person_rules()


def build_natural_person_rules(content: Mapping[str, Any]) -> NaturalPersonRules:
    """The rules of a parsed file or table, whose form was checked."""
    return NaturalPersonRules(
        regulation=(content["regulation_zh"], content["regulation_en"]),
        classes=tuple(_read_class(one) for one in content["classes"]),
        code_prefixes=tuple(content["individual_code_prefixes"]),
    )


def is_natural_person(enterprise: str, rules: NaturalPersonRules | None = None) -> bool:
    """Whether an enterprise's code is an individual business's; ``rules``: None for the program's own."""
    return enterprise.startswith((rules or natural_person_rules()).code_prefixes)


def items_withheld_from(catalogue: Catalogue, enterprise: str) -> frozenset[str]:
    """Codes of the items that may not be weighed for this enterprise without its written consent.

    Personal and forbidden items are among them for every enterprise, restricted ones for natural persons.
    """
    natural = is_natural_person(enterprise, rules_of(catalogue))
    return frozenset(
        item.code
        for item in catalogue.items
        if item.personal
        or item.credit_use is CreditUse.FORBIDDEN
        or (natural and item.credit_use is CreditUse.RESTRICTED)
    )


def check_model_items(catalogue: Catalogue, codes: Iterable[str]) -> ModelItemCheck:
    """Check that items may enter a model and its portraits, and tell which are restricted for natural persons.

    Raises ``InvalidInput`` for an item that the catalogue does not have, and ``NotAllowed`` naming every item that is
    personal, forbidden, derived from such an item, or not released as input of a model.
    """
    wanted = tuple(dict.fromkeys(codes))
    by_code = {item.code: item for item in catalogue.items}
    unknown = [code for code in wanted if code not in by_code]
    if unknown:
        raise InvalidInput(
            f"Expected items of the catalogue; found {describe_unknown_names(unknown, by_code)}.",
            next_step="`lab bureau catalogue show` lists the items",
        )
    refused = [code for code in wanted if not may_be_weighed(by_code[code], by_code)]
    if refused:
        raise NotAllowed(
            f"Expected items that may enter a model or portrait; found {', '.join(refused)}.",
            next_step="leave them out: they are personal, forbidden, or not released as input of a model",
        )
    restricted = tuple(code for code in wanted if by_code[code].credit_use is CreditUse.RESTRICTED)
    return ModelItemCheck(wanted, restricted)


def may_be_weighed(item: Item, by_code: dict[str, Item]) -> bool:
    """Whether an item may enter a model: it is released as input, and neither it nor an item it derives from is
    personal or forbidden."""
    pending, seen = [item], set()
    while pending:
        one = pending.pop()
        if one.code in seen:
            continue
        seen.add(one.code)
        if one.personal or one.credit_use is CreditUse.FORBIDDEN:
            return False
        pending += [by_code[code] for code in one.derived_from]
    return ItemReleaseForm.MODEL_INPUT in item.release_forms


def _read_class(content: dict[str, Any]) -> PersonalDataClass:
    words = [re.escape(word) for word in content["words_zh"]]
    words += [rf"\b{re.escape(word)}\b" for word in content["words_en"]]
    return PersonalDataClass(
        content["code"],
        (content["zh"], content["en"]),
        CreditUse(content["credit_use"]),
        re.compile("|".join(words) or _NOTHING, re.IGNORECASE),
    )
