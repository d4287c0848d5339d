"""Features, publication and versions of registers on PostgreSQL: the same scene as on SQLite, to the byte."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from lab.bureau.bureau import Bureau
from lab.bureau.data.catalogue import default_catalogue
from lab.bureau.data.publication import publishing
from lab.bureau.data.publication.definition_history import definition_history
from lab.bureau.data.publication.origins import find_day, find_origin
from lab.bureau.data.publication.publishing import feature_inputs, publish_features
from lab.bureau.data.records import RecordStore
from lab.bureau.exchange.matching.register_versions import list_register_versions, remove_register_version
from lab.bureau.store.tables import FeatureTableRow, RegisterOriginRow
from lab.terms.errors import Conflict
from tests.support.feature_records import fill_store, firm_code, random_records

CATALOGUE = default_catalogue()
KNOWN = date(2026, 6, 30)


@pytest.fixture
def bureau_of_a_day(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bureau:
    """A bureau with records, on either database; the test closes it."""
    monkeypatch.setattr(publishing, "check_publication_gate", lambda *_: None)
    made = Bureau.create(tmp_path / "bureau", name="Test bureau", database_url=database_url)
    records = RecordStore(made.home, made.store, made.keys)
    fill_store(records, CATALOGUE, random_records(CATALOGUE, [firm_code(n) for n in range(12)], 7), KNOWN)
    return made


def test_versions_are_published_listed_and_removed(bureau_of_a_day: Bureau) -> None:
    with bureau_of_a_day as bureau:
        records = RecordStore(bureau.home, bureau.store, bureau.keys)
        first, again = (publish_features(bureau.store, bureau.home, records, KNOWN) for _ in range(2))
        assert first.sha256 == again.sha256 and not again.table.computed_now
        assert [one.state for one in first.history] == ["same", "unknown", "unknown"]
        with bureau.store.begin_read() as session:
            listed = list_register_versions(session, bureau.now(), "main")
            assert find_day(session, "main", 2) == "2026-06-30" and find_day(session, "main", 9) is None
            origin = find_origin(session, "main", 2)
            assert origin is not None and origin.quality_rules_sha256 and origin.repair_rules_sha256
            assert all(one.reason[0] and one.reason[1] for one in origin.columns)
        assert [(one.version, one.newest) for one in listed] == [(2, True), (1, False)]
        assert listed[1].replaced_at == listed[0].imported_at and listed[0].replaced_at is None
        with pytest.raises(Conflict):
            remove_register_version(bureau.store, bureau.home, bureau.evaluated_registers, "main", 2, bureau.now())
        remove_register_version(bureau.store, bureau.home, bureau.evaluated_registers, "main", 1, bureau.now())
        with bureau.store.begin() as session:
            assert session.scalars(select(RegisterOriginRow.version)).all() == [2]
            table = session.scalars(select(FeatureTableRow)).one()
            table.computed_at, table.features_sha256 = datetime(2026, 6, 1, tzinfo=UTC), "1" * 64
        with bureau.store.begin_read() as session:
            inputs = feature_inputs(session, bureau.home, records, KNOWN)
            states = [one.state for one in definition_history(session, bureau.home, inputs, date.today())]
        assert states == ["same", "changed", "unknown"]
