"""The catalogue as DCAT 3 in JSON-LD: a dataset for each domain, whose columns are described with CSVW.

All terms are in the document's own context, so a reader fetches nothing. ``dcat-shapes.ttl`` beside this module says
in SHACL what every export has; the tests validate exports by it. The profiles' own shapes (DCAT-AP 3.0.1) are not used:
they reject languages that are optional and absent (SEMICeu/DCAT-AP#475).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from lab.bureau.data.catalogue.exports.words import FREQUENCY_WORDS, GRAIN_WORDS
from lab.bureau.data.catalogue.item_definition import (
    Catalogue,
    Domain,
    Frequency,
    Item,
    ItemType,
    OpeningType,
    SharingType,
)

VOCABULARY = "urn:shulab:catalogue:1#"
_AUTHORITY = "http://publications.europa.eu/resource/authority/"
_FREQUENCIES = {
    Frequency.DAILY: "DAILY",
    Frequency.WEEKLY: "WEEKLY",
    Frequency.MONTHLY: "MONTHLY",
    Frequency.QUARTERLY: "QUARTERLY",
    Frequency.YEARLY: "ANNUAL",
}
_DATATYPES = {
    ItemType.TEXT: "string",
    ItemType.CODE: "string",
    ItemType.INTEGER: "integer",
    ItemType.NUMBER: "double",
    ItemType.AMOUNT: "double",
    ItemType.DATE: "date",
    ItemType.YES_NO: "boolean",
}
CONTEXT: Mapping[str, Any] = {
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "csvw": "http://www.w3.org/ns/csvw#",
    "prov": "http://www.w3.org/ns/prov#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "shulab": VOCABULARY,
}


def catalogue_as_dcat(catalogue: Catalogue, *, publisher: str, version: int, issued: date) -> dict[str, bytes]:
    """The file ``catalogue.dcat.jsonld``. ``publisher``: the bureau's name; ``version``: the catalogue's; ``issued``:
    the day of the version."""
    text = json.dumps(dcat_document(catalogue, publisher, version, issued), ensure_ascii=False, indent=1)
    return {"catalogue.dcat.jsonld": f"{text}\n".encode()}


def dcat_document(catalogue: Catalogue, publisher: str, version: int, issued: date) -> dict[str, Any]:
    """The JSON-LD document."""
    return {
        "@context": dict(CONTEXT),
        "@id": f"urn:shulab:catalogue:{catalogue.sha256}",
        "@type": "dcat:Catalog",
        "dct:title": _both(catalogue.title),
        "dct:identifier": catalogue.sha256,
        "dct:publisher": _agent("urn:shulab:bureau", (publisher, publisher)),
        "dct:issued": _typed(issued.isoformat(), "date"),
        "dct:language": [_resource("language", code) for code in ("ZHO", "ENG")],
        "dcat:version": str(version),
        "dcat:dataset": [_describe_dataset(domain) for domain in catalogue.domains],
    }


def _describe_dataset(domain: Domain) -> dict[str, Any]:
    frequency, grain = FREQUENCY_WORDS[domain.frequency], GRAIN_WORDS[domain.grain]
    count = len(domain.items)
    return {
        "@id": f"urn:shulab:dataset:{domain.code}",
        "@type": "dcat:Dataset",
        "dct:identifier": domain.code,
        "dct:title": _both((domain.zh, domain.en)),
        "dct:description": _both(
            (
                f"{domain.owner_zh}的{domain.zh}数据，{frequency[0]}更新，按{grain[0]}记录，共 {count} 项。",
                f"{domain.en}: data of the {domain.owner_en}, {frequency[1]}, a record a {grain[1]}, {count} items.",
            )
        ),
        "dct:publisher": _agent(f"urn:shulab:owner:{domain.code}", (domain.owner_zh, domain.owner_en)),
        "dct:accrualPeriodicity": _resource("frequency", _FREQUENCIES[domain.frequency]),
        "dct:accessRights": _resource("access-right", _access_right(domain.items)),
        "dcat:keyword": _both((domain.zh, domain.en)),
        "dct:conformsTo": {
            "@id": f"urn:shulab:schema:{domain.code}",
            "@type": "csvw:Schema",
            "csvw:column": {"@list": [_describe_column(item) for item in domain.items]},
        },
    }


def _describe_column(item: Item) -> dict[str, Any]:
    column: dict[str, Any] = {
        "@id": f"urn:shulab:item:{item.code}",
        "@type": "csvw:Column",
        "csvw:name": item.name,
        "csvw:title": _both((item.zh, item.en)),
        "csvw:datatype": {"@id": f"xsd:{_DATATYPES[item.type]}"},
        "csvw:required": _typed("true" if item.required else "false", "boolean"),
        "dct:description": _both(item.definition),
        "dct:accessRights": _resource("access-right", _access_right((item,))),
        "shulab:type": item.type.value,
        "shulab:grade": item.grade.value,
        "shulab:personal": _typed("true" if item.personal else "false", "boolean"),
        "shulab:creditUse": item.credit_use.value,
        "shulab:sharing": item.sharing.value,
        "shulab:opening": item.opening.value,
        "shulab:releaseForm": sorted(form.value for form in item.release_forms),
        "shulab:legalBasis": item.legal_basis,
        "shulab:retention": _typed(f"P{item.retention_years}Y", "duration"),
    }
    if item.unit:
        column["shulab:unit"] = item.unit
    if item.derived_from:
        column["prov:wasDerivedFrom"] = [{"@id": f"urn:shulab:item:{code}"} for code in item.derived_from]
    if item.lowered_reason:
        column["shulab:loweredReason"] = item.lowered_reason
    if item.codes:
        column["shulab:codeList"] = _describe_codes(item)
    return column


def _describe_codes(item: Item) -> dict[str, Any]:
    scheme = f"urn:shulab:codes:{item.code}"
    concepts = [
        {
            "@id": f"{scheme}:{code}",
            "@type": "skos:Concept",
            "skos:notation": code,
            "skos:prefLabel": _both(words),
            "skos:topConceptOf": {"@id": scheme},
        }
        for code, words in item.codes.items()
    ]
    return {"@id": scheme, "@type": "skos:ConceptScheme", "skos:hasTopConcept": concepts}


def _access_right(items: tuple[Item, ...]) -> str:
    """Public if the public may have every item, non-public if no other office may have any, else restricted."""
    if all(item.opening is OpeningType.UNCONDITIONAL for item in items):
        return "PUBLIC"
    if all(item.sharing is SharingType.NOT_SHARED and item.opening is OpeningType.NOT_OPEN for item in items):
        return "NON_PUBLIC"
    return "RESTRICTED"


def _both(texts: tuple[str, str]) -> list[dict[str, str]]:
    return [{"@language": "zh", "@value": texts[0]}, {"@language": "en", "@value": texts[1]}]


def _typed(value: str, datatype: str) -> dict[str, str]:
    return {"@type": f"xsd:{datatype}", "@value": value}


def _resource(table: str, code: str) -> dict[str, str]:
    return {"@id": f"{_AUTHORITY}{table}/{code}"}


def _agent(identifier: str, names: tuple[str, str]) -> dict[str, Any]:
    return {"@id": identifier, "@type": "foaf:Agent", "foaf:name": _both(names)}
