"""The OpenAPI document: valid, complete, with an example for everything, and good enough to make a client from."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import httpx
import jsonschema  # type: ignore[import-untyped]
import pytest
from openapi_spec_validator import validate

from tests.service.standin import CONTRACT, running


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


def test_it_has_every_route_of_the_service(document):
    contract = "/v1/contracts/{contract_id}"
    assert {name for name, _ in operations(document)} == {
        "GET /v1/health",
        "GET /v1/ready",
        "GET /v1/bureau",
        f"GET {contract}",
        f"POST {contract}/signature",
        f"GET {contract}/sheet",
        f"GET {contract}/allowance",
        f"GET {contract}/matching/setup",
        f"POST {contract}/matching",
        f"PUT {contract}/contexts/{{sha256}}",
        f"GET {contract}/contexts/{{sha256}}",
        f"POST {contract}/scores",
    }


def test_signed_routes_say_so_and_public_ones_do_not(document):
    for name, operation in operations(document):
        assert bool(operation["security"]) is ("/contracts/" in name), name


def test_every_problem_has_an_example_that_fits_its_schema_in_both_languages(document):
    schema = document["components"]["schemas"]["Problem"]
    for name, operation in operations(document):
        assert "500" in operation["responses"], name
        for status, response in operation["responses"].items():
            if status.startswith("2"):
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
    for name, operation in operations(document):
        if "requestBody" in operation and not name.endswith("/signature"):
            assert list(operation["requestBody"]["content"]) == ["application/octet-stream"], name
            assert "frame" in operation["requestBody"]["description"], name


def test_nothing_of_fastapis_own_error_shape_is_left(document):
    assert "HTTPValidationError" not in json.dumps(document)


def test_a_generated_client_imports_and_calls(document, tmp_path, monkeypatch):
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    (tmp_path / "config.yaml").write_text("post_hooks: []\n")
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
