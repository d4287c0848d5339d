"""The store on both databases: migrations, drift, transactions, the append-only ledger table."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest
from alembic import command
from sqlalchemy import MetaData, text, update
from sqlalchemy.exc import DatabaseError, IntegrityError

from lab.bureau.store import Database, engine, migrate, open_database, schema_differences
from lab.bureau.store.migrate import _config, newest_migration
from lab.bureau.store.tables import LedgerEntryRow, LedgerSizeRow, NonceRow, UsageRow
from lab.terms.errors import Conflict, InvalidInput, Unreachable

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def test_migrated_tables_are_those_in_the_code(store: Database) -> None:
    assert schema_differences(store.engine) == []


def test_migrating_again_changes_nothing(store: Database) -> None:
    migrate(store.engine)
    assert schema_differences(store.engine) == []
    with store.begin_read() as session:
        row = session.get(LedgerSizeRow, 1)
        assert row is not None and row.size == 0


def test_the_newest_number_is_that_of_the_last_migration(store: Database) -> None:
    with store.begin_read() as session:
        assert session.scalar(text("SELECT version_num FROM alembic_version")) == newest_migration()


def test_a_database_of_a_later_version_is_refused(store: Database) -> None:
    with store.begin() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9998'"))
    with pytest.raises(Conflict, match="9998") as caught:
        migrate(store.engine)
    assert "later" in caught.value.next_step


def test_drift_is_seen(store: Database) -> None:
    with store.begin() as session:
        session.execute(text("ALTER TABLE nonces ADD COLUMN extra INTEGER"))
    assert schema_differences(store.engine) != []


def test_a_raise_rolls_back(store: Database) -> None:
    with pytest.raises(RuntimeError), store.begin() as session:
        session.add(NonceRow(key="a" * 64, nonce="n", seen_at=NOW))
        session.flush()
        raise RuntimeError
    with store.begin_read() as session:
        assert session.get(NonceRow, ("a" * 64, "n")) is None


def test_times_come_back_aware_and_in_utc(store: Database) -> None:
    there = NOW.astimezone(timezone(timedelta(hours=8)))
    with store.begin() as session:
        session.add(NonceRow(key="a" * 64, nonce="n", seen_at=there))
    with store.begin_read() as session:
        row = session.get(NonceRow, ("a" * 64, "n"))
        assert row is not None
        assert row.seen_at == NOW
        assert row.seen_at.utcoffset() == timedelta(0)


def test_foreign_keys_hold(store: Database) -> None:
    with pytest.raises(IntegrityError), store.begin() as session:
        session.add(UsageRow(contract_id="nobody", counter="identifiers", used=1))


@pytest.mark.property(
    "Append-only ledger",
    claim="The ledger's table refuses changes.",
    topic="the ledger",
    code=["lab.bureau.store"],
)
@pytest.mark.parametrize("change", ["UPDATE ledger_entries SET kind = 'x'", "DELETE FROM ledger_entries"])
def test_the_ledger_table_refuses_change(store: Database, change: str) -> None:
    with store.begin() as session:
        session.add(
            LedgerEntryRow(seq=1, time=NOW, kind="k", contract_id=None, body="{}", leaf="0" * 64, signature="0" * 128)
        )
    with pytest.raises(DatabaseError, match="append-only"), store.begin() as session:
        session.execute(text(change))
    with store.begin_read() as session:
        entry = session.get(LedgerEntryRow, 1)
        assert entry is not None and entry.kind == "k"


def test_writers_wait_for_each_other(store: Database) -> None:
    def add(_: int) -> None:
        with store.begin() as session:
            row = session.get(LedgerSizeRow, 1)
            assert row is not None
            session.execute(update(LedgerSizeRow).values(size=LedgerSizeRow.size + 1))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(add, range(40)))
    with store.begin_read() as session:
        row = session.get(LedgerSizeRow, 1)
        assert row is not None and row.size == 40


@pytest.mark.parametrize("url", ["mysql://nowhere/x", "not a url"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        open_database(url)


def test_a_database_that_is_down() -> None:
    with pytest.raises(Unreachable):
        open_database("postgresql+psycopg://nobody@127.0.0.1:1/none?connect_timeout=2")


def test_a_database_that_goes_away_is_unreachable(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "SQLITE_BUSY_MS", 50)
    store.engine.dispose()  # new connections take the shorter patience
    assert store.is_reachable()
    if store.engine.dialect.name == "sqlite":
        with store.begin() as first:
            first.execute(text("SELECT 1"))  # a look is enough: a transaction that may write takes the lock at once
            with pytest.raises(Unreachable), store.begin() as second:
                second.execute(text("SELECT 1"))
    else:
        with pytest.raises(Unreachable), store.begin_read() as session:
            session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    assert store.is_reachable()


def test_contexts_of_an_older_home_are_marked_and_its_prints_of_ciphertexts_are_gone(database_url: str) -> None:
    """From the tables before the sixth migration, filled, to those of now."""
    opened = open_database(database_url)
    try:
        with opened.engine.begin() as connection:
            present = MetaData()
            present.reflect(connection)
            present.drop_all(connection)
            if connection.dialect.name == "postgresql":
                connection.execute(text("DROP FUNCTION IF EXISTS ledger_refuse"))
            command.upgrade(_config(connection), "0005")
            for statement in (
                "DROP TABLE contexts",  # and again without its foreign key, so that one row says what is to be said
                "CREATE TABLE contexts (contract_id VARCHAR(64) NOT NULL, sha256 VARCHAR(64) NOT NULL, "
                "file TEXT NOT NULL, size INTEGER NOT NULL, received_at TIMESTAMP NOT NULL, "
                "CONSTRAINT pk_contexts PRIMARY KEY (contract_id, sha256))",
                "INSERT INTO contexts VALUES ('c', 'name', 'contexts/name.frame', 7, '2026-03-01 12:00:00')",
            ):
                connection.execute(text(statement))
        migrate(opened.engine)
        with opened.engine.connect() as connection:
            assert connection.execute(text("SELECT sha256, rules FROM contexts")).all() == [("name", 1)]
            assert connection.execute(text("SELECT * FROM seeds")).all() == []
            with pytest.raises(DatabaseError):
                connection.execute(text("SELECT * FROM ciphertexts"))
    finally:
        opened.close()
