"""Every route that a person may call: nobody without a token, nobody without the permission, and never a fault.

The routes are those of the OpenAPI document, so that one which is added and forgets to ask who calls is found here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import jsonschema  # type: ignore[import-untyped]
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable

from lab.bureau.contracts.banks import register_bank
from lab.bureau.people import Role
from lab.terms.keys.party import Party
from tests.service.conftest import _new_database
from tests.service.test_fuzz import built
from tests.support.bureau_standin import Key
from tests.support.people_front import Front, close_front, open_front
from tests.support.route_roles import role_for

EXAMPLES = 4
OPEN = {
    *("GET /v1/health", "GET /v1/ready", "GET /v1/bureau", "GET /v1/ledger/head", "GET /v1/ledger/consistency"),
    *("GET /v1/ledger/checkpoint", "GET /v1/ledger/restorations"),
    *("POST /v1/sign-in", "GET /v1/sign-in/oidc", "GET /v1/sign-in/oidc/callback", "POST /v1/sign-in/oidc/code"),
}
"""What anybody may ask."""
OWN = {"GET /v1/me", "POST /v1/sign-out", "POST /v1/me/password"}
"""What whoever has signed in may do, whatever their roles."""
FITTING, UNFITTING = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def front(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    database = "" if request.param == "sqlite" else _new_database(request.getfixturevalue("postgres_url"))
    opened = open_front(tmp_path_factory.mktemp("bureau"), database)
    try:
        yield opened
    finally:
        close_front(opened)


@pytest.fixture(scope="module")
def document(front: Front) -> dict[str, Any]:
    with front.client() as client:
        found: dict[str, Any] = client.get("/v1/openapi.json").json()
    return found


def labels(document: dict[str, Any], *, scheme: str) -> list[str]:
    found = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            schemes = {name for one in operation["security"] for name in one}
            if scheme in schemes or (not scheme and not schemes):
                found.append(f"{method.upper()} {path}")
    return found


def ask(client: httpx.Client, label: str) -> httpx.Response:
    method, path = label.split(" ")
    return client.request(method, re.sub(r"\{[a-z0-9_]+\}", "c-20260101-1a2b3c4d", path), json={})


def test_what_anybody_may_ask_is_a_short_list(document: dict[str, Any]) -> None:
    assert set(labels(document, scheme="")) == OPEN
    assert set(labels(document, scheme="bearer")) >= OWN
    assert labels(document, scheme="bearer") == labels(document, scheme="cookie")
    assert not set(labels(document, scheme="bearer")) & set(labels(document, scheme="signature"))


def test_without_a_token_no_route_does_anything(front: Front, document: dict[str, Any]) -> None:
    with front.client() as client:
        for label in set(labels(document, scheme="bearer")) | set(labels(document, scheme="signature")):
            assert ask(client, label).status_code == 401, label


def test_a_one_time_password_opens_no_route(front: Front, document: dict[str, Any]) -> None:
    with front.client(front.sign_in("fresh", front.account("fresh", Role.OFFICER, Role.STEWARD))["token"]) as client:
        for label in set(labels(document, scheme="bearer")) - OWN:
            answer = ask(client, label)
            assert answer.status_code == 403 and "one-time" in answer.json()["detail"], label


def test_a_role_without_permissions_opens_no_route(front: Front, document: dict[str, Any]) -> None:
    """Researchers have no permission yet; each refusal is in the ledger."""
    with front.client(front.settle("mei", Role.RESEARCHER)) as client:
        answers = {label: ask(client, label) for label in sorted(set(labels(document, scheme="bearer")) - OWN)}
    for label, answer in answers.items():
        # Some read the request before they look at the role; none goes further.
        assert answer.status_code in (403, 422), (label, answer.text)
    refused = [label for label, answer in answers.items() if answer.status_code == 403]
    written = [body for body in front.entries("refused") if body["by"] == "person:mei"]
    assert len(written) == len(refused) > len(answers) / 2


def test_lists_have_pages_that_together_are_the_list(front: Front) -> None:
    for number in range(5):
        front.account(f"paged-{number}", Role.OFFICER)
        party = Party(name=f"Bank {number}", public_key=Key().public_key_hex)
        with front.bureau.store.begin() as session:
            register_bank(session, party, by="local", now=datetime.now(UTC), fingerprint=party.fingerprint)
    with front.client(front.settle("pager", Role.AUDITOR)) as client:
        for path, name in (("/v1/accounts", "accounts"), ("/v1/banks", "banks"), ("/v1/audit/entries", "entries")):
            whole = client.get(path, params={"limit": 1000}).json()
            assert whole["next"] is None and len(whole[name]) >= 5
            found: list[Any] = []
            following = None
            while following is not None or not found:
                asked: dict[str, Any] = {"limit": 2}
                asked |= {"after" if name == "entries" else "cursor": following} if following else {}
                page = client.get(path, params=asked).json()
                assert 1 <= len(page[name]) <= 2
                found += page[name]
                following = page["next"]
            assert found == whole[name]
            assert client.get(path, params={"limit": 0}).status_code == 422
        assert client.get("/v1/banks", params={"cursor": "b-unknown"}).status_code == 404
        assert client.get("/v1/desk/contracts", params={"limit": 1}).json() == {"contracts": [], "next": None}


def test_no_request_of_a_person_makes_the_service_fail(front: Front, document: dict[str, Any]) -> None:
    found: Any = schemathesis.openapi.from_dict(document).get_all_operations()
    every = {each.ok().label: each.ok() for each in found}
    reached: set[str] = set()
    tokens: dict[Role, str] = {}
    for label in [*labels(document, scheme="bearer"), *sorted(OPEN)]:
        role = role_for(*label.split(" "))
        if role not in tokens:
            tokens[role] = front.settle("fuzz" + re.sub(r"[^a-z]+", "-", label.lower())[:56], role)
        with front.client(tokens[role]) as client:
            for mode in (FITTING, UNFITTING):
                try:
                    statuses = fuzz(client, every[label].as_strategy(generation_mode=mode), document, label)
                except Unsatisfiable:  # a route that takes nothing has nothing to be wrong in
                    continue
                reached |= {label for status in statuses if status not in (401, 403)}
            if client.get("/v1/me").status_code != 200:  # some routes end a sign-in: the next one needs another account
                del tokens[role]
    assert reached >= set(labels(document, scheme="bearer"))


def fuzz(client: httpx.Client, strategy: Any, document: dict[str, Any], label: str) -> list[int]:
    """Send made-up requests; returns the statuses."""
    statuses = []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def send(case: Any) -> None:
        try:
            request = built(case, str(client.base_url))
        except (httpx.InvalidURL, ValueError, TypeError):
            return  # not a request that HTTP can carry
        request.headers["authorization"] = client.headers["authorization"]
        answer = client.send(request)
        check(answer, document, label)
        statuses.append(answer.status_code)

    send()
    return statuses


def check(answer: httpx.Response, document: dict[str, Any], label: str) -> None:
    assert answer.status_code < 500 or answer.status_code == 503, (label, answer.text)
    assert answer.headers["x-content-type-options"] == "nosniff"
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json", label
        jsonschema.validate(answer.json(), document["components"]["schemas"]["Problem"])
