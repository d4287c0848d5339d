"""Examples of the catalogue's responses, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

_VERSION: dict[str, Any] = {"version": 1, "sha256": "66" * 32}
_DOMAIN: dict[str, Any] = {
    "code": "tax",
    "zh": "税务",
    "en": "Tax",
    "owner_zh": "税务局",
    "owner_en": "Tax Service",
    "frequency": "monthly",
    "grain": "period",
    "key": ["period"],
    "held_from": "period",
    "held_to": "",
}
_DEFINITION: dict[str, Any] = {
    "definition_zh": "所属期末尚未缴清的税款余额，不含滞纳金。",
    "definition_en": "The tax unpaid at the end of the period, without late payment surcharges.",
}
_ITEM: dict[str, Any] = {
    "code": "tax.arrears",
    "zh": "欠税余额",
    "en": "Tax arrears",
    **_DEFINITION,
    "type": "amount",
    "unit": "元 yuan",
    "codes": [],
    "required": False,
    "personal": False,
    "grade": "sensitive",
    "sharing": "conditional",
    "opening": "not-open",
    "release_forms": ["model-input", "portrait", "statistic", "verification"],
    "legal_basis": "《税收征收管理法》",
    "retention_years": 10,
    "credit_use": "allowed",
    "credit_use_reason": "",
    "derived_from": [],
    "lowered_reason": "",
}
OVERVIEW_EXAMPLE: dict[str, Any] = {
    **_VERSION,
    "title_zh": "公共数据资源目录：企业",
    "title_en": "Catalogue of public data on enterprises",
    "domains": [_DOMAIN | {"items": 9}],
    "versions": [
        {
            **_VERSION,
            "domains": 15,
            "items": 119,
            "imported_at": "2026-04-01T08:00:00+00:00",
            "imported_by": "李伟",
            "reason": "",
        }
    ],
}
SEARCH_EXAMPLE: dict[str, Any] = {
    **_VERSION,
    "query": "欠税",
    "matches": [
        {
            "code": "tax.arrears",
            "kind": "item",
            "zh": "欠税余额",
            "en": "Tax arrears",
            "domain": "tax",
            "owner_zh": "税务局",
            "owner_en": "Tax Service",
            "grade": "sensitive",
            **_DEFINITION,
        }
    ],
}
ENTRY_EXAMPLE: dict[str, Any] = {**_VERSION, "domain": _DOMAIN, "items": [_ITEM]}
COMPARISON_EXAMPLE: dict[str, Any] = {
    "before": 0,
    "after": 1,
    "added": ["tax.refunds"],
    "removed": [],
    "changed": [{"code": "tax.arrears", "field": "grade", "before": "sensitive", "after": "internal"}],
}
EXPORT_EXAMPLE: dict[str, Any] = {
    **_VERSION,
    "format": "csv",
    "files": [{"name": "sharing.csv", "base64": "77u/5Luj56CBCg=="}],
}
