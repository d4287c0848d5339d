"""A bureau's backup and restoration, from and to both databases."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy

from lab.bureau.bureau import Bureau
from lab.bureau.data.backup.home_backup import back_up_bureau
from lab.bureau.data.backup.home_restore import RestoreOptions, restore_bureau
from lab.bureau.data.records import enterprise_records, verify_records
from lab.bureau.ledger import LOCAL_ACTOR, record
from lab.bureau.people import NewAccount, Role
from lab.bureau.store import schema_differences
from lab.bureau.store.tables import Base
from lab.disk.backup.backup_keys import BackupKey, BackupRecipient
from lab.terms.errors import Conflict, InvalidInput, NotAllowed, NotAuthentic, NotFound
from lab.terms.ledger.restoration import LEDGER_RESTORED
from lab.terms.ledger.tree import SignedTreeHead, head_signing_input
from tests.support.small_catalogue import REGISTRATION, SMALL_CATALOGUE, deliver

APRIL = date(2025, 4, 1)
KEY = BackupKey.generate()
RECIPIENTS = [BackupRecipient(KEY.recipient)]


@pytest.fixture
def bureau(tmp_path: Path, database_url: str) -> Iterator[Bureau]:
    with Bureau.create(tmp_path / "home", name="某局", database_url=database_url) as made:
        made.accounts.add(NewAccount("lin", "数据", frozenset({Role.OFFICER})), by="local")
        made.ledger.sign_head()
        yield made


def rows_of(bureau: Bureau) -> dict[str, list[tuple]]:
    with bureau.store.engine.connect() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(sqlalchemy.select(table))), key=repr)
            for table in Base.metadata.sorted_tables
        }


def act(bureau: Bureau) -> SignedTreeHead:
    """Something happens; the head over it."""
    with bureau.store.begin() as session:
        record(session, "keys.resealed", None, {}, by=LOCAL_ACTOR)
    return bureau.ledger.sign_head()


def test_every_row_comes_back_and_the_next_entry_states_it(bureau: Bureau, tmp_path: Path, database_url: str) -> None:
    before = rows_of(bureau)
    made = back_up_bureau(bureau.home.folder, tmp_path / "b.age", RECIPIENTS)
    assert made.damaged == () and made.snapshot.dialect == sqlalchemy.make_url(database_url).get_backend_name()
    lost = act(bureau)
    options = RestoreOptions(database_url="sqlite", known_heads=[lost], fingerprint=bureau.party.fingerprint)
    done = restore_bureau(tmp_path / "b.age", KEY, tmp_path / "new", options)
    facts = done.statement.facts
    assert (facts.size, facts.root, facts.restorations) == (made.snapshot.size, made.snapshot.root, 1)
    assert (facts.known_size, facts.known_root) == (lost.size, lost.root)
    assert done.statement.explains(lost) and done.statement.head.size == facts.size + 1
    done.statement.verify(bureau.party.public_key)
    with Bureau.open(tmp_path / "new") as restored:
        after = rows_of(restored)
        grown = {"ledger_entries", "ledger_size", "tree_heads"}
        assert {name: rows for name, rows in after.items() if name not in grown} == {
            name: rows for name, rows in before.items() if name not in grown
        }
        assert set(before["ledger_entries"]) < set(after["ledger_entries"])
        assert restored.ledger.entries(after=facts.size)[0]["kind"] == LEDGER_RESTORED
        (stated,) = restored.ledger.restorations()
        assert stated.body == done.statement.body
        assert restored.party == bureau.party


def test_records_come_back_with_the_key_of_their_personal_items(tmp_path: Path) -> None:
    with Bureau.create(tmp_path / "home", name="某局") as bureau:
        firm = pl.DataFrame({"enterprise": ["a"], "changed_on": [APRIL], "person": ["甲"], "person_id": ["1"]})
        deliver(bureau.records, REGISTRATION, date(2025, 5, 1), firm)
        with bureau.records.files.staged_folder() as staged:
            (staged / "rows").write_text("being written")
            made = back_up_bureau(bureau.home.folder, tmp_path / "b.age", RECIPIENTS)
        assert made.damaged == ()
        options = RestoreOptions(fingerprint=bureau.party.fingerprint)
        restore_bureau(tmp_path / "b.age", KEY, tmp_path / "new", options)
        with bureau.store.begin_read() as session:
            (sealed,) = bureau.records.files.segments.glob("*.sealed")
            sealed.unlink()
            damaged = back_up_bureau(bureau.home.folder, tmp_path / "c.age", RECIPIENTS).damaged
            assert damaged == (f"records/segments/{sealed.name}",)
    with Bureau.open(tmp_path / "new") as restored:
        assert list(restored.records.files.staging.iterdir()) == []
        with restored.store.begin_read() as session:
            manifest = restored.records.head(session)
            assert verify_records(restored.records, session).findings == ()
        found = enterprise_records(restored.records, manifest, SMALL_CATALOGUE, "a", personal=True)
        assert found.current["registration"][0].items["person"] == "甲"


def test_it_is_restored_into_an_empty_database_only(
    bureau: Bureau, tmp_path: Path, postgres_url: str, database_url: str
) -> None:
    back_up_bureau(bureau.home.folder, tmp_path / "b.age", RECIPIENTS)
    with pytest.raises(Conflict, match="Expected an empty"):
        restore_bureau(tmp_path / "b.age", KEY, tmp_path / "new", RestoreOptions(database_url=database_url))
    assert not (tmp_path / "new").exists()
    engine = sqlalchemy.create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    name = f"r{tmp_path.name[-12:]}".lower().replace("-", "_")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f'CREATE DATABASE "{name}"'))
    engine.dispose()
    target = sqlalchemy.make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    restore_bureau(tmp_path / "b.age", KEY, tmp_path / "new", RestoreOptions(database_url=target))
    with Bureau.open(tmp_path / "new") as restored:
        assert restored.store.engine.dialect.name == "postgresql" and not schema_differences(restored.store.engine)
        assert not (tmp_path / "new" / "bureau.db").exists()
        act(restored)


def test_a_known_head_of_another_history_is_refused(bureau: Bureau, tmp_path: Path) -> None:
    made = back_up_bureau(bureau.home.folder, tmp_path / "b.age", RECIPIENTS)
    time, size, root = datetime.now(UTC), made.snapshot.size - 1, "ab" * 32
    forged = SignedTreeHead(
        size=size, root=root, time=time, signature=bureau.keys.sign(head_signing_input(size, root, time)).hex()
    )
    with pytest.raises(NotAuthentic, match="rewritten"):
        restore_bureau(tmp_path / "b.age", KEY, tmp_path / "new", RestoreOptions("sqlite", known_heads=[forged]))
    strange = forged.model_copy(update={"signature": "00" * 64})
    with pytest.raises(NotAuthentic, match="signature of the tree head"):
        restore_bureau(tmp_path / "b.age", KEY, tmp_path / "new", RestoreOptions("sqlite", known_heads=[strange]))


def test_a_clock_that_is_behind_is_named(bureau: Bureau, tmp_path: Path) -> None:
    bureau.ledger._now = lambda: datetime.now(UTC) + timedelta(hours=1)
    act(bureau)
    back_up_bureau(bureau.home.folder, tmp_path / "b.age", RECIPIENTS)
    with pytest.raises(Conflict, match="clock says"):
        restore_bureau(tmp_path / "b.age", KEY, tmp_path / "new", RestoreOptions(database_url="sqlite"))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_damaged_database_is_not_backed_up_over_a_good_one(bureau: Bureau, tmp_path: Path) -> None:
    bureau.close()
    database = sqlite3.connect(tmp_path / "bureau.db")
    for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        database.execute(f"DROP TRIGGER {name}")
    database.execute("UPDATE ledger_entries SET body = replace(body, 'kind', 'kinb') WHERE seq = 1")
    database.commit()
    database.close()
    with pytest.raises(InvalidInput, match="damaged at entry 1"):
        back_up_bureau(bureau.home.folder, tmp_path / "b.age", RECIPIENTS)
    assert not (tmp_path / "b.age").exists()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_lost_seal_key_or_home_is_an_error_with_a_next_step(bureau: Bureau, tmp_path: Path) -> None:
    back_up_bureau(bureau.home.folder, tmp_path / "b.age", RECIPIENTS)
    chosen = RestoreOptions(database_url="sqlite", key_file=tmp_path / "elsewhere.key")
    with pytest.raises(NotFound, match="key file"):
        restore_bureau(tmp_path / "b.age", KEY, tmp_path / "new", chosen)
    shutil.copyfile(bureau.home.key_file, tmp_path / "elsewhere.key")
    (tmp_path / "elsewhere.key").chmod(0o600)
    restore_bureau(tmp_path / "b.age", KEY, tmp_path / "new", chosen)


def test_a_strangers_backup_does_not_choose_a_database_or_a_module(tmp_path: Path) -> None:
    """Anybody can encrypt for the operator's public key: settings that lead outside the folder need a fingerprint."""
    elsewhere = tmp_path / "elsewhere.db"
    with Bureau.create(tmp_path / "home", name="某局", database_url=f"sqlite:///{elsewhere}") as made:
        back_up_bureau(made.home.folder, tmp_path / "b.age", RECIPIENTS)
        fingerprint = made.party.fingerprint
    elsewhere.unlink()
    with pytest.raises(NotAllowed, match=r"outside the folder \(database_url\)"):
        restore_bureau(tmp_path / "b.age", KEY, tmp_path / "new")
    assert not elsewhere.exists() and not (tmp_path / "new").exists()
    restore_bureau(tmp_path / "b.age", KEY, tmp_path / "new", RestoreOptions(fingerprint=fingerprint))
    assert elsewhere.exists()
