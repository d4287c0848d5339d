"""Somebody who can write the bureau's folder and database lets a record stop counting, or puts in another catalogue.

Who: an administrator of the machine, without a key. What they want: a penalty that no longer counts though nobody
repaired it, or a personal item that is personal no more, without an entry that tells of it. What stops them: a
catalogue's file is the one that its row names by hash, and the rows on which a decision depends are those that the
ledger tells of, whose entries signed heads cover.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.catalogue import versions
from lab.bureau.data.catalogue.definition import build_catalogue, default_files
from lab.bureau.data.credit_repair import CaseKind
from lab.bureau.data.credit_repair.cases import storage
from lab.bureau.store import Database
from lab.bureau.store.tables import CatalogueVersionRow, RepairCaseRow
from lab.disk.checked_files import DamagedFile, pack_checked, read_checked
from tests.support.repair_scene import START, RepairScene, open_scene

pytestmark = pytest.mark.threat(
    "Row without an entry",
    who="somebody on the machine",
    wants="to change what counts, or what is personal, by a row or a file that no entry of the ledger tells of",
    stopped_by={
        "named file": "A catalogue's file is read only if it is the one that its row names by hash.",
        "told rows": "Cases, catalogues, assessments, feature tables and legacy codes are held against the ledger.",
    },
    code=["lab.bureau.ledger.recorded_facts", "lab.bureau.data.catalogue.versions"],
)


def put_in_another_catalogue(home: BureauHome, store: Database) -> None:
    """Import the embedded catalogue; then swap its file for one in which no item of ``registration`` is personal, with
    a digest of its own."""
    versions.import_catalogue(home, store, default_files(), now=datetime(2026, 1, 1, tzinfo=UTC))
    with store.begin_read() as session:
        file = session.scalars(select(CatalogueVersionRow.file)).one()
    texts = json.loads(read_checked(home.path(file), identity=file))
    texts["registration.toml"] = texts["registration.toml"].replace("personal = true", "personal = false")
    home.path(file).write_bytes(pack_checked(json.dumps(texts).encode(), file))


@pytest.mark.without_control("named file")
def test_without_the_hash_another_catalogue_is_in_force(
    store: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = open_scene(tmp_path, store).home
    put_in_another_catalogue(home, store)
    build = build_catalogue
    monkeypatch.setattr(
        versions,
        "_checked",
        lambda home, row: build(versions._unpack(read_checked(home.path(row.file), identity=row.file))),
    )
    with store.begin_read() as session:
        found = versions.current_catalogue(home, session)
    assert not any(item.personal for item in found.domain("registration").items)


@pytest.mark.with_control("named file")
def test_a_catalogue_in_another_s_place_is_damaged(store: Database, tmp_path: Path) -> None:
    home = open_scene(tmp_path, store).home
    put_in_another_catalogue(home, store)
    with pytest.raises(DamagedFile), store.begin_read() as session:
        versions.current_catalogue(home, session)


def grant_by_a_row(scene: RepairScene) -> str:
    """Two penalties, the first under a case that is decided by writing its row; returns its record."""
    record = scene.penalty()
    case = scene.open(CaseKind.REPAIR, record)
    with scene.store.begin() as session:
        row = session.get_one(RepairCaseRow, case.id)
        row.state, row.open_key, row.decided_on = "granted", None, START
    return record


@pytest.mark.without_control("told rows")
def test_without_the_ledger_a_row_repairs_a_record(
    store: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "check_cases", lambda session: None)
    scene = open_scene(tmp_path, store)
    assert grant_by_a_row(scene) in scene.left_out(START)


@pytest.mark.with_control("told rows")
@pytest.mark.parametrize("harm", ["granted", "removed"])
def test_a_case_that_no_entry_tells_of_stops_the_computation(harm: str, store: Database, tmp_path: Path) -> None:
    scene = open_scene(tmp_path, store)
    if harm == "granted":
        grant_by_a_row(scene)
    else:
        case = scene.open(CaseKind.OBJECTION, scene.penalty())
        with store.begin() as session:
            session.delete(session.get_one(RepairCaseRow, case.id))
    with pytest.raises(DamagedFile, match="ledger"):
        scene.left_out(START)


@pytest.mark.with_control("told rows")
def test_a_catalogue_that_no_entry_names_is_not_in_force(store: Database, tmp_path: Path) -> None:
    home = open_scene(tmp_path, store).home
    versions.import_catalogue(home, store, default_files(), now=datetime(2026, 1, 1, tzinfo=UTC))
    with store.begin() as session:
        session.delete(session.scalars(select(CatalogueVersionRow)).one())
    with pytest.raises(DamagedFile, match="ledger"), store.begin_read() as session:
        versions.current_catalogue(home, session)
