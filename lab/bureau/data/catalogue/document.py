"""A catalogue as a JSON document: what programs are shown, what is compared, and what its digest covers."""

from __future__ import annotations

import hashlib
from typing import Any

import rfc8785

from lab.bureau.data.catalogue.item_definition import Catalogue, Domain, Item


def catalogue_digest(catalogue: Catalogue) -> str:
    """SHA-256 (FIPS 180-4) of the canonical JSON (RFC 8785) of all definitions."""
    return hashlib.sha256(rfc8785.dumps(describe_catalogue(catalogue))).hexdigest()


def describe_catalogue(catalogue: Catalogue) -> dict[str, Any]:
    """The catalogue as plain JSON values, with every domain and item."""
    return {
        "title_zh": catalogue.title[0],
        "title_en": catalogue.title[1],
        **describe_identities(catalogue),
        "domains": [
            describe_domain(domain) | {"items": [describe_item(i) for i in domain.items]}
            for domain in catalogue.domains
        ],
    }


def describe_identities(catalogue: Catalogue) -> dict[str, Any]:
    """How enterprises are told apart, as far as the catalogue states it: what it leaves open is no part of it."""
    stated: dict[str, Any] = {}
    if catalogue.id_kind != "uscc":
        stated["id_kind"] = catalogue.id_kind
    if catalogue.stated_enterprises:
        stated["enterprises"] = catalogue.stated_enterprises
    if catalogue.natural_persons is not None:
        stated["natural_persons"] = catalogue.natural_persons.as_dict()
    return stated


def describe_domain(domain: Domain) -> dict[str, Any]:
    """A domain as plain JSON values, without its items."""
    return {
        "code": domain.code,
        "zh": domain.zh,
        "en": domain.en,
        "owner_zh": domain.owner_zh,
        "owner_en": domain.owner_en,
        "frequency": domain.frequency.value,
        "grain": domain.grain.value,
        "key": list(domain.key),
        "held_from": domain.held_from,
        "held_to": domain.held_to,
    }


def describe_item(item: Item) -> dict[str, Any]:
    """An item as plain JSON values."""
    return {
        "code": item.code,
        "zh": item.zh,
        "en": item.en,
        "definition_zh": item.definition[0],
        "definition_en": item.definition[1],
        "type": item.type.value,
        "unit": item.unit,
        "codes": [{"code": code, "zh": words[0], "en": words[1]} for code, words in item.codes.items()],
        "required": item.required,
        "personal": item.personal,
        "grade": item.grade.value,
        "sharing": item.sharing.value,
        "opening": item.opening.value,
        "release_forms": sorted(form.value for form in item.release_forms),
        "legal_basis": item.legal_basis,
        "retention_years": item.retention_years,
        "credit_use": item.credit_use.value,
        "credit_use_reason": item.credit_use_reason,
        "derived_from": list(item.derived_from),
        "lowered_reason": item.lowered_reason,
    }
