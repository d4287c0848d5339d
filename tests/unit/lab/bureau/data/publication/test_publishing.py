"""A register version from features: the gate, what it comes from, and that training reads it as any other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import select

from lab.bureau.bureau import Bureau
from lab.bureau.data.catalogue import default_catalogue, load_items
from lab.bureau.data.publication import publishing
from lab.bureau.data.publication.origins import find_origin
from lab.bureau.data.publication.publishing import PublishedRegister, publish_features
from lab.bureau.data.records import RecordStore
from lab.bureau.data.register import DriftPolicy, find_snapshot
from lab.bureau.model_registry.feature_choice import choose_features, feature_origins
from lab.bureau.store.tables import FeatureTableRow, LedgerEntryRow, RegisterRow
from lab.terms.errors import InvalidInput, NotAllowed
from models.shared.catalogue_words import SensitivityGrade
from tests.support.feature_records import fill_store, firm_code, random_records

CATALOGUE = default_catalogue()
FIRMS = [firm_code(number, natural=number % 5 == 0) for number in range(60)]
KNOWN = date(2026, 6, 30)


@pytest.fixture
def bureau(tmp_path: Path) -> Iterator[Bureau]:
    """A bureau with records of all domains."""
    with Bureau.create(tmp_path / "bureau", name="Test bureau") as made:
        fill_store(_records(made), CATALOGUE, random_records(CATALOGUE, FIRMS, 7), KNOWN)
        yield made


@pytest.fixture
def assessed(bureau: Bureau, monkeypatch: pytest.MonkeyPatch) -> Bureau:
    """As if the quality of the records allowed publication; the gate itself has its own tests."""
    monkeypatch.setattr(publishing, "check_publication_gate", lambda *_: None)
    return bureau


def _records(bureau: Bureau) -> RecordStore:
    return RecordStore(bureau.home, bureau.store, bureau.keys)


def _publish(bureau: Bureau, day: date = KNOWN, policy: DriftPolicy | None = None) -> PublishedRegister:
    return publish_features(bureau.store, bureau.home, _records(bureau), day, policy=policy)


def test_records_that_were_not_assessed_are_not_published(bureau: Bureau) -> None:
    with pytest.raises(NotAllowed, match="not assessed"):
        _publish(bureau)
    with bureau.store.begin_read() as session:
        assert session.scalars(select(RegisterRow)).all() == []
        assert session.scalars(select(FeatureTableRow)).all() == []


def test_a_version_has_text_words_and_an_origin(assessed: Bureau) -> None:
    done = _publish(assessed)
    with assessed.store.begin_read() as session:
        snapshot = find_snapshot(session, "main")
        items = load_items(session, "main", 1)
        origin = find_origin(session, "main", 1)
        entry = session.scalars(select(LedgerEntryRow.body).where(LedgerEntryRow.kind == "register.published")).one()
    frame = assessed.snapshots.frame(snapshot)
    assert frame.columns == ["enterprise", *done.columns]
    assert set(frame.dtypes) == {pl.String}
    assert frame["enterprise"].is_sorted()
    assert set(frame["bankruptcy_filed_60m"].drop_nulls()) <= {"yes", "no"}
    assert items["tax_sales_12m"].grade == CATALOGUE.item("tax.sales").grade.value
    both = [CATALOGUE.item(code).grade for code in ("tax.sales", "social_insurance.insured_staff")]
    assert items["sales_per_head_12m"].grade == max(both, key=lambda grade: SensitivityGrade(grade).rank).value
    assert items["tax_sales_12m"].zh == "近12个月申报销售额"
    assert origin is not None
    assert origin.day == KNOWN.isoformat()
    facts = json.loads(entry)["facts"]
    assert facts["manifest"] == origin.manifest_sha256
    assert facts["features_sha256"] == origin.features_sha256
    assert facts["source_sha256"] == done.table.sha256
    assert not any(code in entry for code in FIRMS)


def test_the_same_day_again_has_the_same_rows(assessed: Bureau) -> None:
    first, again = _publish(assessed), _publish(assessed)
    assert (first.version, again.version) == (1, 2)
    assert first.sha256 == again.sha256
    assert not again.table.computed_now


def test_far_from_the_version_before_is_refused_until_accepted(
    assessed: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    _publish(assessed)
    more = random_records(CATALOGUE, [firm_code(1000 + number) for number in range(400)], 11, most=3)
    later = KNOWN + timedelta(days=31)
    for domain in ("tax", "social_insurance"):
        more[domain] = [dict(row, **{"arrears": 9e6}) for row in more[domain]]
    fill_store(_records(assessed), CATALOGUE, more, later)
    with pytest.raises(InvalidInput, match="previous version"):
        _publish(assessed, later)
    done = _publish(assessed, later, DriftPolicy(accept=True))
    assert done.version == 2
    assert done.drift


def test_a_day_on_which_nothing_was_known_has_nothing_to_publish(assessed: Bureau) -> None:
    with pytest.raises(InvalidInput, match="found none"):
        _publish(assessed, KNOWN - timedelta(days=1))


def test_training_takes_features_by_name_with_their_directions(assessed: Bureau) -> None:
    _publish(assessed)
    with assessed.store.begin_read() as session:
        snapshot = find_snapshot(session, "main")
        origins = {one.feature: one for one in feature_origins(session, snapshot, monotonic=True)}
        plain = feature_origins(session, snapshot, monotonic=False)
    assert origins["tax_sales_12m"].direction == -1
    assert origins["tax_arrears_now"].direction == 1
    assert {one.direction for one in plain} == {0}
    assert origins["tax_sales_trend"].reason_en == "Sales are falling"
    assert all(one.reason_zh and one.reason_en for one in plain)
    assert origins["tax_sales_12m"].sources[0].received == KNOWN.isoformat()
    assert choose_features(snapshot, ["tax_sales_12m", "firm_age_days"]).columns == ("firm_age_days", "tax_sales_12m")
    with pytest.raises(InvalidInput, match="tax_sales_12m"):
        choose_features(snapshot, ["tax_sale_12m"])


def test_a_failure_while_it_is_stored_leaves_no_version(assessed: Bureau, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr("lab.bureau.data.register.version_storage.record", fail)
    with pytest.raises(OSError, match="no room"):
        _publish(assessed)
    monkeypatch.undo()
    with assessed.store.begin_read() as session:
        assert session.scalars(select(RegisterRow)).all() == []
        assert find_origin(session, "main", 1) is None
