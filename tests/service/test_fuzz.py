"""Made-up requests of every shape that the OpenAPI document allows, and some it does not: never a fault of the service.

On both databases: what SQLite takes as a text or a number, PostgreSQL may not.
Once as strangers send them, once signed under a contract, so that they reach what lies behind the signature.
"""

from __future__ import annotations

from typing import Any

import httpx
import jsonschema  # type: ignore[import-untyped]
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from protocols.wire.http_signatures import sign_request
from tests.service.conftest import JOB
from tests.service.test_openapi import BANKS, PEOPLE, PUBLIC

EXAMPLES = 8
OPERATIONS = [*PUBLIC, *BANKS]
FITTING, UNFITTING = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
UNFIT = ("{sha256}", "{job_id}", "{model}", "setup", "signature", "sheet", "matching", "batches", "keys", "consistency")
"""Where something can be unfitting beside the contract's id, which is the bank's own contract's."""
CASES = [
    *[(label, "stranger", FITTING) for label in OPERATIONS],
    *[(label, "stranger", UNFITTING) for label in OPERATIONS if "{" in label],
    *[(label, "bank", FITTING) for label in BANKS],
    *[(label, "bank", UNFITTING) for label in BANKS if any(part in label for part in UNFIT)],
]


@pytest.fixture(scope="module")
def document(service):
    return httpx.get(service.url + "/v1/openapi.json", timeout=60).json()


@pytest.fixture(scope="module")
def operations(document) -> dict[str, Any]:
    found: Any = schemathesis.openapi.from_dict(document).get_all_operations()
    return {each.ok().label: each.ok() for each in found}


def built(case, url: str) -> httpx.Request:
    sent = case.as_transport_kwargs(base_url=url)
    known = {name: sent[name] for name in ("params", "json", "data", "files") if sent.get(name) is not None}
    if not isinstance(known.get("data", {}), dict):
        known["content"] = known.pop("data")
    headers = {k: v for k, v in (sent.get("headers") or {}).items() if isinstance(v, str) and v.isascii()}
    return httpx.Request(sent["method"], sent["url"], headers=headers, **known)


def check(answer: httpx.Response, document) -> None:
    assert answer.status_code < 500 or answer.status_code == 503, answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        jsonschema.validate(answer.json(), document["components"]["schemas"]["Problem"])


def test_every_operation_is_fuzzed(operations):
    """Those of people, which need a sign-in, are fuzzed where that is tested."""
    assert set(operations) - set(PEOPLE) == set(OPERATIONS)


@pytest.mark.parametrize(("label", "who", "mode"), CASES)
def test_no_request_makes_the_service_fail(service, document, operations, label, who, mode):
    strategy = operations[label].as_strategy(generation_mode=mode)
    signed = who == "bank"
    contract = service.contract() if signed else ""
    reached = []

    with httpx.Client(timeout=60) as client:

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=strategy)
        def send(case) -> None:
            if signed and "{contract_id}" in label:
                case.path_parameters = {**(case.path_parameters or {}), "contract_id": contract}
            if signed and mode is FITTING and "job" in (case.query or {}):
                case.query = {**case.query, "job": JOB}  # an open one, to reach what lies behind
            try:
                request = built(case, service.url)
            except (httpx.InvalidURL, ValueError, TypeError):
                return  # not a request that HTTP can carry
            body = request.read()
            if signed:
                target = request.url.raw_path.decode("ascii")
                request.headers.update(
                    sign_request(
                        request.method, target, body, service.key, bureau_key=service.bureau.keys.public_key_hex
                    )
                )
            answer = client.send(request)
            reached.append("The request is not accepted" not in answer.text)
            check(answer, document)

        send()
    assert reached
    if signed:
        assert any(reached), "no request got past the signature"
