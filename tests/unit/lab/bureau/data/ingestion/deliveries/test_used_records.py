"""Records that a published register version counted: deleted only if it is said, named with versions and contracts."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from lab.bureau.bureau import Bureau
from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.credit_repair.superseded_versions import superseded_versions
from lab.bureau.data.features.stored_tables import hash_left_out
from lab.bureau.data.ingestion import DepartmentDelivery
from lab.bureau.data.ingestion.deliveries.used_records import UsedRecords
from lab.bureau.data.ingestion.mapping import parse_mapping
from lab.bureau.key_management.keys import BureauKeys
from lab.bureau.store.tables import (
    BankRow,
    BatchRow,
    ContractRow,
    EpochRow,
    JobRow,
    LedgerEntryRow,
    ModelRow,
    RegisterOriginRow,
    RegisterRow,
)
from tests.support.delivering_bureau import FIRMS, RECEIVED, TAX, TAX_HEADER, DeliveringBureau, tax_rows

HASH = "ab" * 32
SALES = [{"column": "sales_12m", "monotonic": -1, "sources": [{"code": "tax.sales"}]}]
PENALTIES = [{"column": "penalties_12m", "monotonic": 1, "sources": [{"code": "penalties.decided_on"}]}]


def publish(city: DeliveringBureau, day: date, lineage: object = SALES, version: int = 1, name: str = "main") -> None:
    """A version of a register as it is published from what was known on ``day``."""
    with city.bureau.store.begin() as session:
        manifest = city.records.manifest_as_of(session, day)
        register = RegisterRow(
            name=name, version=version, id_column="enterprise", id_kind="uscc", rows=1, set_aside=0, columns="[]"
        )
        register.file, register.sha256, register.source_sha256 = "registers/x.parquet", HASH, HASH
        register.imported_at, register.columns_sha256 = datetime.now(UTC), None
        session.add(register)
        session.flush()
        origin = RegisterOriginRow(register=name, version=version, day=day.isoformat())
        origin.manifest_sha256, origin.lineage = manifest.sha256, json.dumps(lineage)
        origin.catalogue_sha256 = origin.features_sha256 = origin.inputs_sha256 = HASH
        origin.left_out_sha256 = hash_left_out({})
        session.add(origin)


def score(city: DeliveringBureau, job: str, version: int, state: str = "answered") -> None:
    """A contract's job that was charged for a batch."""
    now = datetime.now(UTC)
    with city.bureau.store.begin() as session:
        if session.get(BankRow, "b-1") is None:
            session.add(BankRow(id="b-1", name="示例银行", registered_at=now))
            if session.scalar(select(func.count()).select_from(EpochRow)) == 0:
                session.add(EpochRow(number=1, state="current", began_at=now, ended_at=None))
            model = ModelRow(name="credit", version=1, register="main", file="x", sha256=HASH, state="published")
            model.sheets, model.created_at, model.published_at = "{}", now, now
            session.add(model)
            session.flush()
            session.add(ContractRow(id="c-1", bank_id="b-1", in_force=1, created_at=now))
            session.flush()
        row = JobRow(contract_id="c-1", id=job, version=1, recipient="r", model="credit", model_version=1, epoch=1)
        row.rows, row.rows_used, row.state, row.opened_at, row.ended_at = 10, 10, "ended", now, now
        session.add(row)
        session.flush()
        batch = BatchRow(contract_id="c-1", job_id=job, sha256=HASH, sent_in=None, rows=1, state=state)
        batch.register_version, batch.spent, batch.charged_at = version, 0.0, now
        session.add(batch)


def deletion(city: DeliveringBureau, rows: list[str], *, although_used: bool = False) -> DepartmentDelivery:
    file = city.write("d.csv", TAX_HEADER, rows)
    mapping = parse_mapping(TAX.encode(), "m.toml")
    day = RECEIVED + timedelta(days=9)
    return DepartmentDelivery(file, mapping, day, "delete", "not theirs", although_used=although_used)


def superseded(city: DeliveringBureau, name: str = "main") -> tuple[int, ...]:
    with city.bureau.store.begin_read() as session:
        return superseded_versions(session, name)


def entries(city: DeliveringBureau) -> list[dict[str, object]]:
    with city.bureau.store.begin_read() as session:
        bodies = session.scalars(select(LedgerEntryRow.body).order_by(LedgerEntryRow.seq)).all()
    return [json.loads(body) for body in bodies]


@pytest.fixture
def used(city: DeliveringBureau) -> DeliveringBureau:
    """Five records of which version 2 counted all and version 1 three; jobs scored with both."""
    city.tax("a.csv", tax_rows()[:3])
    publish(city, RECEIVED)
    city.tax("b.csv", tax_rows()[3:5], day=3)
    publish(city, RECEIVED + timedelta(days=3), version=2)
    publish(city, RECEIVED + timedelta(days=3), PENALTIES, version=3)  # knows nothing of tax
    score(city, "job-1", 1)
    score(city, "job-2", 2)
    score(city, "job-3", 3)
    score(city, "job-4", 2, state="returned")
    return city


