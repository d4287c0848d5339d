"""Signing in over HTTP, by token and by cookie, and what administrators do, on both databases."""

from __future__ import annotations

import json
import stat
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import Response
from starlette.requests import Request

from lab.bureau.ledger.rate_limited_entries import SORT_FACT, TALLY_WINDOW, close_tallies
from lab.bureau.people import Permission, Role
from lab.bureau.people.lockout import MAX_ATTEMPTS
from lab.sdk.client import ServiceClient
from lab.sdk.connection import ServiceConnection
from lab.sdk.session_file import SavedSession
from lab.terms.errors import InvalidInput, NotAllowed, NotAuthentic, NotFound, Unreachable
from sandbox.auth.person import set_sign_in_cookies
from sandbox.dependencies import ServiceDependencies
from tests.service.conftest import _new_database
from tests.support.people_front import GOOD, OTHER, WRONG, Front, close_front, open_front


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def front(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    database = "" if request.param == "sqlite" else _new_database(request.getfixturevalue("postgres_url"))
    opened = open_front(tmp_path_factory.mktemp("bureau"), database)
    opened.account("root", Role.ADMINISTRATOR, department="it")
    try:
        yield opened
    finally:
        close_front(opened)


@pytest.fixture(scope="module")
def root(front: Front) -> str:
    """A token of an administrator's."""
    return front.settle("boss", Role.ADMINISTRATOR, department="it")


def problem(answer: httpx.Response, status: int) -> dict:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict = answer.json()
    return found


def test_a_person_signs_in_asks_who_they_are_and_signs_out(front: Front) -> None:
    token = front.settle("a.one", Role.OFFICER)
    with front.client(token) as client:
        me = client.get("/v1/me").json()
        assert (me["account"], me["department"], me["roles"]) == ("a.one", "credit", ["officer"])
        assert Permission.APPROVE_CONTRACTS in me["permissions"] and Permission.READ_LEDGER not in me["permissions"]
        assert client.post("/v1/sign-out", json={}).json() == {"signed_out": True}
        problem(client.get("/v1/me"), 401)


def test_without_a_token_nobody_is_let_in(front: Front) -> None:
    for headers in (
        {},
        {"authorization": "Bearer nonsense"},
        {"authorization": "Basic YTpi"},
        {"cookie": "shulab_session=x"},
    ):
        with front.client(**headers) as client:
            answer = client.get("/v1/accounts")
            assert "sign in" in problem(answer, 401)["next_step"]
            assert answer.headers["www-authenticate"] == 'Bearer realm="shulab"'


def test_every_reason_to_keep_somebody_out_has_one_answer(front: Front, root: str) -> None:
    front.settle("a.gone", Role.STEWARD)
    with front.client(root) as client:
        assert client.post("/v1/accounts/a.gone/disable", json={}).status_code == 200
    front.settle("a.two", Role.STEWARD)
    told = set()
    for name, password in (("a.two", WRONG), ("nobody", GOOD), ("a.gone", GOOD), ("É", GOOD)):
        with front.client() as client:
            found = problem(client.post("/v1/sign-in", json={"name": name, "password": password}), 401)
        told.add((found["detail"], found["next_step"], found["title"]))
    assert len(told) == 1


def test_a_one_time_password_lets_nobody_do_anything_else(front: Front, root: str) -> None:
    first = front.account("a.three", Role.ADMINISTRATOR)
    token = front.sign_in("a.three", first)["token"]
    with front.client(token) as client:
        assert client.get("/v1/me").json()["must_change"] is True
        for method, path in (("GET", "/v1/accounts"), ("POST", "/v1/accounts"), ("POST", "/v1/accounts/boss/disable")):
            assert "change it" in problem(client.request(method, path, json={}), 403)["next_step"]
        problem(client.post("/v1/me/password", json={"password": first, "new_password": "short"}), 422)
        problem(client.post("/v1/me/password", json={"password": WRONG, "new_password": GOOD}), 401)
        changed = client.post("/v1/me/password", json={"password": first, "new_password": GOOD}).json()
        front.secrets.append(changed["token"])
        problem(client.get("/v1/me"), 401)  # of before the change
    with front.client(changed["token"]) as client:
        assert client.get("/v1/accounts").status_code == 200


def test_lock_out_holds_under_parallel_tries(front: Front) -> None:
    front.settle("a.four", Role.OFFICER)

    def go(password: str) -> int:
        with front.client() as client:
            while True:
                answer = client.post("/v1/sign-in", json={"name": "a.four", "password": password})
                if answer.status_code != 503:
                    return answer.status_code
                assert answer.json()["type"].endswith(":busy") and answer.headers["retry-after"]
                time.sleep(0.05)  # asking without a pause would keep the service busy refusing

    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(go, [WRONG] * 24)) == {401}
    assert go(GOOD) == 401, "locked"
    close_tallies(front.bureau.store, front.bureau.now() + TALLY_WINDOW)
    tries: Counter[str] = Counter()
    for facts in (body["facts"] for body in front.entries("sign-in.failed")):
        if facts.get("account") == "a.four":
            tries[facts["reason"]] += 1
        for sort, account, number in (one.split(": ") for one in facts.get(SORT_FACT, ()) if one.count(": ") == 2):
            tries[sort] += int(number) if account == "a.four" else 0
    passwords = sum(number for sort, number in tries.items() if sort.startswith("password"))
    assert passwords == MAX_ATTEMPTS
    assert sum(tries.values()) == 25, "every try is in the ledger, alone or in a number"


