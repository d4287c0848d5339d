"""Cases: what may be opened and decided when, the clock of legal days, and what the ledger and the database keep."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from lab.bureau.data.credit_repair import CaseKind, CaseRequest, CaseState, WantedRecord
from lab.bureau.store import Database
from lab.bureau.store.tables import LedgerEntryRow, RepairCaseRow
from lab.terms.errors import Conflict, InvalidInput, NotAllowed, NotFound
from tests.support.repair_scene import CODES, START, STEWARD, RepairScene, open_scene

REPAIR, OBJECTION = CaseKind.REPAIR, CaseKind.OBJECTION
GRANTED, REFUSED, UPHELD, REJECTED = CaseState.GRANTED, CaseState.REFUSED, CaseState.UPHELD, CaseState.REJECTED


@pytest.fixture
def scene(store: Database, tmp_path: Path) -> RepairScene:
    return open_scene(tmp_path, store)


def entries(scene: RepairScene) -> list[tuple[str, dict[str, object]]]:
    """Kind and facts of the entries about cases, in order."""
    kinds = ("repair.%", "objection.%")
    query = sqlalchemy.select(LedgerEntryRow.kind, LedgerEntryRow.body).order_by(LedgerEntryRow.seq)
    with scene.store.begin_read() as session:
        rows = session.execute(query.where(sqlalchemy.or_(*(LedgerEntryRow.kind.like(kind) for kind in kinds))))
        return [(kind, json.loads(body)["facts"]) for kind, body in rows]


def test_a_case_is_named_by_the_record_s_hash_and_no_code_is_kept(scene: RepairScene) -> None:
    record = scene.penalty()
    wanted = WantedRecord("penalties", enterprise=CODES[0], keys={"decision_number": "罚-1"})
    request = CaseRequest(REPAIR, wanted, "申请 1", "done", date(2026, 2, 1), commitment=True)
    case = scene.service.open_case(request, by=STEWARD)
    assert case.record == record
    assert case.opened_on == START
    assert case.due_on == date(2026, 9, 15)  # ten working days after 1 September
    assert case.days_left == 14
    scene.service.decide(case.id, GRANTED, reason="all duties are done", by=STEWARD)
    found = entries(scene)
    assert [kind for kind, _ in found] == ["repair.requested", "repair.granted"]
    assert all(facts["record"] == record and facts["case"] == case.id for _, facts in found)
    with scene.store.begin_read() as session:
        rows = str([vars(row) for row in session.scalars(sqlalchemy.select(RepairCaseRow))])
    for text in (json.dumps(found, ensure_ascii=False), rows):
        assert CODES[0] not in text
        assert "罚-1" not in text


@pytest.mark.parametrize(
    ("kind", "outcome", "entry"),
    [
        (REPAIR, GRANTED, "repair.granted"),
        (REPAIR, REFUSED, "repair.refused"),
        (OBJECTION, UPHELD, "objection.upheld"),
        (OBJECTION, REJECTED, "objection.rejected"),
    ],
)
def test_a_case_is_decided_once_by_an_outcome_of_its_kind(
    scene: RepairScene, kind: CaseKind, outcome: CaseState, entry: str
) -> None:
    case = scene.open(kind, scene.penalty())
    others = {GRANTED, REFUSED, UPHELD, REJECTED} - ({GRANTED, REFUSED} if kind is REPAIR else {UPHELD, REJECTED})
    for wrong in (*sorted(others), CaseState.OPEN):
        with pytest.raises(InvalidInput):
            scene.service.decide(case.id, wrong, reason="x", by=STEWARD)
    with pytest.raises(InvalidInput):
        scene.service.decide(case.id, outcome, reason="", by=STEWARD)
    decided = scene.service.decide(case.id, outcome, reason="looked at the papers", by=STEWARD)
    assert (decided.state, decided.reason, decided.decided_on) == (outcome, "looked at the papers", START)
    for again in (GRANTED, REFUSED) if kind is REPAIR else (UPHELD, REJECTED):
        with pytest.raises(Conflict):
            scene.service.decide(case.id, again, reason="once more", by=STEWARD)
    assert [name for name, _ in entries(scene)][1:] == [entry]


def test_one_case_of_a_kind_is_open_for_a_record(scene: RepairScene) -> None:
    record = scene.penalty()
    first = scene.open(OBJECTION, record)
    with pytest.raises(Conflict, match=first.id):
        scene.open(OBJECTION, record)
    scene.open(REPAIR, record)  # of another kind
    scene.service.decide(first.id, REJECTED, reason="the papers say otherwise", by=STEWARD)
    scene.open(OBJECTION, record)  # for new reasons


def test_what_was_repaired_or_upheld_or_expired_needs_no_case(scene: RepairScene) -> None:
    record, wrong = scene.penalty(), scene.penalty("罚-2", CODES[1])
    old = scene.penalty("罚-3", CODES[2], decided_on=date(2025, 8, 31))
    scene.service.decide(scene.open(REPAIR, record).id, GRANTED, reason="done", by=STEWARD)
    scene.service.decide(scene.open(OBJECTION, wrong).id, UPHELD, reason="not theirs", by=STEWARD)
    for kind in CaseKind:
        for done in (record, wrong):
            with pytest.raises(Conflict):
                scene.open(kind, done)
    with pytest.raises(Conflict, match="greatest term"):
        scene.open(REPAIR, old)
    refused = scene.penalty("罚-4", CODES[3])
    scene.service.decide(scene.open(REPAIR, refused).id, REFUSED, reason="a duty is left", by=STEWARD)
    scene.open(REPAIR, refused)  # may be asked for again


@pytest.mark.parametrize(("day", "allowed"), [(date(2026, 4, 30), False), (date(2026, 5, 1), True)])
def test_a_repair_waits_for_the_least_term(scene: RepairScene, day: date, allowed: bool) -> None:
    record = scene.penalty(decided_on=date(2026, 1, 30))  # three months: until 30 April
    scene.clock.day = day
    if allowed:
        assert scene.open(REPAIR, record).state == "open"
    else:
        with pytest.raises(NotAllowed, match="2026-05-01"):
            scene.open(REPAIR, record)
    scene.open(OBJECTION, record)  # an objection needs no term


@pytest.mark.parametrize("missing", [{"corrected_on": None}, {"commitment": False}])
def test_a_repair_needs_its_papers(scene: RepairScene, missing: dict[str, Any]) -> None:
    record = scene.penalty()
    with pytest.raises(NotAllowed):
        scene.open(REPAIR, record, **missing)
    assert entries(scene) == []


def test_the_clock_shows_what_is_late(scene: RepairScene) -> None:
    objection = scene.open(OBJECTION, scene.penalty())
    repair = scene.open(REPAIR, scene.penalty("罚-2", CODES[1]))
    assert [one.id for one in scene.service.list_cases()] == [objection.id, repair.id]
    assert (objection.due_on, repair.due_on) == (date(2026, 9, 10), date(2026, 9, 15))
    scene.clock.day = date(2026, 9, 10)
    assert scene.service.list_cases(late_only=True) == []
    scene.clock.day = date(2026, 9, 11)
    (late,) = scene.service.list_cases(late_only=True)
    assert (late.id, late.late, late.days_left) == (objection.id, True, -1)
    decided = scene.service.decide(objection.id, REJECTED, reason="as the papers say", by=STEWARD)
    assert (decided.late, decided.days_left) == (True, None)
    assert scene.service.list_cases(late_only=True) == []
    assert entries(scene)[-1][1]["late"] == 1
    assert [one.id for one in scene.service.list_cases(open_only=True)] == [repair.id]
    assert [one.id for one in scene.service.list_cases(kind=OBJECTION)] == [objection.id]
    assert [one.id for one in scene.service.list_cases(after=objection.id)] == [repair.id]


def test_a_due_day_in_a_year_without_holidays_says_so(scene: RepairScene) -> None:
    scene.clock.day = date(2026, 12, 30)
    case = scene.open(OBJECTION, scene.penalty())
    assert (case.due_on, case.due_certain) == (date(2027, 1, 8), False)


@pytest.mark.parametrize("field", ["evidence", "grounds"])
def test_a_text_with_a_code_is_refused(scene: RepairScene, field: str) -> None:
    record = scene.penalty()
    with pytest.raises(InvalidInput) as refused:
        scene.open(OBJECTION, record, **{field: f"firm {CODES[1]}"})
    assert CODES[1] not in str(refused.value)
    case = scene.open(OBJECTION, record)
    with pytest.raises(InvalidInput):
        scene.service.decide(case.id, REJECTED, reason=f"it is {CODES[0]}", by=STEWARD)


@pytest.mark.parametrize(
    "wanted",
    [
        WantedRecord("tax", record="0" * 32),
        WantedRecord("penalties"),
        WantedRecord("penalties", enterprise=CODES[0]),
        WantedRecord("penalties", enterprise=CODES[0], keys={"authority": "局"}),
        WantedRecord("penalties", enterprise="not a code", keys={"decision_number": "罚-1"}),
    ],
)
def test_a_record_must_be_named(scene: RepairScene, wanted: WantedRecord) -> None:
    scene.penalty()
    with pytest.raises(InvalidInput):
        scene.service.open_case(CaseRequest(OBJECTION, wanted, "e", "g"), by=STEWARD)


def test_there_must_be_such_an_adverse_record(scene: RepairScene) -> None:
    row = {"enterprise": CODES[0], "entry_number": "红-1", "list": "red", "listed_on": date(2026, 1, 1)}
    scene.deliver("public_credit", date(2026, 1, 10), [row])
    with pytest.raises(NotFound):
        scene.open(OBJECTION, "0" * 32)
    with pytest.raises(InvalidInput):
        scene.open(OBJECTION, scene.record_id("public_credit", row), "public_credit")


def test_show_says_where_the_record_stands(scene: RepairScene) -> None:
    record = scene.penalty()
    case = scene.open(OBJECTION, record)
    now = scene.service.show(case.id)["record_now"]
    assert (now["class"], now["standing"], now["counts"]) == ("ordinary", "frozen", False)
    assert (now["started"], now["repairable_from"], now["counts_until"]) == ("2026-01-05", "2026-04-06", "2027-01-05")
    scene.service.decide(case.id, REJECTED, reason="as the papers say", by=STEWARD)
    assert scene.service.show(case.id)["record_now"]["standing"] == "counts"
    scene.clock.day = START + timedelta(days=1)
    repair = scene.open(REPAIR, record)
    scene.service.decide(repair.id, GRANTED, reason="done", by=STEWARD)
    assert scene.service.show(repair.id)["record_now"]["standing"] == "repaired"
    row = {"enterprise": CODES[0], "decision_number": "罚-1", "decided_on": date(2026, 1, 5)}
    scene.deliver("penalties", date(2026, 9, 3), [row], "deleted")
    gone = scene.service.show(repair.id)
    assert gone["record_now"] is None and gone["why"]
    with pytest.raises(NotFound):
        scene.service.show("r-000000000000")
