"""The OpenAPI document: valid, complete, with an example for everything, and good enough to make a client from."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import httpx
import jsonschema  # type: ignore[import-untyped]
import pytest
from openapi_spec_validator import validate

from tests.support.bureau_standin import CONTRACT, running

PUBLIC = (
    "GET /v1/health",
    "GET /v1/ready",
    "GET /v1/bureau",
    "POST /v1/sign-in",
    "GET /v1/sign-in/oidc",
    "GET /v1/sign-in/oidc/callback",
    "POST /v1/sign-in/oidc/code",
    "GET /v1/ledger/head",
    "GET /v1/ledger/checkpoint",
    "GET /v1/ledger/consistency",
    "GET /v1/ledger/restorations",
)
BANKS = (
    "GET /v1/contracts/{contract_id}",
    "POST /v1/contracts/{contract_id}/signature",
    "GET /v1/contracts/{contract_id}/sheet",
    "GET /v1/contracts/{contract_id}/register",
    "GET /v1/contracts/{contract_id}/allowance",
    "PUT /v1/contracts/{contract_id}/jobs/{job_id}",
    "GET /v1/contracts/{contract_id}/jobs/{job_id}",
    "POST /v1/contracts/{contract_id}/jobs/{job_id}/end",
    "GET /v1/contracts/{contract_id}/matching/setup",
    "GET /v1/contracts/{contract_id}/matching/setup/{sha256}",
    "GET /v1/contracts/{contract_id}/matching/setup/{sha256}/delta",
    "POST /v1/contracts/{contract_id}/matching",
    "POST /v1/contracts/{contract_id}/matching/count",
    "PUT /v1/contracts/{contract_id}/contexts/{sha256}",
    "GET /v1/contracts/{contract_id}/contexts/{sha256}",
    "PUT /v1/contracts/{contract_id}/jobs/{job_id}/batches/{sha256}",
    "PUT /v1/contracts/{contract_id}/jobs/{job_id}/batches/{sha256}/again",
    "GET /v1/contracts/{contract_id}/jobs/{job_id}/batches/{sha256}/reply",
    "GET /v1/contracts/{contract_id}/jobs/{job_id}/events",
    "GET /v1/banks/self",
    "POST /v1/banks/keys",
    "GET /v1/offers",
    "GET /v1/offers/{model}",
)
PEOPLE = (
    "POST /v1/sign-out",
    "GET /v1/me",
    "POST /v1/me/password",
    "GET /v1/accounts",
    "POST /v1/accounts",
    "PUT /v1/accounts/{name}/roles",
    "POST /v1/accounts/{name}/disable",
    "POST /v1/accounts/{name}/enable",
    "POST /v1/accounts/{name}/unlock",
    "POST /v1/accounts/{name}/reset",
    "GET /v1/banks",
    "POST /v1/banks/keys/added",
    "POST /v1/banks/keys/{key}/revocation",
    "GET /v1/audit/entries",
    "GET /v1/audit/inclusion",
    "GET /v1/audit/export",
    "POST /v1/audit/inquiries",
    "GET /v1/desk/contracts",
    "POST /v1/desk/contracts",
    "POST /v1/desk/contracts/import",
    "GET /v1/desk/contracts/{contract_id}",
    "GET /v1/desk/contracts/{contract_id}/diff",
    "GET /v1/desk/contracts/{contract_id}/export",
    "GET /v1/desk/contracts/{contract_id}/delivered",
    "POST /v1/desk/contracts/{contract_id}/amend",
    "POST /v1/desk/contracts/{contract_id}/steps/{step}",
    "GET /v1/desk/contracts/{contract_id}/meter",
    "GET /v1/desk/watch",
    "POST /v1/desk/banks",
    "GET /v1/requests",
    "GET /v1/requests/figures",
    "POST /v1/requests",
    "GET /v1/requests/{request_id}",
    "POST /v1/requests/{request_id}/answer",
    "POST /v1/requests/{request_id}/withdraw",
    "GET /v1/consents",
    "POST /v1/consents",
    "POST /v1/consents/withdrawals",
    "POST /v1/consents/enterprise",
    "POST /v1/enterprises/records",
    "GET /v1/repairs",
    "POST /v1/repairs",
    "GET /v1/repairs/{case}",
    "POST /v1/repairs/{case}/decision",
    "GET /v1/catalogue",
    "GET /v1/catalogue/search",
    "GET /v1/catalogue/entries/{code}",
    "GET /v1/catalogue/comparison",
    "GET /v1/catalogue/export",
    "GET /v1/repairs",
    "POST /v1/repairs",
    "GET /v1/repairs/{case}",
    "POST /v1/repairs/{case}/decision",
)
FRAMES = (
    "POST /v1/contracts/{contract_id}/matching",
    "POST /v1/contracts/{contract_id}/matching/count",
    "PUT /v1/contracts/{contract_id}/contexts/{sha256}",
    "PUT /v1/contracts/{contract_id}/jobs/{job_id}/batches/{sha256}",
)


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    with running(tmp_path_factory.mktemp("logs")) as service:
        return httpx.get(service.url + "/v1/openapi.json", timeout=60).json()


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_it_is_valid_openapi_3_1(document):
    assert document["openapi"].startswith("3.1")
    validate(document)


def test_it_has_every_route_and_says_who_may_call_it(document):
    """Anybody, a bank that signs its requests, or a person who has signed in (by token or by cookie)."""
    schemes = {
        name: tuple(scheme for way in operation["security"] for scheme in way)
        for name, operation in operations(document)
    }
    assert schemes == dict.fromkeys(PUBLIC, ()) | dict.fromkeys(BANKS, ("signature",)) | dict.fromkeys(
        PEOPLE, ("bearer", "cookie")
    )


def test_every_problem_has_an_example_that_fits_its_schema_in_both_languages(document):
    schema = document["components"]["schemas"]["Problem"]
    for name, operation in operations(document):
        assert "500" in operation["responses"], name
        for status, response in operation["responses"].items():
            if status[0] in "23":
                continue
            content = response["content"]["application/problem+json"]
            assert content["examples"], (name, status)
            for example in content["examples"].values():
                jsonschema.validate(example["value"], schema)
                assert str(example["value"]["status"]) == status
                zh, _, en = example["value"]["title"].partition(" / ")
                assert en.isascii()
                assert zh and not zh.isascii()


def test_every_json_answer_and_body_has_an_example(document):
    schemas = document["components"]["schemas"]
    for name, operation in operations(document):
        bodies = [*operation["responses"].values(), *([operation["requestBody"]] if "requestBody" in operation else [])]
        for body in bodies:
            for media, content in body.get("content", {}).items():
                if media != "application/json":
                    continue
                schema = content["schema"]
                schema = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
                fields = schema.get("properties", {})
                told = "example" in content or "examples" in schema
                assert told or all("const" in field for field in fields.values()), name


def test_frames_are_declared_as_bytes(document):
    found = dict(operations(document))
    for name in FRAMES:
        body = found.pop(name)["requestBody"]
        assert list(body["content"]) == ["application/octet-stream"], name
        assert "frame" in body["description"], name
    for name, operation in found.items():
        assert "application/octet-stream" not in operation.get("requestBody", {}).get("content", {}), name


def inputs(document):
    """Every parameter, and every field of a JSON body, with its schema."""
    for name, operation in operations(document):
        for one in operation.get("parameters", ()):
            yield f"{name} {one['in']}.{one['name']}", one["schema"]
        for content in operation.get("requestBody", {}).get("content", {}).values():
            yield f"{name} body", content["schema"]


def parts(where, schema, known):
    """A schema's texts and numbers, with their places."""
    if "$ref" in schema:
        schema = known[schema["$ref"].rpartition("/")[2]]
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        for one in schema.get(key, ()):
            yield from parts(where, one, known)
    for name, one in schema.get("properties", {}).items():
        yield from parts(f"{where}.{name}", one, known)
    for key in ("items", "additionalProperties", "propertyNames"):
        if isinstance(schema.get(key), dict):
            yield from parts(f"{where}.{key}", schema[key], known)
    if schema.get("type") in ("string", "integer", "number"):
        yield where, schema


