"""Readiness writes and reads back, and keeps its answer for a moment."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from lab.bureau.store import Database, open_database, readiness
from lab.bureau.store.readiness import WriteCheck
from lab.bureau.store.tables import WriteCheckRow
from lab.terms.errors import NoRoom, Unreachable


@pytest.fixture
def store(database_url: str) -> Iterator[Database]:
    opened = open_database(database_url)
    yield opened
    opened.close()


def test_a_row_is_written_each_time_that_the_answer_is_old(store: Database, tmp_path: Path) -> None:
    now = [0.0]
    check = WriteCheck(store, tmp_path, lambda: now[0])

    def token() -> str:
        with store.begin_read() as session:
            return session.get_one(WriteCheckRow, 1).token

    check.run()
    first = token()
    check.run()
    assert token() == first
    now[0] = 60.0
    check.run()
    assert token() != first


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("number", "family"), [(errno.ENOSPC, NoRoom), (errno.EROFS, Unreachable)])
def test_a_folder_that_cannot_be_written_is_not_ready_until_it_can(
    store: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, family: type[Unreachable]
) -> None:
    now = [0.0]
    check = WriteCheck(store, tmp_path, lambda: now[0])

    def fail(folder: Path) -> None:
        raise OSError(number, os.strerror(number), str(folder / "probe"))

    monkeypatch.setattr(readiness, "check_writing", fail)
    for _ in range(2):
        with pytest.raises(family) as raised:
            check.run()
        assert type(raised.value) is family and isinstance(raised.value.__cause__, OSError)
    monkeypatch.undo()
    now[0] = 60.0
    check.run()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_full_database_is_said_to_be_full(store: Database, tmp_path: Path) -> None:
    with store.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    store.close()

    @event.listens_for(store.engine, "connect")
    def _limit(connection: Any, _record: Any) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(NoRoom), store.begin() as session:
        for number in range(2, 20_000):
            session.merge(WriteCheckRow(id=number, token="x" * 32, at=datetime.now(UTC)))
            if number % 500 == 0:
                session.flush()
