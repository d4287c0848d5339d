"""Credit repair over HTTP and by command: who may, what a steward does, what the bureau's machine shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy

from lab.bureau.data.catalogue import default_catalogue
from lab.bureau.people import Role
from lab.bureau.store.tables import LedgerEntryRow, RepairCaseRow
from lab.simulation.synthetic.credit_codes import make_codes
from tests.service.conftest import _new_database
from tests.support.people_front import GOOD, Front, close_front, open_front
from tests.support.small_catalogue import deliver

CODES = make_codes(8, seed=17)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def front(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    database = "" if request.param == "sqlite" else _new_database(request.getfixturevalue("postgres_url"))
    opened = open_front(tmp_path_factory.mktemp("bureau"), database)
    today = opened.bureau.repairs.today
    rows = {
        "enterprise": CODES,
        "decision_number": [f"罚-{number}" for number in range(len(CODES))],
        "authority": ["局"] * len(CODES),
        "kind": ["fine"] * len(CODES),
        "seriousness": ["ordinary"] * len(CODES),
        "decided_on": [today - timedelta(days=150)] * len(CODES),
    }
    deliver(opened.bureau.records, default_catalogue().domain("penalties"), today, pl.DataFrame(rows))
    try:
        yield opened
    finally:
        close_front(opened)


@pytest.fixture(scope="module")
def tokens(front: Front) -> dict[Role, str]:
    """A token of one person of each role."""
    return {role: front.settle(f"of.{role.value}", role) for role in Role}


@pytest.fixture(scope="module")
def steward(front: Front, tokens: dict[Role, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The session file of the steward."""
    session = tmp_path_factory.mktemp("steward") / "session.json"
    front.ok("account", "sign-in", "of.steward", "--service", front.url, session=session, SHULAB_PASSWORD=GOOD)
    return session


def about(number: int) -> list[str]:
    """Options that name a record and its papers."""
    record = ("--domain", "penalties", "--enterprise", CODES[number], "--key", f"decision_number=罚-{number}")
    return [*record, "--evidence", f"申请 {number}", "--grounds", "all duties are done"]


def test_a_steward_asks_for_a_repair_and_grants_it(front: Front, steward: Path) -> None:
    day = (front.bureau.repairs.today - timedelta(days=30)).isoformat()
    lacking = front.lab("steward", "repair", "request", *about(0), session=steward)
    assert lacking.returncode == 4, lacking.stderr
    assert "commitment" in lacking.stdout + lacking.stderr
    papers = ("--corrected-on", day, "--commitment")
    opened = front.ok("steward", "repair", "request", *about(0), *papers, session=steward)
    case = opened["id"]
    listed = front.ok("steward", "repair", "list", session=steward)["cases"]
    assert [one["id"] for one in listed] == [case]
    assert front.ok("steward", "repair", "late", session=steward)["cases"] == []
    shown = front.ok("steward", "repair", "show", case, session=steward)
    assert shown["record_now"]["class"] == "ordinary" and shown["record_now"]["counts"]
    wrong = front.lab("steward", "repair", "decide", case, "upheld", "--reason", "x", session=steward)
    assert wrong.returncode == 3
    decided = front.ok("steward", "repair", "decide", case, "granted", "--reason", "in order", session=steward)
    assert decided["state"] == "granted"
    assert not front.ok("steward", "repair", "show", case, session=steward)["record_now"]["counts"]
    again = front.lab("steward", "repair", "decide", case, "refused", "--reason", "x", session=steward)
    assert again.returncode == 8, again.stderr
    assert front.ok("steward", "repair", "list", session=steward)["cases"] == []
    assert len(front.ok("steward", "repair", "list", "--all", session=steward)["cases"]) == 1


def test_an_objection_freezes_and_its_rejection_lets_the_record_count_again(front: Front, steward: Path) -> None:
    case = front.ok("steward", "objection", "open", *about(1), session=steward)["id"]
    assert front.ok("steward", "objection", "show", case, session=steward)["record_now"]["standing"] == "frozen"
    front.ok("steward", "objection", "decide", case, "rejected", "--reason", "as the papers say", session=steward)
    assert front.ok("steward", "objection", "show", case, session=steward)["record_now"]["standing"] == "counts"
    assert front.ok("steward", "objection", "list", "--all", session=steward)["cases"][0]["state"] == "rejected"
    assert front.ok("steward", "objection", "late", session=steward)["cases"] == []


