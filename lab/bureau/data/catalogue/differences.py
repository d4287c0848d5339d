"""What two versions of a catalogue say differently, field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lab.bureau.data.catalogue.document import describe_domain, describe_identities, describe_item
from lab.bureau.data.catalogue.item_definition import Catalogue


@dataclass(frozen=True, slots=True)
class DefinitionChange:
    """One field of a domain or an item (``code``; empty: of the catalogue itself), as text before and after."""

    code: str
    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class CatalogueComparison:
    """Codes of domains and items that are new or gone, and what changed in those that stayed."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[DefinitionChange, ...]

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not (self.added or self.removed or self.changed)


def compare_catalogues(before: Catalogue, after: Catalogue) -> CatalogueComparison:
    """What is new, gone and changed in ``after``; two catalogues of one digest have no difference."""
    old, new = _definitions(before), _definitions(after)
    return CatalogueComparison(
        added=tuple(code for code in new if code not in old),
        removed=tuple(code for code in old if code not in new),
        changed=tuple(change for code in new if code in old for change in _compare_fields(code, old[code], new[code])),
    )


def _definitions(catalogue: Catalogue) -> dict[str, dict[str, str]]:
    found = {"": _as_texts({"zh": catalogue.title[0], "en": catalogue.title[1]})}
    found[""]["domains"] = ", ".join(domain.code for domain in catalogue.domains)
    found[""] |= _identity_texts(describe_identities(catalogue))
    for domain in catalogue.domains:
        found[domain.code] = _as_texts(describe_domain(domain))
        found[domain.code]["items"] = ", ".join(item.name for item in domain.items)
        found |= {item.code: _as_texts(describe_item(item)) for item in domain.items}
    return found


def _identity_texts(stated: Mapping[str, Any]) -> dict[str, str]:
    """How enterprises are told apart, as texts; each class of information on natural persons is a field of its own."""
    texts = {field: value for field, value in stated.items() if isinstance(value, str)}
    if rules := stated.get("natural_persons"):
        texts["natural_persons"] = f"{rules['regulation_zh']} {rules['regulation_en']}"
        texts["natural_persons.individual_code_prefixes"] = ", ".join(rules["individual_code_prefixes"])
        for one in rules["classes"]:
            words = f"{one['zh']} {one['en']}: {one['credit_use']}, {one['pattern']}"
            texts[f"natural_persons.classes.{one['code']}"] = words
    return texts


def _as_texts(definition: Mapping[str, Any]) -> dict[str, str]:
    """The fields as texts; each value of a list of codes is a field of its own, and so is their order."""
    texts: dict[str, str] = {}
    for field, value in definition.items():
        if field == "codes":
            texts |= {f"codes.{one['code']}": f"{one['zh']} {one['en']}" for one in value}
            texts["codes"] = ", ".join(one["code"] for one in value)
        elif isinstance(value, list):
            texts[field] = ", ".join(value)
        elif isinstance(value, bool):
            texts[field] = "true" if value else "false"
        else:
            texts[field] = str(value)
    return texts


def _compare_fields(code: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[DefinitionChange]:
    for field in dict.fromkeys((*old, *new)):
        before, after = old.get(field, ""), new.get(field, "")
        if before != after:
            yield DefinitionChange(code, field, before, after)
