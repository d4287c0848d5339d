"""Versions of a bureau's own catalogue: kept whole, recorded, the same twice is one, and records are not orphaned."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.catalogue import current_catalogue, default_catalogue, versions
from lab.bureau.data.catalogue.definition import CatalogueFiles, build_catalogue, default_files
from lab.bureau.data.catalogue.versions import (
    CatalogueImport,
    import_catalogue,
    list_catalogue_versions,
    load_catalogue_version,
    load_files,
)
from lab.bureau.store import Database
from lab.bureau.store.tables import CatalogueVersionRow, LedgerEntryRow
from lab.disk.checked_files import DamagedFile
from lab.terms.errors import Conflict, InvalidInput, NotFound
from tests.support.small_catalogues import edited, small_files

NOW = datetime(2026, 4, 1, 8, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> BureauHome:
    return BureauHome.create(tmp_path / "bureau", name="Test bureau")


def bring(store: Database, home: BureauHome, files: CatalogueFiles, **options: object) -> CatalogueImport:
    return import_catalogue(home, store, files, now=NOW, **options)  # type: ignore[arg-type]


def entries(store: Database) -> list[dict]:
    with store.begin_read() as session:
        query = sqlalchemy.select(LedgerEntryRow.body).where(LedgerEntryRow.kind == "catalogue.imported")
        return [json.loads(body) for body in session.scalars(query.order_by(LedgerEntryRow.seq))]


def test_without_an_import_the_embedded_catalogue_is_in_force(store: Database, home: BureauHome) -> None:
    with store.begin_read() as session:
        assert current_catalogue(home, session) is default_catalogue()
        (only,) = list_catalogue_versions(session)
        assert (only.version, only.items, only.imported_at) == (0, 119, None)


def test_an_import_is_a_version_with_its_entry_and_the_files_come_back(store: Database, home: BureauHome) -> None:
    first = bring(store, home, small_files(), by="李伟")
    assert (first.version.version, first.new) == (1, True)
    assert "registration" in first.dropped and "tax.arrears" in first.dropped and "tax.sales" not in first.dropped
    second = bring(store, home, edited("tax", "销售额", "营业额"), reason="改名")
    with store.begin_read() as session:
        assert current_catalogue(home, session).item("tax.sales").zh == "营业额"
        assert load_catalogue_version(home, session, 1).item("tax.sales").zh == "销售额"
        assert load_catalogue_version(home, session, 0) == default_catalogue()
        assert load_files(home, session, 1).texts == small_files().texts
        assert [one.version for one in list_catalogue_versions(session)] == [2, 1, 0]
        with pytest.raises(NotFound, match="no version 3"):
            load_files(home, session, 3)
    one, two = entries(store)
    assert one["facts"]["stated_by"] == "李伟" and one["facts"]["replaced_sha256"] == default_catalogue().sha256
    assert two["facts"]["sha256"] == second.version.sha256 and two["facts"]["reason"] == "改名"
    files = sorted((home.folder / "catalogues").iterdir())
    assert len(files) == 2 and {stat.S_IMODE(one.stat().st_mode) for one in files} == {0o600}


def test_the_same_again_is_no_new_version(store: Database, home: BureauHome) -> None:
    bring(store, home, small_files())
    again = bring(store, home, edited("tax", "\n[items.sales]", "\n# a note\n[items.sales]"))
    assert (again.new, again.version.version, len(entries(store))) == (False, 1, 1)
    bring(store, home, edited("tax", "销售额", "营业额"))
    back = bring(store, home, small_files())
    assert (back.new, back.version.version) == (True, 3)


def test_what_does_not_fit_leaves_everything_as_it_was(store: Database, home: BureauHome) -> None:
    with pytest.raises(InvalidInput):
        bring(store, home, edited("tax", "销售额", "宗教信仰"))
    assert entries(store) == [] and list((home.folder / "catalogues").iterdir()) == []


def test_records_are_not_left_without_their_definition(store: Database, home: BureauHome) -> None:
    bring(store, home, small_files())
    texts = small_files().texts
    without = CatalogueFiles(
        {
            "catalogue.toml": texts["catalogue.toml"].replace(', "signals"', ""),
            "tax.toml": texts["tax.toml"].replace("[items.payer]", "[items.clerk]"),
        }
    )
    for held, named in ((frozenset({"signals"}), "signals"), (frozenset({"tax"}), r"tax\.payer")):
        with pytest.raises(Conflict, match=named):
            bring(store, home, without, held_domains=lambda _, held=held: held)
    assert len(entries(store)) == 1
    done = bring(store, home, without, held_domains=lambda _: frozenset({"tax"}), reason="不再归集")
    assert done.dropped == ("signals", "tax.payer")
    assert entries(store)[-1]["facts"]["dropped"] == 2
    other = bring(store, home, small_files(), held_domains=lambda _: frozenset({"registration"}))
    assert other.new and other.dropped == ("tax.clerk",)  # no records of tax are held


RESHAPED = {
    "another type": ("tax", 'type = "amount"', 'type = "number"\nunit = "元"', "tax.sales"),
    "not personal any more": ("tax", "personal = true", "personal = false", "tax.payer"),
    "another key": ("signals", 'key = ["number"]', 'key = ["number", "seen_on"]', "signals"),
    "another end": ("signals", 'held_from = "seen_on"', 'held_from = "seen_on"\nheld_to = "seen_on"', "signals"),
}


@pytest.mark.parametrize("what", RESHAPED)
def test_records_are_not_read_under_another_shape(store: Database, home: BureauHome, what: str) -> None:
    """Also not by leaving an item out first, and with no reason."""
    name, before, after, code = RESHAPED[what]
    bring(store, home, small_files())
    shaped = edited(name, before, after)
    with pytest.raises(Conflict, match=f"another key, type or personal mark of: {code}"):
        bring(store, home, shaped, held_domains=lambda _: frozenset({"tax", "signals"}), reason="x")
    bring(store, home, default_files(), held_domains=lambda _: frozenset({"tax", "signals"}), reason="x")
    with pytest.raises(Conflict, match=code):
        bring(store, home, shaped, held_domains=lambda _: frozenset({name}), reason="x")
    assert bring(store, home, shaped).new  # nothing is held


def test_a_failure_before_the_end_leaves_the_former_catalogue(
    store: Database, home: BureauHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a kill between the file and the row: the file stays, nothing names it, and the import works again."""

    def fail(*_: object, **__: object) -> None:
        raise OSError("killed")

    with monkeypatch.context() as patched, pytest.raises(OSError, match="killed"):
        patched.setattr(versions, "record", fail)
        bring(store, home, small_files())
    with store.begin_read() as session:
        assert current_catalogue(home, session) is default_catalogue()
    assert len(list((home.folder / "catalogues").iterdir())) == 1
    assert bring(store, home, small_files()).version.version == 1
    assert len(list((home.folder / "catalogues").iterdir())) == 1


