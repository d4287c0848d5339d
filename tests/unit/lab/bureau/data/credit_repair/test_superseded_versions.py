"""Register versions that counted a record which was put right since, and the jobs that scored with them."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from lab.bureau.data.catalogue import default_catalogue
from lab.bureau.data.credit_repair import CaseKind, CaseState
from lab.bureau.data.credit_repair.superseded_versions import superseded_versions
from lab.bureau.data.credit_repair.touched import TouchedJob, touched_portraits
from lab.bureau.key_management.pseudonyms import current_pseudonyms
from lab.bureau.store import Database
from lab.bureau.store.tables import (
    BankRow,
    BatchRow,
    ContractRow,
    EpochRow,
    InquiryRow,
    JobRow,
    ModelRow,
    RegisterOriginRow,
    RegisterRow,
)
from lab.terms.errors import Conflict, NotFound
from tests.support.repair_scene import CODES, START, STEWARD, RepairScene, open_scene

HASH = "ab" * 32
PENALTY_FEATURE = [{"column": "penalties_12m", "monotonic": 1, "sources": [{"code": "penalties.decided_on"}]}]
TAX_FEATURE = [{"column": "sales_12m", "monotonic": -1, "sources": [{"code": "tax.sales"}]}]


@pytest.fixture
def scene(store: Database, tmp_path: Path) -> RepairScene:
    return open_scene(tmp_path, store)


def publish(scene: RepairScene, day: date, lineage: object = PENALTY_FEATURE, *, name: str = "main") -> int:
    """A version of a register as it is published at the scene's time from what was known on ``day``."""
    with scene.store.begin() as session:
        manifest = scene.records.manifest_as_of(session, day)
        version = len([row for row in session.query(RegisterRow).all() if row.name == name]) + 1
        register = RegisterRow(
            name=name,
            version=version,
            id_column="enterprise",
            id_kind="uscc",
            rows=1,
            set_aside=0,
            columns="[]",
            file="registers/x.parquet",
            sha256=HASH,
            source_sha256=HASH,
            imported_at=scene.clock(),
            columns_sha256=None,
        )
        session.add(register)
        session.flush()
        hashes = dict.fromkeys(("catalogue_sha256", "features_sha256", "left_out_sha256", "inputs_sha256"), HASH)
        origin = RegisterOriginRow(
            register=name,
            version=version,
            day=day.isoformat(),
            manifest_sha256=manifest.sha256,
            lineage=json.dumps(lineage),
            **hashes,
        )
        session.add(origin)
    return version


def superseded(scene: RepairScene, name: str = "main") -> tuple[int, ...]:
    with scene.store.begin_read() as session:
        return superseded_versions(session, name)


def on(scene: RepairScene, day: date) -> date:
    scene.clock.day = day
    return day


def test_versions_that_counted_the_record_are_superseded_once_it_is_repaired(scene: RepairScene) -> None:
    publish(scene, on(scene, date(2026, 1, 4)))  # before the penalty was known
    record = scene.penalty()  # known on 10 January
    publish(scene, date(2026, 1, 9))
    publish(scene, on(scene, date(2026, 3, 1)))  # 3: counts it
    publish(scene, date(2026, 3, 1), TAX_FEATURE)  # 4: knows nothing of penalties
    publish(scene, date(2026, 3, 1), name="other")
    on(scene, START)
    publish(scene, START)  # 5: of the day of the decision, but before it
    case = scene.open(CaseKind.REPAIR, record)
    assert superseded(scene) == ()
    scene.service.decide(case.id, CaseState.GRANTED, reason="done", by=STEWARD)
    assert superseded(scene) == (3, 5)
    assert superseded(scene, "other") == (1,)
    publish(scene, START)  # after the decision
    assert superseded(scene) == (3, 5)


@pytest.mark.parametrize(("outcome", "expected"), [(CaseState.UPHELD, (1,)), (CaseState.REJECTED, ())])
def test_a_version_published_during_an_objection_did_not_count_the_record(
    scene: RepairScene, outcome: CaseState, expected: tuple[int, ...]
) -> None:
    record = scene.penalty()
    publish(scene, on(scene, START - timedelta(days=3)))
    on(scene, START)
    case = scene.open(CaseKind.OBJECTION, record)
    publish(scene, START)  # 2: it was frozen
    on(scene, START + timedelta(days=2))
    scene.service.decide(case.id, outcome, reason="looked at the papers", by=STEWARD)
    assert superseded(scene) == expected


def test_a_version_after_its_greatest_term_did_not_count_it(scene: RepairScene) -> None:
    record = scene.penalty(decided_on=date(2025, 1, 5))
    publish(scene, on(scene, date(2026, 1, 31)))  # expired on 6 January
    case = scene.open(CaseKind.OBJECTION, record)
    scene.service.decide(case.id, CaseState.UPHELD, reason="not theirs", by=STEWARD)
    assert superseded(scene) == ()


