"""New pseudonyms for every enterprise in the database, so that an old or leaked key opens it no longer.

The codes of enterprises that left the register are not known any more, so a pseudonym cannot be computed again from its
code. The new one is HMAC-SHA-256 of the old one under one more key; the former keys are kept, sealed. Ceilings,
inquiries and consents continue: the counts of an enterprise stay its own.

One transaction takes every row out and inserts it again in the order of the new pseudonyms, so that not even the place
of a row reveals its enterprise; it writes the number of keys and the ledger entry. The new key is sealed before that:
after an interruption at any moment, the database is under the keys that it names, and an unused key is used next time.
Whoever needs a pseudonym waits for the transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Engine, MetaData, RowMapping, Table, func, insert, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from lab.bureau.data.consents.importing import consent_id
from lab.bureau.key_management.keys import BureauKeys
from lab.bureau.key_management.pseudonyms import SINGLE_ROW_ID
from lab.bureau.ledger import record
from lab.bureau.store import Database
from lab.bureau.store.tables import ConsentRow, InquiryReadRow, InquiryRow, PseudonymKeyCountRow
from lab.terms.errors import Conflict
from lab.terms.progress import SILENT, Progress, ProgressStage

ROWS_PER_STATEMENT = 10_000
"""Rows in memory at once."""
Row = dict[str, Any]
PseudonymMapping = Callable[[Sequence[str]], list[str]]


@dataclass(frozen=True, slots=True)
class PseudonymRotation:
    """The number of keys in use, the rows renamed, and whether the old rows are purged from the database's file."""

    keys: int
    inquiries: int
    consents: int
    cleared: bool


def rotate_all_pseudonyms(
    store: Database, keys: BureauKeys, *, by: str, progress: Progress = SILENT
) -> PseudonymRotation:
    """Give every enterprise in the database a new pseudonym, under one more key.

    Raises ``Conflict`` if another rotation was faster, ``Unreachable`` if the database stays locked for too long.
    """
    with store.begin_read() as session:
        before = session.get_one(PseudonymKeyCountRow, SINGLE_ROW_ID).keys
        rows = sum(int(session.scalar(select(func.count()).select_from(one)) or 0) for one in _tables())
    number = before + 1
    keys.make_pseudonym_key(number)
    with progress.stage("pseudonyms", rows) as stage, store.begin() as session:
        counter = session.get_one(PseudonymKeyCountRow, SINGLE_ROW_ID, with_for_update=True)
        if counter.keys != before:
            raise Conflict("Another rotation of pseudonyms has just ended.", next_step="run the command again")
        _lock_tables(session)
        counts = [_rename(session, one, lambda names: keys.next_pseudonyms(names, number), stage) for one in _tables()]
        counter.keys = number
        session.flush()
        facts = {"keys": number, "inquiries": counts[0], "consents": counts[1]}
        record(session, "pseudonyms.rotated", None, facts, by=by)
    return PseudonymRotation(number, counts[0], counts[1], purge_deleted_rows(store.engine))


def purge_deleted_rows(engine: Engine) -> bool:
    """Purge the old rows from the database's file; False if a reader prevents it.

    PostgreSQL needs nothing: a truncated table gets a new file.
    """
    if engine.dialect.name != "sqlite":
        return True
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        driver: Any = connection.connection.driver_connection
        try:
            driver.execute("VACUUM")
            busy, *_ = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except OperationalError:
            return False
        except Exception as error:
            if type(error).__name__ != "OperationalError":  # the error of whichever SQLite driver it is
                raise
            return False
    return not busy


def _tables() -> tuple[Table, ...]:
    return tuple(one.__table__ for one in (InquiryRow, ConsentRow, InquiryReadRow))  # type: ignore[misc]


def _lock_tables(session: Session) -> None:
    """Lock the tables for other writers; on SQLite there is one writer anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("LOCK TABLE inquiries, consents, inquiry_reads IN SHARE ROW EXCLUSIVE MODE"))


def _rename(session: Session, table: Table, over: PseudonymMapping, stage: ProgressStage) -> int:
    """Take the rows of ``table`` out under new pseudonyms, and insert them in their order; returns their number."""
    fresh = Table(
        f"renamed_{table.name}",
        MetaData(),
        *[Column(column.name, column.type) for column in table.columns],
        prefixes=["TEMPORARY"],
    )
    connection = session.connection()
    fresh.create(connection)
    count = 0
    rows = session.execute(select(table).execution_options(yield_per=ROWS_PER_STATEMENT)).mappings()
    for part in rows.partitions():
        connection.execute(insert(fresh), _renamed(table, part, over))
        count += len(part)
        stage.advance(len(part))
    # Indexes by pseudonym are built after all rows: row by row they cost ten times as much.
    for index in table.indexes:
        index.drop(connection)
    connection.execute(text(f"{_emptying(connection.dialect.name)} {table.name}"))
    order = [fresh.c[column.name] for column in table.primary_key.columns]
    put = insert(table).from_select([column.name for column in fresh.columns], select(fresh).order_by(*order))
    connection.execute(put)
    fresh.drop(connection)
    for index in table.indexes:
        index.create(connection)
    return count


def _emptying(dialect: str) -> str:
    return "TRUNCATE TABLE" if dialect == "postgresql" else "DELETE FROM"


def _renamed(table: Table, part: Sequence[RowMapping], over: PseudonymMapping) -> list[Row]:
    names = over([row["enterprise"] for row in part])
    found = [dict(row) | {"enterprise": name} for row, name in zip(part, names, strict=True)]
    if table.name == ConsentRow.__tablename__:
        for row in found:
            row["id"] = consent_id(row)  # a hash over the pseudonym; it finds a consent that is imported again
    return found
