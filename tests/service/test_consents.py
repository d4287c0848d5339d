"""Consents over HTTP and by ``lab steward consent``: who may, what comes in, and what no log or database keeps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy

from lab.bureau.contracts.banks import register_bank
from lab.bureau.people import Role
from lab.bureau.store.tables import ConsentRow
from lab.simulation.synthetic.credit_codes import make_codes
from lab.terms.keys.party import Party
from tests.service.conftest import _new_database
from tests.support.people_front import GOOD, Front, close_front, open_front

BANK = "示例银行 Sample Bank"
CODES = make_codes(30, seed=9)
CAP = 20_000


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def front(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    database = "" if request.param == "sqlite" else _new_database(request.getfixturevalue("postgres_url"))
    opened = open_front(tmp_path_factory.mktemp("bureau"), database, consent_bytes=CAP)
    with opened.bureau.store.begin() as session:
        party = Party(name=BANK, public_key="ab" * 32)
        register_bank(session, party, by="local", now=datetime.now(UTC), fingerprint=party.fingerprint)
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


def consents(folder: Path, codes: list[str], *, bank: str = BANK, evidence: str = "授权书 1") -> Path:
    lines = [f"{code},{bank},credit-approval,2026-01-01,2099-01-01,{evidence}" for code in codes]
    path = folder / "consents.csv"
    path.write_text("\n".join(["code,bank,purpose,starts,expires,evidence", *lines]) + "\n", encoding="gb18030")
    return path


def test_a_steward_imports_counts_shows_and_withdraws(front: Front, steward: Path, tmp_path: Path) -> None:
    file, rejected = consents(tmp_path, [*CODES[:6], CODES[0], "9199", "x"]), tmp_path / "rejected.csv"
    done = front.ok("steward", "consent", "import", file, "--rejected", rejected, session=steward)
    assert (done["rows"], done["imported"], done["duplicates"], done["set_aside"]) == (9, 6, 1, 2)
    assert done["encoding"] == "gb18030" and done["warnings"]
    assert [reason["reason"] for reason in done["reasons"]] == ["length"] and done["reasons"][0]["zh"] == "不是 18 位"
    assert rejected.read_text().splitlines() == ["row,reason", "9,length", "10,length"]
    assert front.ok("steward", "consent", "import", file, session=steward)["imported"] == 0

    gone = tmp_path / "gone.csv"
    gone.write_text("code\n" + "\n".join(CODES[1:3]) + "\n")
    words = ("steward", "consent", "withdraw", CODES[0], "--file", gone, "--bank", BANK, "--reason", "by letter")
    assert front.ok(*words, session=steward) == {"enterprises": 3, "consents": 3, "warnings": []}
    nobody = front.lab(*words, session=steward)
    assert nobody.returncode == 3, nobody.stderr
    (warning,) = json.loads(nobody.stdout)["warnings"]
    assert warning.startswith("3 of 3 enterprises had no consent to withdraw")
    gone.write_text(f"code,note\n{CODES[4]},\n{CODES[5]},moved, see the file\n")
    front.fails(3, "steward", "consent", "withdraw", "--file", gone, "--reason", "by letter", session=steward)
    (counted,) = front.ok("steward", "consent", "list", session=steward)["consents"]
    assert (counted["bank"], counted["active"], counted["withdrawn"]) == (BANK, 3, 3)
    (shown,) = front.ok("steward", "consent", "show", CODES[2].lower(), session=steward)["consents"]
    assert (shown["state"], shown["reference"], shown["verifies"]) == ("withdrawn", "授权书 1", None)
    by = {entry["by"] for kind in ("consent.imported", "consent.withdrawn") for entry in front.entries(kind)}
    assert by == {"person:of.steward"}


def test_each_role_may_what_the_matrix_says(front: Front, tokens: dict[Role, str], tmp_path: Path) -> None:
    file = consents(tmp_path, CODES[20:22], evidence="role").read_bytes()
    reads, keeps = {Role.OFFICER, Role.STEWARD, Role.AUDITOR}, {Role.STEWARD}
    for role, token in tokens.items():
        with front.client(token) as client:
            answers = [
                (role in reads, client.get("/v1/consents")),
                (role in reads, client.post("/v1/consents/enterprise", json={"code": CODES[20]})),
                (role in keeps, client.post("/v1/consents", content=file, headers={"content-type": "text/csv"})),
                (role in keeps, client.post("/v1/consents/withdrawals", json={"codes": [CODES[21]], "reason": "r"})),
            ]
        assert [answer.status_code for _, answer in answers] == [200 if may else 403 for may, _ in answers], role
    told = {(entry["by"], entry["facts"]["operation"]) for entry in front.entries("refused")}
    assert {("person:of.officer", "keep consents"), ("person:of.researcher", "read consents")} <= told


def test_what_cannot_be_taken_is_refused_with_its_reason(
    front: Front, steward: Path, tokens: dict[Role, str], tmp_path: Path
) -> None:
    other = tmp_path / "other.csv"
    other.write_text("name,amount\na,1\n")
    assert "template" in front.fails(3, "steward", "consent", "import", other, session=steward)["next_step"]
    front.fails(3, "steward", "consent", "withdraw", "--reason", "r", session=steward)
    with front.client(tokens[Role.STEWARD]) as client:
        for status, form in (
            (422, {"codes": [CODES[0]], "reason": f"asked by {CODES[0]}"}),
            (404, {"codes": [CODES[0]], "reason": "r", "bank": "Another Bank"}),
            (422, {"codes": ["no code at all"], "reason": "r"}),
            (422, {"codes": [], "reason": "r"}),
            (422, {"codes": [CODES[0]], "reason": "r", "purpose": "fun"}),
        ):
            answer = client.post("/v1/consents/withdrawals", json=form)
            assert answer.status_code == status and CODES[0] not in answer.text
        assert client.post("/v1/consents/enterprise", json={"code": "no code"}).status_code == 422


def test_a_body_that_is_too_large_or_of_another_kind_leaves_nothing(front: Front, tokens: dict[Role, str]) -> None:
    before = len(front.entries("consent.imported"))
    large, table = b"code\n" + b"x" * CAP, {"content-type": "text/csv"}
    with front.client(tokens[Role.STEWARD]) as client:
        for content in (large, iter([large[:9000], large[9000:]])):  # announced, and in chunks
            assert client.post("/v1/consents", content=content, headers=table).status_code == 413
        other = {"content-type": "application/json"}
        assert client.post("/v1/consents", content=b"{}", headers=other).status_code == 415
        assert client.post("/v1/consents?id_kind=other", content=b"", headers=table).status_code == 422
    with front.client() as client:
        assert client.post("/v1/consents", content=b"code\n").status_code == 401
    assert len(front.entries("consent.imported")) == before
    assert list(front.bureau.home.path("consents").glob(".incoming-*")) == []


def test_the_template_is_taken_but_for_its_made_up_signature(front: Front, steward: Path, tmp_path: Path) -> None:
    text = front.ok("steward", "consent", "template", session=steward)["csv"]
    (tmp_path / "template.csv").write_text(text.replace("2027-01-01", "2099-01-01"))
    done = front.ok("steward", "consent", "import", tmp_path / "template.csv", session=steward)
    assert (done["rows"], done["imported"]) == (2, 1)
    assert [one["reason"] for one in done["aside"]] == ["signature"]


def test_no_code_is_in_a_log_or_the_database(front: Front, tokens: dict[Role, str]) -> None:
    """Comes last: what the tests above have sent must have left no trace."""
    home = front.bureau.home.folder
    codes = [code.encode() for code in CODES]
    files = [path for path in home.rglob("*") if path.is_file()]
    assert any(path.name == "service.jsonl" for path in files)
    for path in files:
        content = path.read_bytes()
        assert not any(code in content for code in codes), path.name
    for kind in ("consent.imported", "consent.withdrawn", "refused"):
        assert not any(code.decode() in json.dumps(front.entries(kind)) for code in codes)
    with front.bureau.store.begin_read() as session:
        rows = session.execute(sqlalchemy.select(ConsentRow.__table__)).all()
    assert len(rows) > 6 and not any(code.decode() in str(row) for code in codes for row in rows)