READ_BY_THEIR_OWN_RULES = (
    *("password", "new_password", "verifier", ".ceilings.additionalProperties"),
    *(".consent.why", ".witnesses.parties.items.name"),
)
"""Passwords and PKCE verifiers are only hashed; ceilings have each their own bounds (`Ceilings`); a contract's texts
are stored as JSON, and a draft with a hidden character in one is refused (`Contract.check_free_texts`)."""


def test_every_text_and_number_that_enters_is_bounded(document):
    """So that none reaches a database that cannot hold it. See `lab.terms.fields.bounded_types`."""
    known, unbounded, seen = document["components"]["schemas"], [], 0
    for place, given in inputs(document):
        for where, schema in parts(place, given, known):
            seen += 1
            if {"enum", "const", "format"} & set(schema) or where.endswith(READ_BY_THEIR_OWN_RULES):
                continue
            if schema["type"] == "string":
                bounded = refuses_nul(schema.get("pattern", "")) and is_short(schema)
            else:
                bounded = "minimum" in schema and schema.get("maximum", 2**31) <= 2**31 - 1
            if not bounded:
                unbounded.append(where)
    assert unbounded == []
    assert seen > 100


def refuses_nul(pattern):
    return bool(pattern) and re.search(pattern, "\0") is None and re.search(pattern, "a\0b") is None


def is_short(schema):
    """By its length, or by a pattern of a fixed length."""
    return "maxLength" in schema or re.search(schema["pattern"], "a" * 5000) is None


def test_nothing_of_fastapis_own_error_shape_is_left(document):
    assert "HTTPValidationError" not in json.dumps(document)


def test_a_generated_client_imports_and_calls(document, tmp_path, monkeypatch):
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    (tmp_path / "config.yaml").write_text(
        "post_hooks: []\ncontent_type_overrides:\n  text/csv: application/octet-stream\n"
    )
    made = subprocess.run(
        [
            str(Path(sys.executable).with_name("openapi-python-client")),
            "generate",
            "--path=openapi.json",
            "--config=config.yaml",
            "--meta=none",
            "--output-path=generated_shulab_client",
            "--fail-on-warning",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    monkeypatch.syspath_prepend(str(tmp_path))
    client_module = importlib.import_module("generated_shulab_client")
    for name, operation in operations(document):
        importlib.import_module(f"generated_shulab_client.api.{operation['tags'][0]}.{operation['operationId']}"), name
    health = importlib.import_module("generated_shulab_client.api.health.health")
    sheet = importlib.import_module("generated_shulab_client.api.contracts.sheet")
    with running(tmp_path / "logs") as service:
        with client_module.Client(base_url=service.url) as client:
            assert health.sync(client=client).to_dict() == {"status": "ok"}
        with client_module.AuthenticatedClient(service.url, token="x") as client:
            refused = sheet.sync_detailed(CONTRACT, client=client)
        assert refused.status_code == 401
        assert refused.parsed.to_dict()["type"] == "urn:shulab:error:not-authentic"