def test_who_may(front: Front, tokens: dict[Role, str]) -> None:
    body = {"kind": "objection", "domain": "penalties", "enterprise": CODES[2], "keys": {"decision_number": "罚-2"}}
    body |= {"evidence": "异议 2", "grounds": "it is another's"}
    for role, token in tokens.items():
        with front.client(token) as client:
            may_read = role in (Role.STEWARD, Role.OFFICER, Role.AUDITOR)
            assert client.get("/v1/repairs").status_code == (200 if may_read else 403), role
            opened = client.post("/v1/repairs", json=body)
            assert opened.status_code == (200 if role is Role.STEWARD else 403), role
    with front.client() as client:
        assert client.get("/v1/repairs").status_code == 401
    with front.client(tokens[Role.STEWARD]) as client:
        assert client.post("/v1/repairs", json=body).status_code == 409
        for wrong in ({"kind": "other"}, {"domain": "a b"}, {"record": "x"}, {"corrected_on": "2026-02-30"}, {"x": 1}):
            assert client.post("/v1/repairs", json=body | wrong).status_code == 422, wrong
        assert client.get("/v1/repairs/o-000000000000").status_code == 404
        assert client.get("/v1/repairs", params={"cursor": "o-000000000000"}).status_code == 404


def test_pages_follow_each_other(front: Front, tokens: dict[Role, str], steward: Path) -> None:
    for number in (3, 4):
        front.ok("steward", "objection", "open", *about(number), session=steward)
    with front.client(tokens[Role.STEWARD]) as client:
        found, cursor = [], None
        while True:
            page = client.get("/v1/repairs", params={"limit": 1} | ({"cursor": cursor} if cursor else {})).json()
            found += [one["id"] for one in page["cases"]]
            cursor = page["next"]
            if cursor is None:
                break
        assert found == [one["id"] for one in client.get("/v1/repairs").json()["cases"]]
        assert len(set(found)) == len(found) >= 4


def test_the_bureau_s_machine_lists_writes_letters_and_says_what_was_touched(
    front: Front, steward: Path, tmp_path: Path
) -> None:
    home = ("--home", str(front.bureau.home.folder))
    case = front.ok("steward", "objection", "open", *about(5), session=steward)["id"]
    front.ok("steward", "objection", "decide", case, "upheld", "--reason", "it is another's", session=steward)
    every = front.ok("bureau", "repair", "list", "--all", *home, session=steward)["cases"]
    assert case in [one["id"] for one in every]
    assert front.ok("bureau", "repair", "late", *home, session=steward)["cases"] == []
    assert front.ok("bureau", "repair", "touched", case, *home, session=steward) == {
        "case": case,
        "versions": [],
        "jobs": [],
    }
    since = front.bureau.repairs.today.isoformat()
    letters = tmp_path / "letters"
    done = front.ok("bureau", "repair", "notices", "--since", since, "--out", str(letters), *home, session=steward)
    assert done["letters"] == len(CODES)
    assert len(list(letters.glob("*.html"))) == len(list(letters.glob("*.txt"))) == len(CODES)
    rules = front.ok("bureau", "repair", "rules", *home, session=steward)
    assert rules["classes"]["serious"] == {"least_months": 12, "greatest_months": 36}
    assert rules["unverified"] == ["measures", "court", "days"]


def test_no_code_is_in_the_database_or_the_ledger(front: Front, steward: Path) -> None:
    refused = front.lab(
        *("steward", "objection", "open", *about(6)[:-2], "--grounds", f"about {CODES[6]}"), session=steward
    )
    assert refused.returncode == 3
    with front.bureau.store.begin_read() as session:
        kept = [str(vars(row)) for row in session.scalars(sqlalchemy.select(RepairCaseRow))]
        kept += list(session.scalars(sqlalchemy.select(LedgerEntryRow.body)))
    assert not [code for code in CODES if code in json.dumps(kept)]