def test_a_crowd_at_the_door_waits_outside(front: Front) -> None:
    """Two passwords are checked at once, 64 MiB each, whatever comes: the others are told to come back."""

    def go(number: int) -> int:
        with front.client() as client:
            return client.post("/v1/sign-in", json={"name": f"crowd-{number}", "password": WRONG}).status_code

    found: set[int] = set()
    with ThreadPoolExecutor(30) as pool:
        for _ in range(20):  # a crowd that comes too slowly finds a place each
            found |= set(pool.map(go, range(30)))
            if 503 in found:
                break
    assert found == {401, 503}


def test_administrators_keep_accounts_and_nobody_else(front: Front, root: str) -> None:
    officer = front.settle("a.five", Role.OFFICER)
    new = {"name": "a.six", "department": "risk", "roles": ["steward"], "shown_name": "王芳"}
    with front.client(officer) as client:
        refused = problem(client.post("/v1/accounts", json=new), 403)
        assert "keep accounts" in refused["detail"] and "administrator" in refused["detail"]
        problem(client.get("/v1/accounts"), 403)
    written = front.entries("refused")
    assert [(body["by"], body["facts"]["operation"]) for body in written][-2:] == [
        ("person:a.five", "keep accounts"),
        ("person:a.five", "read accounts"),
    ]
    with front.client(root) as client:
        made = client.post("/v1/accounts", json=new).json()
        front.secrets.append(made["password"])
        problem(client.post("/v1/accounts", json=new), 409)
        problem(client.post("/v1/accounts", json=new | {"roles": ["king"]}), 422)
        problem(client.post("/v1/accounts", json=new | {"name": "a.x", "roles": ["officer", "auditor"]}), 422)
        problem(client.post("/v1/accounts", json=new | {"name": "a.x", "issuer": "https://id.example"}), 422)
        problem(client.post("/v1/accounts", json=new | {"color": "red"}), 422)
        assert client.put("/v1/accounts/a.six/roles", json={"roles": ["auditor"]}).json()["roles"] == ["auditor"]
        problem(client.put("/v1/accounts/nobody/roles", json={"roles": ["auditor"]}), 404)
        found = {one["name"]: one for one in client.get("/v1/accounts").json()["accounts"]}
        assert found["a.six"]["must_change"] and found["a.six"]["shown_name"] == "王芳"
        assert "password" not in json.dumps(found)
        again = client.post("/v1/accounts/a.six/reset", json={}).json()["password"]
        front.secrets.append(again)
    assert again != made["password"]
    # An auditor reads accounts and keeps none.
    auditor = front.sign_in("a.six", again, new_password=OTHER)["token"]
    with front.client(auditor) as client:
        assert client.get("/v1/accounts").status_code == 200
        problem(client.post("/v1/accounts/boss/disable", json={}), 403)


