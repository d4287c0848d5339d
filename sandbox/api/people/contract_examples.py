"""Examples of the officers' routes for the OpenAPI document, and body schemas without references."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from sandbox.api.openapi import CONTRACT_EXAMPLE
from sandbox.api.request_body import JSON_MEDIA

_MOMENT = "2026-01-01T08:00:00+00:00"
FINGERPRINT_EXAMPLE = "5f2b-78d1-fc91-f45c-e4cd-47b0-5803-101e"
APPROVAL_EXAMPLE: dict[str, Any] = {"account": "zhao.min", "department": "compliance", "approved_at": _MOMENT}
CONTRACT_SUMMARY_EXAMPLE: dict[str, Any] = {
    "contract": "c-20260101-1a2b3c4d",
    "version": 1,
    "state": "approved",
    "bank": {"id": "b-0123456789ab", "name": "示例银行", "fingerprint": FINGERPRINT_EXAMPLE},
    "models": ["credit@1"],
    "purpose": "credit-approval",
    "detail": "dimensions",
    "starts": _MOMENT,
    "expires": "2027-01-01T08:00:00+00:00",
    "sha256": "66" * 32,
    "drafted_by": "li.wei",
    "drafted_at": _MOMENT,
    "reviewer": "zhao.min",
    "officers_needed": 1,
    "approvals": [APPROVAL_EXAMPLE],
    "signed_by_bank": False,
    "signed_by_bureau": True,
    "warnings": [],
}
CONTRACT_DETAIL_EXAMPLE: dict[str, Any] = CONTRACT_SUMMARY_EXAMPLE | {
    "signed": CONTRACT_EXAMPLE["signed"],
    "versions": [CONTRACT_SUMMARY_EXAMPLE],
    "allowance": {
        "identifiers": {"ceiling": 1_000_000, "used": 5_000, "left": 995_000},
        "scores": {"ceiling": 100, "used": 1, "left": 99, "period_days": 365, "total": 4_200, "enterprises": 4_200},
        "jobs": {"ceiling": 100, "used": 1, "left": 99},
        "identifiers_per_match": 100_000,
        "rows_per_job": 1_000_000,
        "rows_per_batch": 8192,
    },
}
DELIVERY_EXAMPLE: dict[str, Any] = {
    "what": "scores",
    "at": _MOMENT,
    "job": "r-20260101-080000-1a2b",
    "recipient": "信贷部 credit department",
    "model": "credit@1",
    "rows": 4_200,
    "entry": 311,
}
CLAUSE_CHANGE_EXAMPLE: dict[str, Any] = {
    "term": "retention_days",
    "label_zh": "保存期限",
    "label_en": "retention",
    "zh": "原为：365天 现为：30天",
    "en": "Was: 365 days Now: 30 days",
    "widens": False,
}
WATCH_RULE_EXAMPLE: dict[str, Any] = {
    "code": "one-enterprise",
    "zh": "一户反复评分",
    "en": "one enterprise scored over and over",
    "counts": "scores of the enterprise that the bank scored most, under all its contracts",
    "limit": 8,
    "days": 30,
    "step": "suspend",
}
WATCH_FINDING_EXAMPLE: dict[str, Any] = {
    "contract": "c-20260101-1a2b3c4d",
    "bank": "示例银行",
    "rule": "one-enterprise",
    "zh": "一户反复评分",
    "en": "one enterprise scored over and over",
    "found": 41,
    "limit": 8,
    "days": 30,
    "since": _MOMENT,
    "entry": 412,
    "step": "suspend",
    "next_step": "lab officer suspend c-20260101-1a2b3c4d --reason …, then ask the bank",
}
BANK_FORM_EXAMPLE: dict[str, Any] = {"name": "示例银行", "public_key": "22" * 32}
AMENDMENT_FORM_EXAMPLE: dict[str, Any] = {
    "clauses": {"retention_days": 30, "ceilings": {"jobs_per_day": 2}},
    "submit": True,
}
DRAFT_FORM_EXAMPLE: dict[str, Any] = {
    "bank": BANK_FORM_EXAMPLE,
    "clauses": {"models": ["credit"], "detail": "dimensions", "days": 365, "recipients": ["信贷部 credit department"]},
    "fingerprint": FINGERPRINT_EXAMPLE,
    "submit": True,
}
STEP_FORM_EXAMPLE: dict[str, Any] = {"reason": "客户要求 the bank asked for it", "version": 1}


def openapi_inlined_body(model: type[BaseModel], example: dict[str, Any]) -> dict[str, Any]:
    """OpenAPI's description of a JSON body of ``model``, with referenced models inlined."""
    schema = model.model_json_schema()
    content = {JSON_MEDIA: {"schema": _inline(schema, schema.get("$defs", {})), "example": example}}
    return {"requestBody": {"required": True, "content": content}}


def _inline(schema: Any, known: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_inline(one, known) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        found = known[str(schema["$ref"]).rpartition("/")[2]]
        return _inline(found | {name: part for name, part in schema.items() if name != "$ref"}, known)
    return {name: _inline(part, known) for name, part in schema.items() if name != "$defs"}
