"""Storing deliveries of records: the head, what was known on a day, and damage."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from lab.bureau.data.records import RecordStore, fetch_frame, open_records
from lab.bureau.store import Database
from lab.bureau.store.tables import LedgerEntryRow, RecordHeadRow
from lab.disk.checked_files import DamagedFile
from lab.terms.errors import Conflict, InvalidInput, NotFound
from tests.support.small_catalogue import COURTS, REGISTRATION, SMALL_CATALOGUE, TAX, deliver, open_store

MAY, JUNE, JULY = date(2025, 5, 10), date(2025, 6, 10), date(2025, 7, 10)


@pytest.fixture
def records(store: Database, tmp_path: Path) -> RecordStore:
    return open_store(tmp_path / "bureau", store)


def tax(*rows: tuple[str, date, float | None]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"enterprise": pl.String, "period": pl.Date, "sales": pl.Float64}, orient="row")


def current(records: RecordStore, store: Database, day: date | None = None, **options: object) -> pl.DataFrame:
    with store.begin_read() as session:
        manifest = records.manifest_as_of(session, day)
    with open_records(records, manifest, SMALL_CATALOGUE, **options) as connection:  # type: ignore[arg-type]
        return fetch_frame(connection, "SELECT * EXCLUDE (record) FROM tax ORDER BY enterprise, held_from")


APRIL = date(2025, 4, 1)


def test_what_was_known_on_a_day_does_not_change_with_later_deliveries(records: RecordStore, store: Database) -> None:
    first = deliver(records, TAX, MAY, tax(("b", APRIL, 2.0), ("a", APRIL, 1.0)))
    deliver(records, TAX, JUNE, tax(("a", APRIL, 10.0)), "corrected")
    deliver(records, TAX, JULY, tax(("b", APRIL, None)), "deleted")
    assert current(records, store, MAY)["sales"].to_list() == [1.0, 2.0]
    assert current(records, store, JUNE)["sales"].to_list() == [10.0, 2.0]
    assert current(records, store)["sales"].to_list() == [10.0]
    assert current(records, store)["known_on"].to_list() == [JUNE]
    with store.begin_read() as session:
        assert records.manifest_as_of(session, MAY).content == first.content
        assert records.manifest_as_of(session, date(2025, 5, 9)).segments == ()


def test_a_record_added_again_after_its_deletion_counts(records: RecordStore, store: Database) -> None:
    deliver(records, TAX, MAY, tax(("a", APRIL, 1.0)))
    deliver(records, TAX, MAY, tax(("a", APRIL, None)), "deleted")
    deliver(records, TAX, MAY, tax(("a", APRIL, 3.0)))
    assert current(records, store)["sales"].to_list() == [3.0]
    deliver(records, TAX, JUNE, tax(("a", APRIL, 4.0)), "corrected")
    assert current(records, store)["sales"].to_list() == [4.0]


def test_a_day_leaves_out_what_held_later_and_excluded_records_are_left_out(
    records: RecordStore, store: Database
) -> None:
    deliver(records, TAX, JUNE, tax(("a", APRIL, 1.0), ("a", MAY, 2.0), ("b", APRIL, 3.0)))
    with store.begin_read() as session:
        manifest = records.head(session)
    with open_records(records, manifest, SMALL_CATALOGUE, day=APRIL, domains=["tax"]) as connection:
        ids = fetch_frame(connection, "SELECT record FROM tax ORDER BY enterprise")["record"]
        assert len(ids) == 2
    with open_records(records, manifest, SMALL_CATALOGUE, excluded={"tax": ids[:1]}) as connection:
        assert fetch_frame(connection, "SELECT sales FROM tax ORDER BY 1")["sales"].to_list() == [2.0, 3.0]
    with pytest.raises(NotFound), open_records(records, manifest, SMALL_CATALOGUE, domains=["nothing"]):
        pass


def test_a_domain_without_records_is_an_empty_view_of_the_right_types(records: RecordStore, store: Database) -> None:
    with store.begin_read() as session:
        manifest = records.head(session)
    with open_records(records, manifest, SMALL_CATALOGUE) as connection:
        found = fetch_frame(connection, "SELECT * FROM courts")
    assert found.is_empty()
    assert found.schema["listed"] == pl.Boolean
    assert found.schema["staff"] == pl.Int64
    assert found.columns[:5] == ["enterprise", "record", "held_from", "held_to", "known_on"]


def test_the_connection_reads_and_writes_nothing_else(records: RecordStore, store: Database, tmp_path: Path) -> None:
    deliver(records, TAX, MAY, tax(("a", APRIL, 1.0)))
    other = tmp_path / "other.parquet"
    pl.DataFrame({"a": [1]}).write_parquet(other)
    with store.begin_read() as session:
        manifest = records.head(session)
    with open_records(records, manifest, SMALL_CATALOGUE) as connection:
        for query in (
            f"SELECT * FROM read_parquet('{other}')",
            f"COPY (SELECT 1) TO '{tmp_path / 'out.csv'}'",
            "SET enable_external_access = true",
            "SET allowed_directories = ['/']",
            f"ATTACH '{tmp_path / 'x.db'}'",
            "INSTALL httpfs",
        ):
            with pytest.raises(Exception, match=r"Permission|Cannot change"):
                connection.execute(query)


def test_a_delivery_that_became_known_earlier_or_in_the_future_is_refused(
    records: RecordStore, store: Database
) -> None:
    deliver(records, TAX, JUNE, tax(("a", APRIL, 1.0)))
    for day in (MAY, date(2999, 1, 1)):
        with pytest.raises(InvalidInput, match="received"):
            deliver(records, TAX, day, tax(("b", APRIL, 1.0)))
    assert current(records, store).height == 1


def test_a_record_that_comes_twice_in_a_delivery_is_refused(records: RecordStore) -> None:
    with pytest.raises(Conflict, match="1 rows"):
        deliver(records, TAX, JUNE, tax(("a", APRIL, 1.0), ("a", APRIL, 2.0)))


@pytest.mark.parametrize(("kind", "found"), [("imported", "held already"), ("corrected", "not"), ("deleted", "not")])
def test_an_operation_that_does_not_fit_what_is_held_is_refused(
    records: RecordStore, store: Database, kind: str, found: str
) -> None:
    held = deliver(records, TAX, MAY, tax(("a", APRIL, 1.0), ("b", APRIL, 1.0)))
    held = deliver(records, TAX, MAY, tax(("b", APRIL, 1.0)), "deleted")
    wrong = tax(("a", APRIL, 2.0)) if kind == "imported" else tax(("b", APRIL, 2.0))
    with pytest.raises(Conflict, match=f"1 of 1 are {found}"):
        deliver(records, TAX, MAY, wrong, kind)
    with store.begin_read() as session:
        assert records.head(session) == held


def test_head_and_ledger_agree_and_a_changed_head_or_file_is_found(records: RecordStore, store: Database) -> None:
    first = deliver(records, TAX, MAY, tax(("a", APRIL, 1.0)))
    second = deliver(records, COURTS, JUNE, courts())
    with store.begin_read() as session:
        assert records.head(session) == second
        bodies = [row.body for row in session.query(LedgerEntryRow)]
    assert [one.sha256 in body for one, body in zip((first, second), bodies, strict=True)] == [True, True]
    with store.begin() as session:
        session.get_one(RecordHeadRow, 1).manifest_sha256 = first.sha256
    with store.begin_read() as session, pytest.raises(DamagedFile, match="ledger entry"):
        records.head(session)
    with store.begin() as session:
        session.get_one(RecordHeadRow, 1).manifest_sha256 = second.sha256
    segment = records.files.segments / f"{second.segments[0].sha256}.parquet"
    segment.write_bytes(segment.read_bytes()[:-1] + b"x")
    with pytest.raises(DamagedFile, match="not the one stored") as caught:
        current(records, store)
    assert "verify" in caught.value.next_step
    (records.files.manifests / f"{second.sha256}.json").write_bytes(first.content)
    records._manifest = first
    with store.begin_read() as session, pytest.raises(DamagedFile, match="manifest"):
        records.head(session)


def courts() -> pl.DataFrame:
    return pl.DataFrame(
        {"enterprise": ["a"], "case_number": ["(2025) 1"], "filed_on": [APRIL], "closed_on": [MAY], "listed": [True]}
    )


def test_personal_items_are_sealed_and_in_the_order_of_the_rows(records: RecordStore, store: Database) -> None:
    number = 20_000
    values = pl.DataFrame(
        {
            "enterprise": [f"e{(7919 * place) % number:06d}" for place in range(number)],
            "changed_on": [APRIL] * number,
            "name": ["firm"] * number,
            "person": [f"person {(7919 * place) % number:06d}" for place in range(number)],
            "person_id": [None] * number,
        },
        schema_overrides={"person_id": pl.String},
    )
    manifest = deliver(records, REGISTRATION, MAY, values)
    (segment,) = manifest.segments
    rows = pl.read_parquet(records.files.segments / f"{segment.sha256}.parquet")
    assert "person" not in rows.columns
    sealed = records.files.checked(f"{segment.personal_sha256}.sealed", segment.personal_sha256)
    assert b"person 0" not in sealed.read_bytes()
    from lab.bureau.data.records.segments.sealed_rows import read_sealed_rows

    found = read_sealed_rows(sealed, [0, 4095, 4096, 19_999], segment.sha256, records.keys.with_records_key)
    assert found["person"].to_list() == [f"person {rows['enterprise'][at][1:]}" for at in (0, 4095, 4096, 19_999)]
    with pytest.raises(DamagedFile):
        read_sealed_rows(sealed, [0], "00" * 32, records.keys.with_records_key)
