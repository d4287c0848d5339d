"""Every part of every request that the OpenAPI document names, replaced by what a database or a library may choke on.

NUL, control characters, integers beyond 32 and 64 bits, dates at the ends of the calendar, wrong kinds: no value makes
the service fail, on either database, whoever sends it. PostgreSQL takes no NUL in a text and refuses an integer that is
too large for its column, so that both were faults there and not on SQLite.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest

from lab.bureau.people import NewAccount, Role
from protocols.wire.http_signatures import sign_request
from tests.service.conftest import JOB, Service
from tests.support.people_front import GOOD
from tests.support.route_roles import role_for

TEXTS: list[Any] = ["", "a\0b", "\x1b[2J\x7f\u202e", "\ud800", "x" * 4000]
NUMBERS: list[Any] = [-1, 2**31 - 1, 2**31, 2**63, 10**30, 1e308]
DATES: list[Any] = ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"]
OTHERS: list[Any] = [None, [], {}]
HEADERS = (
    {"authorization": "Bearer \xff\xfe"},
    {"authorization": "Bearer " + "x" * 8000},
    {"cookie": "shulab_session=\xff; shulab_csrf=\xff; shulab_oidc=\xff"},
    {"cookie": "shulab_session=x", "x-csrf-token": "\xff", "origin": "\xff"},
    {"shulab-bureau": "\xff", "signature": "\xff", "signature-input": "\xff", "content-digest": "\xff"},
    {"content-type": "\xff"},
    {"content-type": "application/json; charset=\xff"},
)


class Sender:
    """Sends a request as a stranger, as a bank that signs it, or as a person; and looks at the status."""

    def __init__(self, service: Service, contract: str) -> None:
        self.service, self.contract = service, contract
        self.client = httpx.Client(base_url=service.url, timeout=60, trust_env=False)
        self.faults: list[tuple[str, int]] = []
        self.sent = 0
        self._tokens: dict[Role, str] = {}

    def send(self, who: str, method: str, target: str, body: Any, headers: dict[str, str] | None = None) -> None:
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        media = {"content-type": "application/json"} if content else {}
        if who == "bank":
            key = self.service.bureau.keys.public_key_hex
            media |= sign_request(method, target, content, self.service.key, bureau_key=key)
        elif who != "stranger":
            media["authorization"] = f"Bearer {self._token(Role(who))}"
        raw = [(name.encode(), field.encode("latin-1")) for name, field in (media | (headers or {})).items()]
        answer = self.client.request(method, target, content=content, headers=raw)
        self.sent += 1
        if answer.status_code >= 500 and "urn:shulab:error:busy" not in answer.text:
            self.faults.append((f"{who} {method} {target[:120]} {content[:300]!r} {headers}", answer.status_code))

    def _token(self, role: Role) -> str:
        if role in self._tokens and self._asks_me(role) != 200:  # some requests end a sign-in
            del self._tokens[role]
        if role not in self._tokens:
            name = f"h-{role.value}-{self.sent}"
            new = NewAccount(name, "credit", frozenset({role}))
            first = self.service.bureau.accounts.add(new, by="local") or ""
            self._tokens[role] = self.service.bureau.accounts.sign_in(name, first, GOOD).token
        return self._tokens[role]

    def _asks_me(self, role: Role) -> int:
        answer = self.client.get("/v1/me", headers={"authorization": f"Bearer {self._tokens[role]}"})
        return answer.status_code


@pytest.fixture(scope="module")
def document(service: Service) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(service.url + "/v1/openapi.json", timeout=60).json()
    return found


@pytest.fixture
def sender(service: Service) -> Iterator[Sender]:
    made = Sender(service, service.contract())
    with made.client:
        yield made


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def callers(method: str, path: str, operation: dict[str, Any]) -> list[str]:
    schemes = {name for one in operation["security"] for name in one}
    if "signature" in schemes:
        return ["stranger", "bank"]
    return ["stranger", role_for(method, path).value] if schemes else ["stranger"]


def example_body(operation: dict[str, Any], document: dict[str, Any]) -> Any:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return None
    schema = content["schema"]
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return content.get("example", (schema.get("examples") or [{}])[0])


def hostile_to(part: Any) -> list[Any]:
    """Values of a part's own kind that are hard to hold, and one or two of other kinds."""
    if isinstance(part, bool):
        return OTHERS
    if isinstance(part, int):
        return [*NUMBERS, "a\0b"]
    if isinstance(part, str):
        return [*TEXTS, 2**63, *(DATES if re.match(r"\d{4}-\d\d-\d\d", part) else [])]
    return [*OTHERS, "a\0b", ["a\0b", 2**63]]