@pytest.mark.property("Sign-ins end")
def test_a_disabled_accounts_token_dies_at_once(front: Front, root: str) -> None:
    token = front.settle("a.seven", Role.OFFICER)
    with front.client(token) as client, front.client(root) as keeper:
        assert client.get("/v1/me").status_code == 200
        assert keeper.post("/v1/accounts/a.seven/disable", json={}).json()["state"] == "disabled"
        problem(client.get("/v1/me"), 401)
        keeper.post("/v1/accounts/a.seven/enable", json={})
        problem(client.get("/v1/me"), 401)


@contextmanager
def browser(front: Front, name: str) -> Iterator[tuple[httpx.Client, str]]:
    """A client that has signed in by cookie, and its second token."""
    with front.client(origin=front.url) as client:
        answer = client.post("/v1/sign-in", json={"name": name, "password": GOOD, "cookie": True})
        assert answer.status_code == 200, answer.text
        assert answer.json()["token"] is None
        front.secrets += list(client.cookies.values())
        yield client, answer.json()["csrf"]


def test_a_browser_gets_a_cookie_that_no_script_reads(front: Front) -> None:
    front.settle("a.eight", Role.OFFICER)
    with front.client(origin=front.url) as client:
        answer = client.post("/v1/sign-in", json={"name": "a.eight", "password": GOOD, "cookie": True})
    cookies = {line.partition("=")[0]: line.lower() for line in answer.headers.get_list("set-cookie")}
    assert "httponly" in cookies["shulab_session"] and "samesite=strict" in cookies["shulab_session"]
    assert "httponly" not in cookies["shulab_csrf"] and "samesite=strict" in cookies["shulab_csrf"]
    assert answer.cookies["shulab_csrf"] == answer.json()["csrf"]
    assert answer.cookies["shulab_session"] not in answer.text


@pytest.mark.parametrize(("scheme", "public"), [("https", ""), ("http", "https://bureau.example"), ("http", "")])
def test_cookies_are_for_https_alone_where_there_is_https(front: Front, scheme: str, public: str) -> None:
    tokens = front.bureau.accounts.sign_in("a.eight", GOOD)
    request = Request({"type": "http", "scheme": scheme, "headers": [], "path": "/", "server": ("bureau.example", 1)})

    class Settings:
        public_url = public

    parts = ServiceDependencies(front.bureau, "", Settings(), *[None] * 9)  # type: ignore[arg-type]
    response = Response()
    set_sign_in_cookies(response, request, parts, tokens)
    lines = [value.decode().lower() for name, value in response.raw_headers if name == b"set-cookie"]
    assert [("secure" in line) for line in lines] == [bool(scheme == "https" or public)] * 2


@pytest.mark.parametrize(
    ("why", "headers"),
    [
        ("no second token", {}),
        ("an empty one", {"X-CSRF-Token": ""}),
        ("another's", {"X-CSRF-Token": "other"}),
        ("a page of another origin", {"X-CSRF-Token": "own", "origin": "https://evil.example"}),
        ("of another port", {"X-CSRF-Token": "own", "origin": "http://127.0.0.1:1"}),
        ("of no origin", {"X-CSRF-Token": "own", "origin": "null"}),
        ("an origin not named", {"X-CSRF-Token": "own", "origin": ""}),
    ],
)
def test_a_cookie_alone_changes_nothing(front: Front, why: str, headers: dict[str, str]) -> None:
    if "b.admin" not in {account.name for account in front.bureau.accounts.list_accounts()}:
        front.settle("b.admin", Role.ADMINISTRATOR)
        front.settle("b.other", Role.OFFICER)
    with browser(front, "b.admin") as (client, own), browser(front, "b.other") as (_, others):
        sent = {name: {"own": own, "other": others}.get(value, value) for name, value in headers.items()}
        problem(client.post("/v1/accounts/b.other/unlock", json={}, headers=sent), 401)
        problem(client.put("/v1/accounts/b.other/roles", json={"roles": ["steward"]}, headers=sent), 401)
        assert client.get("/v1/accounts", headers=sent).status_code == 200  # looking changes nothing
        right = {"X-CSRF-Token": own}
        assert client.post("/v1/accounts/b.other/unlock", json={}, headers=right).status_code == 200


