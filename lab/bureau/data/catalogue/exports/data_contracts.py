"""A data contract for each table of the catalogue, by the Open Data Contract Standard (ODCS) 3.1.

The files are JSON, which every reader of YAML reads too (YAML 1.2, section 1.3).
"""

from __future__ import annotations

import json
from typing import Any

from lab.bureau.data.catalogue.exports.words import FREQUENCY_WORDS
from lab.bureau.data.catalogue.item_definition import Catalogue, Domain, Frequency, Item, ItemType

API_VERSION = "v3.1.0"
_LOGICAL_TYPES = {
    ItemType.TEXT: "string",
    ItemType.CODE: "string",
    ItemType.INTEGER: "integer",
    ItemType.NUMBER: "number",
    ItemType.AMOUNT: "number",
    ItemType.DATE: "date",
    ItemType.YES_NO: "boolean",
}
_PHYSICAL_TYPES = {
    ItemType.TEXT: "VARCHAR",
    ItemType.CODE: "VARCHAR",
    ItemType.INTEGER: "BIGINT",
    ItemType.NUMBER: "DOUBLE",
    ItemType.AMOUNT: "DOUBLE",
    ItemType.DATE: "DATE",
    ItemType.YES_NO: "BOOLEAN",
}
_INTERVALS = {
    Frequency.DAILY: (1, "d"),
    Frequency.WEEKLY: (7, "d"),
    Frequency.MONTHLY: (1, "m"),
    Frequency.QUARTERLY: (3, "m"),
    Frequency.YEARLY: (1, "y"),
}


def data_contracts(catalogue: Catalogue, *, publisher: str, version: int) -> dict[str, bytes]:
    """A file ``DOMAIN.odcs.yaml`` for each domain. ``publisher``: the bureau's name; ``version``: the catalogue's."""
    return {
        f"{domain.code}.odcs.yaml": _as_json(_describe_contract(catalogue, domain, publisher, version))
        for domain in catalogue.domains
    }


def _describe_contract(catalogue: Catalogue, domain: Domain, publisher: str, version: int) -> dict[str, Any]:
    interval, unit = _INTERVALS[domain.frequency]
    years = max(item.retention_years for item in domain.items)
    return {
        "kind": "DataContract",
        "apiVersion": API_VERSION,
        "id": f"urn:shulab:data-contract:{domain.code}",
        "name": f"{domain.zh} {domain.en}",
        "version": f"{version}.0.0",
        "status": "active",
        "tenant": publisher,
        "domain": domain.code,
        "description": {
            "purpose": f"{domain.owner_zh}的{domain.zh}数据。{domain.en}: data of the {domain.owner_en}.",
            "usage": "按目录所列形式提供。In the forms that the catalogue allows for each item.",
            "limitations": "不得超出目录的共享与开放类型。Within each item's sharing and opening type.",
        },
        "schema": [
            {
                "name": domain.code,
                "physicalName": domain.code,
                "physicalType": "view",
                "logicalType": "object",
                "businessName": f"{domain.zh} {domain.en}",
                "dataGranularityDescription": f"grain: {domain.grain.value}",
                "properties": [_enterprise_property(), *(_describe_property(domain, item) for item in domain.items)],
            }
        ],
        "slaProperties": [
            {
                "property": "frequency",
                "value": interval,
                "unit": unit,
                "description": FREQUENCY_WORDS[domain.frequency][1],
            },
            {"property": "retention", "value": years, "unit": "y"},
        ],
        "customProperties": [
            {"property": "catalogueSha256", "value": catalogue.sha256},
            {"property": "ownerZh", "value": domain.owner_zh},
            {"property": "ownerEn", "value": domain.owner_en},
            {"property": "heldFrom", "value": domain.held_from},
            {"property": "heldTo", "value": domain.held_to},
        ],
    }


def _enterprise_property() -> dict[str, Any]:
    return {
        "name": "enterprise",
        "businessName": "统一社会信用代码 Unified social credit code",
        "logicalType": "string",
        "physicalType": "VARCHAR",
        "logicalTypeOptions": {"minLength": 18, "maxLength": 18},
        "required": True,
        "primaryKey": True,
        "primaryKeyPosition": 1,
    }


def _describe_property(domain: Domain, item: Item) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": item.name,
        "businessName": f"{item.zh} {item.en}",
        "description": f"{item.definition[0]} {item.definition[1]}",
        "logicalType": _LOGICAL_TYPES[item.type],
        "physicalType": _PHYSICAL_TYPES[item.type],
        "required": item.required,
        "primaryKey": item.name in domain.key,
        "classification": item.grade.value,
        "customProperties": [
            {"property": "type", "value": item.type.value},
            {"property": "unit", "value": item.unit},
            {"property": "personal", "value": item.personal},
            {"property": "creditUse", "value": item.credit_use.value},
            {"property": "sharing", "value": item.sharing.value},
            {"property": "opening", "value": item.opening.value},
            {"property": "releaseForms", "value": sorted(form.value for form in item.release_forms)},
            {"property": "legalBasis", "value": item.legal_basis},
            {"property": "retentionYears", "value": item.retention_years},
        ],
    }
    if item.name in domain.key:
        described["primaryKeyPosition"] = domain.key.index(item.name) + 2
    if item.codes:
        codes = [{"value": code, "zh": words[0], "en": words[1]} for code, words in item.codes.items()]
        described["customProperties"].append({"property": "codes", "value": codes})
        described["quality"] = [
            {
                "type": "library",
                "metric": "invalidValues",
                "arguments": {"validValues": list(item.codes)},
                "mustBe": 0,
                "dimension": "conformity",
            }
        ]
    if item.derived_from:
        described["transformSourceObjects"] = list(item.derived_from)
    return described


def _as_json(contract: dict[str, Any]) -> bytes:
    return (json.dumps(contract, ensure_ascii=False, indent=2) + "\n").encode()