def leaves(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The parts of a JSON value with their places, the value itself among them."""
    yield at, value
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        yield from leaves(part, (*at, name))


def replaced(value: Any, at: tuple[Any, ...], by: Any) -> Any:
    if not at:
        return by
    made = copy.deepcopy(value)
    inner = made
    for name in at[:-1]:
        inner = inner[name]
    inner[at[-1]] = by
    return made


def targets(path: str, operation: dict[str, Any], contract: str) -> Iterator[str]:
    """The path with fitting parts, then with each part replaced."""
    given = {one["name"]: one for one in operation.get("parameters", ())}
    fitting = {"contract_id": contract, "job_id": JOB, "job": JOB, "sha256": "6" * 64, "since": "5" * 64}
    fitting |= {"key": "2" * 64, "name": "li.wei", "model": "credit", "step": "approve", "from": "1", "to": "2"}
    fitting |= {"entry": "1", "first": "0", "count": "1", "state": "x", "form": "signed"}
    fitting |= {"case": "r-" + "0" * 12}
    fitting |= {"request_id": "r-20260101-1a2b3c4d", "code": "tax"}
    fitting |= {"q": "tax", "before": "0", "format": "csv"}
    inside = {name: fitting.get(name, "x") for name, one in given.items() if one["in"] == "path"}
    query = {name: fitting[name] for name, one in given.items() if one["in"] == "query" and one.get("required")}

    def write(parts: dict[str, Any], asked: dict[str, Any]) -> str:
        filled = re.sub(r"\{([a-z0-9_]+)\}", lambda found: escaped(parts[found[1]]), path)
        return filled + (f"?{urlencode({n: escaped_raw(v) for n, v in asked.items()})}" if asked else "")

    yield write(inside, query)
    for name, one in given.items():
        numeric = "integer" in json.dumps(one["schema"])
        for value in [*NUMBERS, "a\0b"] if numeric else [*TEXTS, 2**63]:
            if one["in"] == "path":
                yield write(inside | {name: value}, query)
            elif one["in"] == "query":
                yield write(inside, query | {name: value})


def escaped_raw(value: Any) -> bytes:
    return str(value).encode("utf-8", "surrogatepass")


def escaped(value: Any) -> str:
    return quote(escaped_raw(value), safe="") or "%20"


def test_no_hostile_parameter_makes_the_service_fail(sender: Sender, document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        body = example_body(operation, document)
        *_, who = callers(method, path, operation)
        for target in targets(path, operation, sender.contract):
            sender.send(who, method, target, body)
        if who != "stranger":
            sender.send("stranger", method, target, body)
    assert sender.faults == []
    assert sender.sent > 300


def test_no_hostile_body_makes_the_service_fail(sender: Sender, document: dict[str, Any]) -> None:
    signed = sender.service.bureau.bank_contracts.find(sender.contract)[0].model_dump(mode="json", by_alias=True)
    for method, path, operation in operations(document):
        body = example_body(operation, document)
        if body is None:
            continue
        if path == "/v1/desk/contracts/import":
            body = signed
        who = callers(method, path, operation)[-1]
        target = next(targets(path, operation, sender.contract))
        for place, part in leaves(body):
            for value in hostile_to(part):
                sender.send(who, method, target, replaced(body, place, value))
        for wrong in (b"\0", b"[" * 5000, b"\xff", b"NaN"):
            sender.send(who, method, target, wrong)
    assert sender.faults == []
    assert sender.sent > 300


def test_no_hostile_header_makes_the_service_fail(sender: Sender, document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        body = example_body(operation, document)
        for headers in HEADERS:
            for who in callers(method, path, operation)[-1:]:
                sender.send(who, method, next(targets(path, operation, sender.contract)), body, headers)
    assert sender.faults == []


def test_no_hostile_consent_makes_the_service_fail(sender: Sender) -> None:
    """A file of consents has its own reader."""
    fitting = ["firm-0001", sender.service.name, "credit-approval", "2026-01-01", "2027-01-01", "ref", "", ""]
    names = "code,bank,purpose,starts,expires,evidence,public_key,signature"
    for place in range(len(fitting)):
        for value in (*TEXTS, 2**63, *DATES):
            row = [str(value).replace('"', '""') if at == place else cell for at, cell in enumerate(fitting)]
            text = names + "\n" + ",".join(f'"{cell}"' for cell in row) + "\n"
            content = text.encode("utf-8", "surrogatepass")
            sender.send("steward", "POST", "/v1/consents?id_kind=opaque", content, {"content-type": "text/csv"})
    assert sender.faults == []


def test_a_bank_named_nul_is_registered_nowhere(sender: Sender) -> None:
    before = sender.service.bureau.banks.list_banks()
    for name in ("\0", "a\0b", "\u202e", " x"):
        sender.send("officer", "POST", "/v1/desk/banks", {"name": name, "public_key": "33" * 32})
        party = {"name": name, "public_key": "33" * 32}
        draft = {"bank": party, "clauses": {"models": ["credit"], "recipients": ["x"]}}
        sender.send("officer", "POST", "/v1/desk/contracts", draft)
    assert sender.faults == []
    assert sender.service.bureau.banks.list_banks() == before