def test_a_decision_while_a_version_is_published_is_taken_again(
    scene: RepairScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = scene.open(CaseKind.REPAIR, scene.penalty())
    counts = iter([1, 2])
    monkeypatch.setattr("lab.bureau.data.credit_repair.service.count_published_versions", lambda _: next(counts))
    with pytest.raises(Conflict):
        scene.service.decide(case.id, CaseState.GRANTED, reason="done", by=STEWARD)
    assert scene.service.list_cases(open_only=True)[0].id == case.id


def scored(scene: RepairScene, job: str, version: int, codes: list[str], *, contract: str = "c-1") -> None:
    """A job that scored these enterprises with a version of register main, at the scene's time."""
    now = scene.clock()
    with scene.store.begin() as session:
        if session.get(BankRow, "b-1") is None:
            session.add(BankRow(id="b-1", name="示例银行", registered_at=now))
            session.add(EpochRow(number=1, state="current", began_at=now, ended_at=None))
            model = ModelRow(
                name="credit", version=1, register="main", file="x", sha256=HASH, state="published", sheets="{}"
            )
            model.created_at, model.published_at = now, now
            session.add(model)
            session.flush()
        if session.get(ContractRow, contract) is None:
            session.add(ContractRow(id=contract, bank_id="b-1", in_force=1, created_at=now))
            session.flush()
        row = JobRow(contract_id=contract, id=job, version=1, recipient="r", model="credit", model_version=1, epoch=1)
        row.rows, row.rows_used, row.state, row.opened_at, row.ended_at = 10, 10, "ended", now, now
        session.add(row)
        session.flush()
        batch = BatchRow(contract_id=contract, job_id=job, sha256=HASH, sent_in=None, rows=len(codes), state="answered")
        batch.register_version, batch.spent, batch.charged_at = version, 0.0, now
        session.add(batch)
        for pseudonym in current_pseudonyms(session, scene.records.keys, codes):
            session.add(InquiryRow(contract_id=contract, job_id=job, batch=HASH, enterprise=pseudonym, at=now))


def touched(scene: RepairScene, case: str) -> tuple[TouchedJob, ...]:
    with scene.store.begin_read() as session:
        keys = scene.records.keys
        return touched_portraits(session, scene.records, default_catalogue(), keys, case).jobs


def test_touched_lists_the_jobs_that_scored_the_enterprise_while_the_record_counted(scene: RepairScene) -> None:
    record = scene.penalty()
    before, counted = publish(scene, on(scene, date(2026, 1, 4))), publish(scene, on(scene, date(2026, 3, 1)))
    scored(scene, "job-old", before, [CODES[0]])
    scored(scene, "job-hit", counted, [CODES[0], CODES[1]])
    scored(scene, "job-others", counted, [CODES[1]])
    scored(scene, "job-two", counted, [CODES[0]], contract="c-2")
    on(scene, START)
    opened = scene.open(CaseKind.REPAIR, record)
    with pytest.raises(Conflict):
        touched(scene, opened.id)
    scene.service.decide(opened.id, CaseState.GRANTED, reason="done", by=STEWARD)
    found = touched(scene, opened.id)
    assert [(one.contract, one.job, one.version, one.exact, one.scored_again) for one in found] == [
        ("c-1", "job-hit", counted, True, False),
        ("c-2", "job-two", counted, True, False),
    ]
    assert {one.bank for one in found} == {"示例银行"}
    assert CODES[0] not in str([one.as_dict() for one in found])
    scored(scene, "job-again", publish(scene, START), [CODES[0]])
    assert [(one.job, one.scored_again) for one in touched(scene, opened.id)] == [("job-hit", True), ("job-two", False)]


def test_of_a_record_that_is_gone_all_jobs_with_the_versions_are_listed(scene: RepairScene) -> None:
    record = scene.penalty()
    counted = publish(scene, on(scene, date(2026, 3, 1)))
    scored(scene, "job-hit", counted, [CODES[0]])
    scored(scene, "job-others", counted, [CODES[1]])
    on(scene, START)
    case = scene.open(CaseKind.OBJECTION, record)
    scene.service.decide(case.id, CaseState.UPHELD, reason="not theirs", by=STEWARD)
    row = {"enterprise": CODES[0], "decision_number": "罚-1", "decided_on": date(2026, 1, 5)}
    scene.deliver("penalties", START, [row], "deleted")
    assert [(one.job, one.exact) for one in touched(scene, case.id)] == [("job-hit", False), ("job-others", False)]
    with pytest.raises(NotFound):
        touched(scene, "o-000000000000")
