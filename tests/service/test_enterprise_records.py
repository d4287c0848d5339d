"""One enterprise's records over HTTP and by ``lab steward enterprise``: who may, and what no log or database keeps."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import polars as pl
import pytest

from lab.bureau.data.catalogue import default_catalogue
from lab.bureau.people import Role
from tests.support.people_front import GOOD, Front, close_front, open_front
from tests.support.small_catalogue import deliver

CODE, PERSON = "91350100M000100Y43", "王小明"
URL = "/v1/enterprises/records"


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    opened = open_front(tmp_path_factory.mktemp("bureau"), "")
    firm = pl.DataFrame(
        {
            "enterprise": [CODE],
            "name": ["某公司"],
            "status_changed_on": [date(2020, 1, 1)],
            "legal_representative": [PERSON],
            "legal_representative_id": ["1"],
        }
    )
    domain = default_catalogue().domain("registration")
    deliver(opened.bureau.records, domain, date(2026, 4, 1), firm)
    deliver(opened.bureau.records, domain, date(2026, 5, 1), firm.with_columns(name=pl.lit("新名")), "corrected")
    try:
        yield opened
    finally:
        close_front(opened)


@pytest.fixture(scope="module")
def tokens(front: Front) -> dict[Role, str]:
    return {role: front.settle(f"of.{role.value}", role) for role in Role}


def test_a_steward_sees_what_was_known_on_a_day(
    front: Front, tokens: dict[Role, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    session = tmp_path_factory.mktemp("steward") / "session.json"
    front.ok("account", "sign-in", "of.steward", "--service", front.url, session=session, SHULAB_PASSWORD=GOOD)
    now = front.ok("steward", "enterprise", CODE, "--history", session=session)
    then = front.ok("steward", "enterprise", CODE, "--as-of", "2026-04-30", session=session)
    names = [one["domains"][0]["records"][0]["items"]["name"] for one in (now, then)]
    assert names == ["新名", "某公司"]
    assert [one["operation"] for one in now["domains"][0]["history"]] == ["add", "correct"]
    assert PERSON not in str(now)
    front.fails(3, "steward", "enterprise", CODE, "--personal", session=session)
    words = ("steward", "enterprise", CODE, "--personal", "--reason", "复核")
    assert PERSON in str(front.ok(*words, session=session))
    looks = front.entries("enterprise.viewed")
    assert [one["facts"]["personal"] for one in looks] == [False, False, True]
    assert all(one["by"] == "person:of.steward" for one in looks)


def test_only_stewards_may_and_odd_requests_are_refused(front: Front, tokens: dict[Role, str]) -> None:
    for role, token in tokens.items():
        with front.client(token) as client:
            answer = client.post(URL, json={"code": CODE})
        assert answer.status_code == (200 if role is Role.STEWARD else 403), role
    with front.client() as client:
        assert client.post(URL, json={"code": CODE}).status_code == 401
    with front.client(tokens[Role.STEWARD]) as client:
        for form in (
            {"code": "no code"},
            {"code": CODE, "as_of": "2026-02-30"},
            {"code": CODE, "as_of": "tomorrow"},
            {"code": CODE, "personal": True},
            {"code": CODE, "personal": True, "reason": CODE},
            {"code": CODE, "other": 1},
            {},
        ):
            answer = client.post(URL, json=form)
            assert answer.status_code == 422 and CODE not in answer.text, form
        empty = client.post(URL, json={"code": "91350100M000100Y43", "as_of": "2020-01-01"}).json()
    assert (empty["domains"], empty["records"]) == ([], 0)


def test_no_code_is_in_a_log_or_the_database(front: Front) -> None:
    """Comes last: the looks above have left no trace of whom they were at."""
    files = [path for path in front.bureau.home.folder.rglob("*") if path.is_file() and "records" not in path.parts]
    assert any(path.name == "service.jsonl" for path in files)
    for path in files:
        content = path.read_bytes()
        assert CODE.encode() not in content and PERSON.encode() not in content, path.name