def test_another_site_cannot_sign_a_browser_in(front: Front) -> None:
    front.settle("a.nine", Role.OFFICER)
    with front.client(origin="https://evil.example") as client:
        body = {"name": "a.nine", "password": GOOD, "cookie": True}
        answer = client.post("/v1/sign-in", json=body)
        problem(answer, 401)
        assert not answer.cookies
        # A form of another site cannot send JSON, and nothing else is read.
        text = {"content-type": "text/plain"}
        problem(client.post("/v1/sign-in", content=json.dumps(body), headers=text), 415)


def test_a_browser_changes_its_password_and_signs_out(front: Front) -> None:
    front.settle("a.ten", Role.OFFICER)
    with browser(front, "a.ten") as (client, csrf):
        forms = {"password": GOOD, "new_password": OTHER}
        answer = client.post("/v1/me/password", json=forms, headers={"X-CSRF-Token": csrf})
        assert answer.status_code == 200 and answer.json()["token"] is None
        assert client.get("/v1/me").status_code == 200
        out = client.post("/v1/sign-out", json={}, headers={"X-CSRF-Token": answer.json()["csrf"]})
        assert out.status_code == 200
        assert not client.cookies
        problem(client.get("/v1/me"), 401)


def test_a_stranger_cannot_make_the_service_read_without_end(front: Front) -> None:
    with front.client() as client:
        problem(client.post("/v1/sign-in", json={"name": "a", "password": "x" * 20_000}), 413)
        problem(client.post("/v1/sign-in", json={"name": "a", "password": "x" * 2000}), 422)
        found = problem(client.post("/v1/sign-in", json={"name": "a", "password": ["CANARY"]}), 422)
        assert "CANARY" not in json.dumps(found)
        problem(client.post("/v1/accounts", content=b"x" * 100_000), 401)  # not even read


def test_the_command_line_from_the_first_account_to_the_last_sign_out(front: Front, tmp_path: Path) -> None:
    home, session = str(front.process.home), tmp_path / "session.json"
    words = ("bureau", "account", "c.boss", "--role", "administrator", "--department", "it", "--home", home)
    made = front.ok(*words, session=session)
    assert made["roles"] == ["administrator"] and made["department"] == "it"
    front.fails(8, *words, session=session)
    signing = ("account", "sign-in", "c.boss", "--service", front.url)
    front.fails(3, *signing, session=session)  # no password, and nobody to ask
    front.fails(6, *signing, session=session, SHULAB_PASSWORD=WRONG)
    front.fails(6, "account", "who", session=session)
    first, new = {"SHULAB_PASSWORD": made["password"]}, {"SHULAB_NEW_PASSWORD": GOOD}
    done = front.ok(*signing, session=session, **first, **new)
    assert done["must_change"] is False and done["account"] == "c.boss" and "token" not in done
    assert stat.S_IMODE(session.stat().st_mode) == 0o600
    front.secrets += [made["password"], SavedSession.read(session).token]
    assert front.ok("account", "who", session=session)["roles"] == ["administrator"]
    added = front.ok(
        *("account", "add", "c.clerk", "--role", "officer", "--role", "steward", "--department", "risk"),
        session=session,
    )
    front.secrets.append(added["password"])
    listed = {one["name"]: one for one in front.ok("account", "list", session=session)["accounts"]}
    assert listed["c.clerk"]["roles"] == ["officer", "steward"]
    assert front.ok("account", "roles", "c.clerk", "--role", "auditor", session=session)["roles"] == ["auditor"]
    for action, state in (("disable", "disabled"), ("enable", "active"), ("unlock", "active")):
        assert front.ok("account", action, "c.clerk", session=session)["state"] == state
    front.secrets.append(front.ok("account", "reset", "c.clerk", session=session)["password"])
    front.fails(7, "account", "unlock", "c.nobody", session=session)
    front.fails(3, "account", "unlock", "../me", session=session)
    front.ok("account", "password", session=session, SHULAB_PASSWORD=GOOD, SHULAB_NEW_PASSWORD=OTHER)
    front.secrets.append(SavedSession.read(session).token)
    assert front.ok("account", "who", session=session)["account"] == "c.boss"
    session.chmod(0o644)
    assert "0644" in front.fails(4, "account", "who", session=session)["detail"]
    session.chmod(0o600)
    kept = session.read_text()
    assert front.ok("account", "sign-out", session=session)["signed_out"] is True
    assert not session.exists()
    session.write_text(kept)
    session.chmod(0o600)
    told = front.fails(6, "account", "who", session=session)
    assert told["next_step"] == f"lab account sign-in c.boss --service {front.url}"