def test_a_changed_file_is_found_and_not_used(store: Database, home: BureauHome) -> None:
    bring(store, home, small_files())
    (file,) = (home.folder / "catalogues").iterdir()
    file.write_bytes(file.read_bytes().replace("销售额".encode(), "销售量".encode()))
    with store.begin_read() as session, pytest.raises(DamagedFile):
        current_catalogue(home, session)


def test_a_row_that_leads_out_of_the_folder_is_refused(store: Database, home: BureauHome) -> None:
    bring(store, home, small_files())
    with store.begin() as session:
        session.execute(sqlalchemy.update(CatalogueVersionRow).values(file="../../etc/passwd"))
    with store.begin_read() as session, pytest.raises(InvalidInput):
        current_catalogue(home, session)


def test_two_imports_at_once_are_a_conflict(store: Database, home: BureauHome, monkeypatch: pytest.MonkeyPatch) -> None:
    bring(store, home, small_files())
    with monkeypatch.context() as patched, pytest.raises(Conflict, match="at the same time"):
        patched.setattr(versions, "_newest", lambda _: None)  # as if the other had not committed yet
        patched.setattr(versions, "newest_facts", lambda *_: {})
        bring(store, home, edited("tax", "销售额", "营业额"))
    assert len(entries(store)) == 1
    assert build_catalogue(small_files()).sha256 == entries(store)[0]["facts"]["sha256"]
