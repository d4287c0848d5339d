"""Feature tables over stored records: point in time, kept by what they are computed from, never replaced unseen."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import select

from lab.bureau.bureau import Bureau
from lab.bureau.data.catalogue import default_catalogue
from lab.bureau.data.features.definition import FeatureSet
from lab.bureau.data.features.definition_files import default_features
from lab.bureau.data.features.lineage import trace_feature
from lab.bureau.data.features.stored_tables import FeatureInputs, FeatureTables, current_features
from lab.bureau.data.records import RecordStore, record_ids
from lab.bureau.store.tables import LedgerEntryRow
from lab.disk.checked_files import DamagedFile
from lab.terms.errors import InvalidInput
from tests.support.feature_records import Row, deliver_rows, fill_store, firm_code, random_records

CATALOGUE = default_catalogue()
FEATURES = default_features(CATALOGUE)
FIRMS = [firm_code(number, natural=number % 5 == 0) for number in range(30)]
KNOWN = date(2026, 6, 30)


@pytest.fixture
def bureau(tmp_path: Path) -> Iterator[Bureau]:
    """A bureau with records of all domains, known on ``KNOWN``."""
    with Bureau.create(tmp_path / "bureau", name="Test bureau") as made:
        records = random_records(CATALOGUE, FIRMS, 7)
        held = {domain.code: domain.held_from for domain in CATALOGUE.domains}
        known = {code: [row for row in rows if row[held[code]] <= KNOWN] for code, rows in records.items()}  # type: ignore[operator]
        fill_store(_records(made), CATALOGUE, known, KNOWN)
        yield made


def _records(bureau: Bureau) -> RecordStore:
    return RecordStore(bureau.home, bureau.store, bureau.keys)


def _inputs(bureau: Bureau, day: date = KNOWN, features: FeatureSet = FEATURES) -> FeatureInputs:
    with bureau.store.begin_read() as session:
        manifest = _records(bureau).manifest_as_of(session, day)
    return FeatureInputs(manifest, CATALOGUE, features, day)


def _tables(bureau: Bureau) -> FeatureTables:
    return FeatureTables(bureau.home, bureau.store, _records(bureau))


def _without_held(domain: str, rows: list[Row], held: list[Row]) -> list[Row]:
    """Rows of new records: an addition of one that is held already is refused."""
    key = ("enterprise", *CATALOGUE.domain(domain).key)
    known = {tuple(row[name] for name in key) for row in held}
    return [row for row in rows if tuple(row[name] for name in key) not in known]


@pytest.mark.parametrize("seed", range(2))
def test_what_was_known_later_never_enters(bureau: Bureau, seed: int) -> None:
    before = _tables(bureau).table(_inputs(bureau))
    content = before.path.read_bytes()
    rng = random.Random(seed)
    later = KNOWN + timedelta(days=1)
    planted = random_records(CATALOGUE, [*FIRMS, firm_code(99)], seed + 100)  # of days before and after, known later
    held = random_records(CATALOGUE, FIRMS, 7)
    fill_store(
        _records(bureau), CATALOGUE, {code: _without_held(code, planted[code], held[code]) for code in held}, later
    )
    known = [row for row in held["tax"] if row["period"] <= KNOWN]  # type: ignore[operator]
    corrected = [dict(row, sales=1e9, arrears=1e9) for row in rng.sample(known, 10)]
    deliver_rows(_records(bureau), CATALOGUE, CATALOGUE.domain("tax"), corrected, later, "correct")
    again = _tables(bureau).table(_inputs(bureau), again=True)
    assert again.computed_now
    assert again.path.read_bytes() == content
    now = _tables(bureau).table(_inputs(bureau, later))
    assert now.sha256 != before.sha256
    assert now.rows > before.rows


def test_what_holds_after_the_day_never_enters(bureau: Bureau) -> None:
    day = date(2024, 1, 15)
    early = FeatureInputs(_inputs(bureau).manifest, CATALOGUE, FEATURES, day)
    before = _tables(bureau).table(early).path.read_bytes()
    later = [dict(row, period=date(2026, 7, 1)) for row in random_records(CATALOGUE, FIRMS, 9)["tax"][:1]]
    deliver_rows(_records(bureau), CATALOGUE, CATALOGUE.domain("tax"), later, KNOWN)
    with bureau.store.begin_read() as session:
        manifest = _records(bureau).head(session)
    after = _tables(bureau).table(replace(early, manifest=manifest))
    assert after.computed_now
    assert after.path.read_bytes() == before


def test_records_that_no_longer_count_are_left_out(bureau: Bureau) -> None:
    inputs = _inputs(bureau)
    whole = pl.read_parquet(_tables(bureau).table(inputs).path)
    domain = CATALOGUE.domain("penalties")
    rows = [
        row
        for row in random_records(CATALOGUE, FIRMS, 7)["penalties"]
        if row["decided_on"] <= KNOWN  # type: ignore[operator]
    ]
    frame = pl.DataFrame(rows, infer_schema_length=None)
    left_out = {"penalties": record_ids(domain, frame)}
    table = _tables(bureau).table(replace(inputs, left_out=left_out))
    less = pl.read_parquet(table.path)
    assert whole["penalties_uncorrected_36m"].sum() > 0
    assert less["penalties_uncorrected_36m"].sum() == 0
    assert less.drop([one.name for one in FEATURES.definitions if one.domains == ("penalties",)]).equals(
        whole.drop([one.name for one in FEATURES.definitions if one.domains == ("penalties",)])
    )


def test_a_table_is_computed_once(bureau: Bureau) -> None:
    first = _tables(bureau).table(_inputs(bureau))
    again = _tables(bureau).table(_inputs(bureau))
    assert (first.computed_now, again.computed_now) == (True, False)
    assert first.sha256 == again.sha256
    with bureau.store.begin_read() as session:
        kinds = list(session.scalars(select(LedgerEntryRow.kind).where(LedgerEntryRow.kind == "features.computed")))
    assert len(kinds) == 1


def test_any_other_input_is_another_table(bureau: Bureau) -> None:
    inputs = _inputs(bureau)
    others = [
        replace(inputs, day=KNOWN + timedelta(days=1)),
        replace(inputs, features=FeatureSet(FEATURES.definitions[1:])),
        replace(inputs, left_out={"tax": pl.Series(["0" * 32])}),
        replace(inputs, catalogue=replace(CATALOGUE, sha256="0" * 64)),
    ]
    assert len({inputs.sha256, *(one.sha256 for one in others)}) == 5


def test_another_table_in_its_place_is_found(bureau: Bureau) -> None:
    kept = _tables(bureau).table(_inputs(bureau))
    other = _tables(bureau).table(_inputs(bureau, KNOWN + timedelta(days=90)))
    assert other.sha256 != kept.sha256
    shutil.copy(other.path, kept.path)  # a whole table, as the program writes it
    with pytest.raises(DamagedFile, match="not the one that was computed"):
        _tables(bureau).table(_inputs(bureau))
    repaired = _tables(bureau).table(_inputs(bureau), again=True)
    assert repaired.sha256 == kept.sha256


def test_a_lost_table_is_computed_again(bureau: Bureau) -> None:
    kept = _tables(bureau).table(_inputs(bureau))
    kept.path.unlink()
    again = _tables(bureau).table(_inputs(bureau))
    assert again.computed_now
    assert again.sha256 == kept.sha256


def test_a_killed_computation_leaves_nothing_behind(bureau: Bureau, monkeypatch: pytest.MonkeyPatch) -> None:
    work = bureau.home.path("features/.work")
    work.mkdir(mode=0o700, exist_ok=True)
    (work / "table-dead").mkdir()
    (work / "table-dead" / "part-00000").write_bytes(b"half")
    _tables(bureau).table(_inputs(bureau))
    assert [one.name for one in work.iterdir()] == ["lock"]


def test_lineage_names_items_departments_and_files(bureau: Bureau) -> None:
    inputs = _inputs(bureau)
    found = trace_feature(FEATURES.find("sales_per_head_12m"), CATALOGUE, inputs.manifest)
    assert [one.code for one in found.sources] == ["tax.sales", "social_insurance.insured_staff"]
    assert {one.received for one in found.sources} == {KNOWN.isoformat()}
    assert found.sources[0].department_zh == CATALOGUE.domain("tax").owner_zh
    assert [one.domain for one in found.segments] == ["tax", "social_insurance"] or len(found.segments) == 2
    assert all(one.rows > 0 and one.source.endswith(".csv") for one in found.segments)
    assert found.grade == max((CATALOGUE.item(one.code).grade for one in found.sources), key=lambda grade: grade.rank)


def test_a_bureaus_own_feature_files_replace_those_of_the_program(bureau: Bureau) -> None:
    assert current_features(bureau.home, CATALOGUE).sha256 == FEATURES.sha256
    own = bureau.home.path("feature-files") / "own.toml"
    shipped = files("lab.bureau.data.features") / "default" / "penalties.toml"
    own.write_text(shipped.read_text(encoding="utf-8"), encoding="utf-8")
    assert {one.domains for one in current_features(bureau.home, CATALOGUE).definitions} == {("penalties",)}
    own.write_text('[features.x]\nsql = "DROP TABLE tax"\n', encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"own\.toml"):
        current_features(bureau.home, CATALOGUE)
