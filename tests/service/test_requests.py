"""Requests for data over real HTTP and by the commands: two organisations, a steward and an auditor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.bureau.people import Role
from lab.terms.errors import Conflict, InvalidInput, NotAllowed, NotFound
from tests.support.people_front import GOOD, Front, close_front, open_front

PURPOSE = "对小微企业贷款申请评分 score loan applications of small firms"
PEOPLE = {
    "chen": (Role.REQUESTER, "甲银行 Bank A"),
    "qian": (Role.REQUESTER, "乙银行 Bank B"),
    "fang": (Role.STEWARD, "数据部"),
    "ning": (Role.AUDITOR, "审计部"),
}


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    opened = open_front(tmp_path_factory.mktemp("bureau"), "")
    try:
        for name, (role, department) in PEOPLE.items():
            opened.settle(name, role, department=department)
        yield opened
    finally:
        close_front(opened)


@pytest.fixture
def seats(front: Front, tmp_path: Path) -> dict[str, Path]:
    found = {name: tmp_path / f"{name}.json" for name in PEOPLE}
    for name, session in found.items():
        front.ok("account", "sign-in", name, "--service", front.url, session=session, SHULAB_PASSWORD=GOOD)
    return found


def test_one_organisations_request_cannot_be_seen_by_another(front: Front) -> None:
    tokens = {name: front.sign_in(name, GOOD)["token"] for name in PEOPLE}
    with front.client(tokens["chen"]) as ours, front.client(tokens["qian"]) as others:
        made = ours.post("/v1/requests", json={"purpose": PURPOSE, "items": ["tax.sales"]}).json()["request"]
        assert ours.get(f"/v1/requests/{made}").status_code == 200
        asked = {
            "show": others.get(f"/v1/requests/{made}"),
            "withdraw": others.post(f"/v1/requests/{made}/withdraw", json={"reason": "mine"}),
            "cursor": others.get("/v1/requests", params={"cursor": made}),
            "unknown": others.get("/v1/requests/r-20260101-00000000"),
        }
        assert {name: answer.status_code for name, answer in asked.items()} == dict.fromkeys(asked, 404)
        told = {name: answer.json()["detail"].replace(made, "?") for name, answer in asked.items()}
        assert told["show"] == told["unknown"].replace("r-20260101-00000000", "?")  # not even that it exists
        assert others.get("/v1/requests").json()["requests"] == []
        assert others.post(f"/v1/requests/{made}/answer", json={"grant": ["all"]}).status_code == 403
        assert others.get("/v1/requests/figures").status_code == 403
        for path in ("/v1/desk/contracts", "/v1/consents", "/v1/accounts", "/v1/audit/entries", "/v1/banks"):
            assert others.get(path).status_code == 403, path
    with front.client(tokens["ning"]) as auditor:
        assert made in [one["request"] for one in auditor.get("/v1/requests").json()["requests"]]


def test_the_commands_take_a_request_from_the_question_to_the_figures(front: Front, seats: dict[str, Path]) -> None:
    chen, fang = seats["chen"], seats["fang"]
    asked = front.ok(
        *("request", "ask", PURPOSE, "--item", "courts.outcome", "--domain", "tax", "--item", "no.such"),
        *("--use", "credit-approval", "--model", "credit", "--detail", "total"),
        session=chen,
    )
    request = asked["request"]
    assert (asked["asked"], asked["granted"], asked["state"]) == (11, 0, "asked")
    shown = front.ok("steward", "request", "show", request, session=fang)
    assert [item["known"] for item in shown["items"]].count(False) == 1
    assert request in [one["request"] for one in front.ok("steward", "request", "list", session=fang)["requests"]]
    answer = ("steward", "request", "answer", request)
    front.fails(NotAllowed.exit_code, *answer, "--grant", "no.such", "--refuse", "all", "--reason", "x", session=fang)
    front.fails(InvalidInput.exit_code, *answer, "--grant", "all", "--refuse", "no.such", session=fang)
    reason = "未持有 not held here"
    done = front.ok(*answer, "--grant", "tax,courts.outcome", "--refuse", "no.such", "--reason", reason, session=fang)
    assert (done["state"], done["granted"], done["reason"]) == ("partly-granted", 10, reason)
    front.fails(Conflict.exit_code, *answer, "--refuse", "all", "--reason", "x", session=fang)
    front.fails(Conflict.exit_code, "request", "withdraw", request, "--reason", "late", session=chen)
    front.fails(NotFound.exit_code, "request", "show", request, session=seats["qian"])
    front.fails(NotAllowed.exit_code, *answer, "--refuse", "all", "--reason", "x", session=chen)
    other = front.ok("request", "ask", PURPOSE, "--item", "tax.sales", session=seats["qian"])["request"]
    front.ok("request", "withdraw", other, "--reason", "no longer needed", session=seats["qian"])
    figures = front.ok("steward", "request", "figures", session=fang)
    assert figures["by_state"]["partly-granted"] == 1 and figures["by_state"]["withdrawn"] == 1
    assert figures["items_granted"] == 10
    assert front.ok("steward", "request", "figures", "--year", "2001", session=fang)["requests"] == 0
    kinds = [len(front.entries(f"request.{what}")) for what in ("asked", "answered", "withdrawn")]
    assert kinds[1:] == [1, 1] and kinds[0] >= 2


def test_a_hostile_purpose_reaches_neither_screen_nor_ledger(front: Front, seats: dict[str, Path]) -> None:
    before = len(front.entries("request.asked"))
    for purpose in ("a\x1b[2J purpose that hides", "right \u202e to left", "about 91350100M000100Y43 alone"):
        done = front.lab("request", "ask", purpose, "--item", "tax.sales", session=seats["chen"])
        assert done.returncode == InvalidInput.exit_code
        assert "\x1b" not in done.stdout + done.stderr and "91350100M000100Y43" not in done.stdout + done.stderr
    assert len(front.entries("request.asked")) == before
    formula = "=cmd|' /C calc'!A0 <script>alert(1)</script>"  # visible, so it is kept as it is, and shown as text
    made = front.ok("request", "ask", formula, "--item", "tax.sales", session=seats["chen"])
    assert front.ok("steward", "request", "show", made["request"], session=seats["fang"])["purpose"] == formula