def test_a_desk_asks_streams_and_names_the_errors(front: Front, tmp_path: Path) -> None:
    session = tmp_path / "session.json"
    SavedSession(front.url, "d.one", front.settle("d.one", Role.AUDITOR), "").write(session)
    with ServiceClient.open(session) as desk:
        assert {one["name"] for one in desk.get("/v1/accounts", page=None)["accounts"]} >= {"d.one"}
        with desk.stream("/v1/accounts") as pieces:
            assert b"d.one" in b"".join(pieces)
        with pytest.raises(NotAllowed):
            desk.post("/v1/accounts/d.one/disable")
        for path, error in (("/v1/nothing", NotFound), ("/v1/contracts/c-none", NotAuthentic)):
            with pytest.raises(error), desk.stream(path):
                pass
        for path in ("//evil.example/v1/me", "https://evil.example/v1/me", "v1/me"):
            with pytest.raises(InvalidInput):
                desk.get(path)


def test_a_token_goes_over_https_or_stays_on_this_machine(front: Front) -> None:
    for address in ("http://bureau.example", "http://10.0.0.1:8600"):
        with pytest.raises(NotAllowed):
            ServiceConnection(address, token="x")
    for address in ("bureau", "ftp://127.0.0.1", "http://127.0.0.1/path", "http://u:p@127.0.0.1", "http://127.0.0.1:x"):
        with pytest.raises(InvalidInput):
            ServiceConnection(address, token="x")
    for address, error in (("http://127.0.0.1:1", Unreachable), (front.url, NotAuthentic)):
        with closing(ServiceConnection(address, token="x")) as connection, pytest.raises(error):
            connection.request("GET", "/v1/me")


@pytest.mark.property(
    "No passwords in files",
    claim="No file of the bureau holds a person's password or token in clear.",
    topic="keys and people",
    code=["lab.bureau.people"],
)
def test_no_password_and_no_token_is_in_any_file_of_the_bureau(front: Front) -> None:
    """Last in this file: everything above has gone over the wire, and the searching finds what it should."""
    known = [secret.encode() for secret in {*front.secrets, GOOD, OTHER, WRONG} if secret]
    assert len(known) > (20 if len(front.secrets) > 20 else 3)
    found = [file for file in front.process.home.rglob("*") if file.is_file()]
    names = {file.name for file in found}
    assert "service.jsonl" in names
    contents = {file: file.read_bytes() for file in found}
    assert any(b"sign-in" in content for content in contents.values())
    for file, content in contents.items():
        assert not [secret for secret in known if secret in content], file
    cells = json.dumps([front.entries(kind) for kind in ("sign-in.done", "sign-in.failed", "account.added", "refused")])
    assert not [secret for secret in known if secret.decode() in cells]
