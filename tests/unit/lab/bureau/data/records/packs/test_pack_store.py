"""Packs: what any earlier day shows is the same before and after, and what differs or lacks is found."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from random import Random

import polars as pl
import pytest

from lab.bureau.data.records import EnterpriseRecords, RecordStore, enterprise_records, fetch_frame, open_records
from lab.bureau.data.records import verify_records as verify
from lab.bureau.data.records.packs import pack_store
from lab.bureau.data.records.packs.pack_list import PackList, parse_packs
from lab.bureau.store import Database
from lab.disk.checked_files import DamagedFile
from lab.terms.errors import Conflict
from tests.support.small_catalogue import COURTS, REGISTRATION, SMALL_CATALOGUE, TAX, deliver, open_store

DOMAINS = ("tax", "courts", "registration")
FIRST = date(2025, 1, 1)
Shown = tuple[list[pl.DataFrame], list[EnterpriseRecords]]


@pytest.fixture
def records(store: Database, tmp_path: Path) -> RecordStore:
    return open_store(tmp_path / "bureau", store)


def fill(records: RecordStore, count: int, seed: int = 1) -> list[date]:
    """Deliveries of all operations that keep to what is held, on days that come several times; the days."""
    random, held = Random(seed), dict[str, dict[tuple[str, date], int]]()
    days, day = list[date](), FIRST
    for number in range(count):
        day += timedelta(days=random.randint(0, 2))
        days.append(day)
        domain = random.choice((TAX, COURTS, REGISTRATION))
        mine = held.setdefault(domain.code, {})
        kind = random.choice(("imported", "imported", "corrected", "deleted")) if mine else "imported"
        if kind == "imported":
            every = {(f"e{random.randint(0, 5)}", FIRST + timedelta(days=random.randint(0, 40))) for _ in range(5)}
            keys = sorted(every - set(mine)) or [(f"new{number}", FIRST)]
        else:
            keys = sorted(random.sample(sorted(mine), min(2, len(mine))))
        for key in keys:
            mine[key] = number
            if kind == "deleted":
                del mine[key]
        deliver(records, domain, day, values(domain.code, keys, number), kind)
    return days


def values(domain: str, keys: list[tuple[str, date]], number: int) -> pl.DataFrame:
    frame = pl.DataFrame(keys, schema={"enterprise": pl.String, "day": pl.Date}, orient="row")
    day = pl.col("day")
    match domain:
        case "tax":
            return frame.select("enterprise", day.alias("period"), pl.lit(float(number)).alias("sales"))
        case "courts":
            key = pl.col("enterprise") + day.cast(pl.String)
            return frame.select(
                "enterprise", key.alias("case_number"), day.alias("filed_on"), pl.lit(number).alias("staff")
            )
    person = pl.format("person {} {}", pl.col("enterprise"), pl.lit(number))
    name = pl.lit(f"name {number}")
    return frame.select(
        "enterprise", day.alias("changed_on"), name.alias("name"), person.alias("person"), person.alias("person_id")
    )


def shown(records: RecordStore, store: Database, days: list[date]) -> Shown:
    """All that every day shows: views of every domain, and every enterprise with its history and personal items."""
    frames, looks = [], []
    for day in [FIRST - timedelta(days=1), *sorted(set(days))]:
        with store.begin_read() as session:
            manifest = records.manifest_as_of(session, day)
        with open_records(records, manifest, SMALL_CATALOGUE) as connection:
            frames += [fetch_frame(connection, f"SELECT * FROM {name} ORDER BY ALL") for name in DOMAINS]
        looks += [
            enterprise_records(records, manifest, SMALL_CATALOGUE, f"e{one}", history=True, personal=True)
            for one in range(6)
        ]
    return frames, looks


def same(first: Shown, second: Shown) -> bool:
    return first[1] == second[1] and all(a.equals(b) for a, b in zip(first[0], second[0], strict=True))


def compact(records: RecordStore, store: Database, *, remove: bool = False) -> pack_store.Compaction:
    with records.importing():
        with store.begin_read() as session:
            manifest = records.head(session)
        done = records.packs.compact(manifest, by="local", domains=DOMAINS)
        return records.packs.remove_packed(manifest, by="local", domains=DOMAINS) if remove else done


@pytest.mark.parametrize("seed", [1, 2])
def test_every_day_shows_the_same_before_and_after(records: RecordStore, store: Database, seed: int) -> None:
    days = fill(records, 18, seed)
    before = shown(records, store, days)
    with store.begin_read() as session:
        manifest = records.head(session)
    assert compact(records, store).packs == 3
    with store.begin_read() as session:
        assert records.head(session).content == manifest.content
    assert same(shown(records, store, days), before)
    compact(records, store, remove=True)
    assert not list(records.files.segments.glob("*.parquet"))
    assert same(shown(records, store, days), before)
    with store.begin_read() as session:
        assert verify(records, session).findings == ()


def test_deliveries_after_a_compaction_are_checked_against_packs_and_packed_later(
    records: RecordStore, store: Database
) -> None:
    deliver(records, TAX, FIRST, values("tax", [("a", FIRST)], 1))
    deliver(records, TAX, FIRST, values("tax", [("b", FIRST)], 2))
    compact(records, store, remove=True)
    with pytest.raises(Conflict, match="held already"):
        deliver(records, TAX, FIRST, values("tax", [("a", FIRST)], 3))
    deliver(records, TAX, FIRST, values("tax", [("a", FIRST)], 4), "corrected")
    deliver(records, TAX, FIRST, values("tax", [("c", FIRST)], 5))
    before = shown(records, store, [FIRST])
    compact(records, store, remove=True)
    compact(records, store)
    assert same(shown(records, store, [FIRST]), before)
    with store.begin_read() as session:
        assert [one.end - one.first for one in records.packs.read(session).packs] == [4]
        assert verify(records, session).findings == ()


def test_many_segments_are_packed_by_an_import(
    records: RecordStore, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.bureau.data.records.record_store.MOST_LOOSE", 4)
    for number in range(23):
        deliver(records, TAX, FIRST, values("tax", [(f"e{number}", FIRST)], number))
    packs = records.packs.read().packs
    assert packs[0].first == 0
    assert packs[-1].end == 20
    assert len(packs) <= 3
    found = shown(records, store, [FIRST])
    assert found[0][3].height == 23


def test_a_failed_compaction_leaves_the_import_done(
    records: RecordStore, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr("lab.bureau.data.records.record_store.MOST_LOOSE", 1)
    monkeypatch.setattr(pack_store, "write_pack", refuse)
    for number in range(3):
        deliver(records, TAX, FIRST, values("tax", [(f"e{number}", FIRST)], number))
    assert shown(records, store, [FIRST])[0][3].height == 3
    assert records.packs.read() == PackList()


def test_a_changed_pack_or_list_is_found_and_a_pack_with_other_rows_is_no_reason_to_remove(
    records: RecordStore, store: Database
) -> None:
    deliver(records, TAX, FIRST, values("tax", [("a", FIRST)], 1))
    deliver(records, TAX, FIRST, values("tax", [("b", FIRST)], 2))
    compact(records, store)
    (pack,) = records.packs.read().packs
    path = records.files.segments / pack.name
    # A pack whose rows are other ones and whose hash fits, as a fault of this program would write it.
    pl.read_parquet(path).with_columns(sales=pl.lit(9.0)).write_parquet(path)
    with store.begin_read() as session:
        assert [one.place for one in verify(records, session).findings] == [pack.name]
    with pytest.raises(DamagedFile):
        compact(records, store, remove=True)
    assert len(list(records.files.segments.glob("*.parquet"))) == 2
    (records.files.manifests / f"{records.packs.read().sha256}.json").write_bytes(PackList().content)
    with store.begin_read() as session, pytest.raises(DamagedFile):
        pack_store.PackStore(records.files, store).read(session)


def test_a_list_of_other_form_is_refused() -> None:
    content = PackList().content
    assert parse_packs(content) == PackList()
    for wrong in (b"[]", b"{}", content + b" ", content.replace(b'"packs":[]', b'"packs":[{"domain":"tax"}]')):
        with pytest.raises((ValueError, KeyError, TypeError)):
            parse_packs(wrong)
