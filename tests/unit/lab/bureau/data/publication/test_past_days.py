"""Versions for a day that is over: records that were put right since, and definitions that changed since."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from lab.bureau.bureau import Bureau
from lab.bureau.data.catalogue import default_catalogue
from lab.bureau.data.credit_repair.cases.recorded_cases import DECIDED_ENTRY, OPENED_ENTRY
from lab.bureau.data.credit_repair.cases.states import CaseState
from lab.bureau.data.credit_repair.exclusion import excluded_records
from lab.bureau.data.credit_repair.rules.definition import CaseKind
from lab.bureau.data.credit_repair.superseded_versions import superseded_versions
from lab.bureau.data.features.definition_files import default_features
from lab.bureau.data.features.stored_tables import FeatureInputs
from lab.bureau.data.publication import publishing
from lab.bureau.data.publication.definition_history import definition_history, find_rules_in_use
from lab.bureau.data.publication.origins import find_origin
from lab.bureau.data.publication.past_days import PutRightSince, records_put_right_since, refuse_put_right
from lab.bureau.data.publication.publishing import PublishedRegister, publish_features
from lab.bureau.data.records import RecordStore, open_records
from lab.bureau.ledger import Fact
from lab.bureau.ledger import record as enter
from lab.bureau.store.tables import (
    CatalogueVersionRow,
    FeatureTableRow,
    LedgerEntryRow,
    ModelRow,
    RegisterRow,
    RepairCaseRow,
)
from lab.terms.errors import Conflict, NotAllowed
from tests.support.feature_records import fill_store, firm_code, random_records

CATALOGUE = default_catalogue()
FIRMS = [firm_code(number) for number in range(25)]
KNOWN = date(2026, 6, 30)


@pytest.fixture
def bureau(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bureau]:
    """A bureau with records, whose quality allows publication."""
    monkeypatch.setattr(publishing, "check_publication_gate", lambda *_: None)
    with Bureau.create(tmp_path / "bureau", name="Test bureau") as made:
        fill_store(records_of(made), CATALOGUE, random_records(CATALOGUE, FIRMS, 7), KNOWN)
        yield made


def records_of(bureau: Bureau) -> RecordStore:
    return RecordStore(bureau.home, bureau.store, bureau.keys)


def publish(bureau: Bureau, name: str = "main") -> PublishedRegister:
    return publish_features(bureau.store, bureau.home, records_of(bureau), KNOWN, name=name)


def inputs_of(bureau: Bureau) -> FeatureInputs:
    with bureau.store.begin_read() as session:
        manifest = records_of(bureau).manifest_as_of(session, KNOWN)
        left_out = excluded_records(session, records_of(bureau), CATALOGUE, manifest, KNOWN)
    return FeatureInputs(manifest, CATALOGUE, default_features(CATALOGUE), KNOWN, left_out)


def counted_penalties(bureau: Bureau) -> list[str]:
    inputs = inputs_of(bureau)
    with open_records(
        records_of(bureau), inputs.manifest, CATALOGUE, day=KNOWN, domains=["penalties"], excluded=inputs.left_out
    ) as connection:
        return [str(one) for (one,) in connection.execute("SELECT record FROM penalties ORDER BY record").fetchall()]


def add_case(bureau: Bureau, record: str, state: str = "granted", decided_on: date | None = None) -> None:
    """A case about one record of penalties, opened after ``KNOWN``."""
    kind = "repair" if state in ("granted", "refused") else "objection"
    opened, decided = KNOWN + timedelta(days=5), decided_on or KNOWN + timedelta(days=10)
    at = datetime(decided.year, decided.month, decided.day, tzinfo=UTC)
    with bureau.store.begin() as session:
        session.add(
            RepairCaseRow(
                id=record[:20] + state,
                kind=kind,
                domain="penalties",
                record=record,
                state=state,
                opened_at=at,
                opened_on=opened,
                due_on=decided,
                due_certain=True,
                opened_by="person:steward",
                evidence="file 1",
                grounds="done",
                rules_sha256="0" * 64,
                decided_at=None if state == "open" else at,
                decided_on=None if state == "open" else decided,
            )
        )
        facts: dict[str, Fact] = {"case": record[:20] + state, "domain": "penalties", "record": record}
        enter(session, OPENED_ENTRY[CaseKind(kind)], None, {**facts, "opened": opened.isoformat()}, by="person:steward")
        if state != "open":
            closed = DECIDED_ENTRY[CaseState(state)]
            enter(session, closed, None, {**facts, "decided": decided.isoformat()}, by="person:steward")


def add_model(bureau: Bureau, register: str = "main", state: str = "published") -> None:
    with bureau.store.begin() as session:
        session.add(
            ModelRow(
                name="credit",
                version=1,
                register=register,
                file="m",
                sha256="0" * 64,
                state=state,
                sheets="{}",
                created_at=datetime.now(UTC),
            )
        )


def found_in(bureau: Bureau, today: date | None = None) -> PutRightSince:
    with bureau.store.begin_read() as session:
        return records_put_right_since(session, records_of(bureau), inputs_of(bureau), today or date.today())


def test_records_that_were_put_right_since_are_counted_by_domain(bureau: Bureau) -> None:
    first, second, third, fourth, *_ = counted_penalties(bureau)
    assert found_in(bureau).records == {}
    add_case(bureau, first, "granted")
    add_case(bureau, second, "upheld")
    add_case(bureau, third, "open")  # an objection freezes the record
    add_case(bureau, fourth, "refused")
    found = found_in(bureau)
    assert found.records == {"penalties": 3} and found.count == 3
    assert set(found.cases) == {first[:20] + "granted", second[:20] + "upheld"}
    # Before they were decided, nothing was; on the day itself nothing is to be said.
    assert found_in(bureau, KNOWN + timedelta(days=4)).records == {}
    assert found_in(bureau, KNOWN + timedelta(days=9)).records == {"penalties": 2}  # open: frozen; upheld: frozen then
    assert found_in(bureau, KNOWN + timedelta(days=10)).records == {"penalties": 3}
    assert found_in(bureau, KNOWN) == PutRightSince(cases_seen=(4, 3))


def test_a_repair_of_another_record_or_by_the_day_is_none(bureau: Bureau) -> None:
    first, *_ = counted_penalties(bureau)
    add_case(bureau, "f" * 32)
    assert found_in(bureau).count == 0
    add_case(bureau, first, "granted", KNOWN)  # it is left out of that day's version
    assert found_in(bureau).count == 0


def test_models_never_score_with_records_that_were_put_right(bureau: Bureau) -> None:
    record, *_ = counted_penalties(bureau)
    add_case(bureau, record)
    add_model(bureau)
    with pytest.raises(NotAllowed, match=r"; 1 that counted on 2026-06-30 .* 1 published models .* register main"):
        publish(bureau)
    with bureau.store.begin_read() as session:
        assert session.scalars(select(RegisterRow)).all() == []
        assert session.scalars(select(FeatureTableRow)).all() == []
    study = publish(bureau, "study")
    assert study.put_right.records == {"penalties": 1}
    with bureau.store.begin_read() as session:
        # Whoever trains on it and scores with it later is told.
        assert superseded_versions(session, "study") == (1,)
        body = session.scalars(select(LedgerEntryRow.body).where(LedgerEntryRow.kind == "register.published")).one()
    assert json.loads(body)["facts"]["put_right_since"] == 1
    assert record not in body


def test_without_models_or_without_repairs_a_past_day_is_published(bureau: Bureau) -> None:
    add_model(bureau, "other")
    add_model_free = publish(bureau)
    assert add_model_free.put_right.count == 0
    record, *_ = counted_penalties(bureau)
    add_case(bureau, record)
    assert publish(bureau).put_right.count == 1


def test_a_case_that_is_decided_meanwhile_is_noticed(bureau: Bureau) -> None:
    record, *_ = counted_penalties(bureau)
    found = found_in(bureau)
    add_case(bureau, record)
    with bureau.store.begin_read() as session, pytest.raises(Conflict, match="just now"):
        refuse_put_right(session, "main", KNOWN, found)


def test_definitions_that_changed_since_are_named_and_their_hashes_kept(bureau: Bureau) -> None:
    done = publish(bureau)
    states = {one.what: one.state for one in done.history}
    # The embedded catalogue was always there; no feature table and no assessment is as old as the day.
    assert states == {"catalogue": "same", "features": "unknown", "quality_rules": "unknown"}
    with bureau.store.begin_read() as session:
        origin = find_origin(session, "main", 1)
        rules = find_rules_in_use(session, bureau.home, KNOWN)
    assert origin is not None
    assert origin.repair_rules_sha256 == rules.repair_rules_sha256
    assert origin.quality_rules_sha256 == rules.quality_rules_sha256


def test_a_catalogue_and_features_of_later_are_changed(bureau: Bureau) -> None:
    publish(bureau)
    with bureau.store.begin() as session:
        table = session.scalars(select(FeatureTableRow)).one()
        table.computed_at, table.features_sha256 = datetime(2026, 6, 1, tzinfo=UTC), "1" * 64
        session.add(
            CatalogueVersionRow(
                version=1,
                sha256="2" * 64,
                domains=1,
                items=1,
                file="c",
                file_sha256="0" * 64,
                imported_at=datetime(2026, 6, 15, tzinfo=UTC),
                imported_by="",
                reason="",
            )
        )
    with bureau.store.begin_read() as session:
        found = {one.what: one for one in definition_history(session, bureau.home, inputs_of(bureau), date.today())}
        assert definition_history(session, bureau.home, inputs_of(bureau), KNOWN) == ()
    assert found["catalogue"].state == "changed" and found["catalogue"].then_sha256 == "2" * 64
    assert found["features"].state == "changed" and found["features"].then_sha256 == "1" * 64
    assert "changed since that day" in found["features"].words[1]