def test_a_deletion_of_what_was_counted_names_versions_and_contracts_and_changes_nothing(
    used: DeliveringBureau,
) -> None:
    before, held = len(entries(used)), used.held()
    with pytest.raises(UsedRecords) as refusal:
        used.reader.read(deletion(used, tax_rows()[2:4]))
    use = refusal.value.use
    assert [(one.name, one.day, one.records) for one in use.versions] == [
        ("main-1", RECEIVED, 1),
        ("main-2", RECEIVED + timedelta(days=3), 2),
    ]
    assert [(one.contract, one.bank, one.job, one.version) for one in use.runs] == [
        ("c-1", "示例银行", "job-1", 1),
        ("c-1", "示例银行", "job-2", 2),
    ]
    said = str(refusal.value)
    assert "main-2 of 2026-06-04 (2)" in said and "c-1 (2)" in said and "--although-used" in said
    assert not any(firm in said for firm in FIRMS)
    assert (len(entries(used)), used.held()) == (before, held) and superseded(used) == ()
    assert not list((used.bureau.home.folder / "deliveries" / "set-aside").glob("*"))


def test_a_deletion_that_is_meant_supersedes_the_versions_and_keeps_history(used: DeliveringBureau) -> None:
    done = used.reader.read(deletion(used, tax_rows()[2:4], although_used=True))
    assert done.counts.stored == 2 and len(done.use.versions) == 2 and len(used.held()) == 3
    assert superseded(used) == (1, 2) and superseded(used, "other") == ()
    entry = next(one for one in entries(used) if one["kind"] == "records.deleted")
    facts = entry["facts"]
    assert isinstance(facts, dict)
    assert facts["superseded_versions"] == ["main-1", "main-2"] and facts["jobs"] == 2
    assert facts["counted_records"] == ["main-1: 1", "main-2: 2"] and facts["contracts"] == ["c-1"]
    with used.bureau.store.begin_read() as session:
        earlier = used.records.manifest_as_of(session, RECEIVED + timedelta(days=3))
        assert earlier.rows == 5 and used.records.head(session).rows == 7
    assert used.reader.read(deletion(used, tax_rows()[2:4])).known  # again: known, nothing to refuse


def test_what_no_version_counted_is_deleted_as_before_and_a_correction_is_not_refused(used: DeliveringBureau) -> None:
    used.tax("later.csv", tax_rows()[5:6], day=5)
    assert used.reader.read(deletion(used, tax_rows()[5:6])).use.versions == ()
    file = used.write("c.csv", TAX_HEADER, [tax_rows()[0].replace("A级", "B级")])
    corrected = used.deliver(file, TAX, "correct", day=10)
    assert [(one.name, one.records) for one in corrected.use.versions] == [("main-1", 1), ("main-2", 1)]
    assert corrected.counts.stored == 1 and superseded(used) == ()


def test_a_record_that_a_version_left_out_did_not_count(city: DeliveringBureau) -> None:
    city.tax("a.csv", tax_rows()[:2])
    publish(city, RECEIVED - timedelta(days=1))  # before it was known
    publish(city, RECEIVED, version=2)
    with city.bureau.store.begin() as session:  # nothing says any more what this one left out: taken as counted
        row = session.get(RegisterOriginRow, ("main", 2))
        assert row is not None
        row.left_out_sha256 = HASH
    with pytest.raises(UsedRecords, match="main-2"):
        city.reader.read(deletion(city, tax_rows()[:1]))


def test_on_postgresql_the_versions_are_found_in_the_ledger_too(tmp_path: Path, postgresql_url: str) -> None:
    home = tmp_path / "bureau"
    BureauKeys.create(BureauHome.create(home, name="Test bureau", database_url=postgresql_url))
    (tmp_path / "office").mkdir()
    with Bureau.open(home) as bureau:
        city = DeliveringBureau(bureau, tmp_path / "office")
        city.tax("a.csv", tax_rows()[:3])
        publish(city, RECEIVED)
        score(city, "job-1", 1)
        with pytest.raises(UsedRecords, match="main-1"):
            city.reader.read(deletion(city, tax_rows()[:1]))
        city.reader.read(deletion(city, tax_rows()[:1], although_used=True))
        assert superseded(city) == (1,) and len(city.held()) == 2
        found = city.tax(
            "b.csv", [row.replace(",2,0", ",20000,0") for row in tax_rows(period="2026-04-01")[1:2]], day=9
        )
        assert found.counts.reasons == {"other-scale:sales": 1}
