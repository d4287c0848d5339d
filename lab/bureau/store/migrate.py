"""Bringing a database to the present tables, by Alembic, from the first table on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, text

from lab.bureau.store.tables import Base

_FOLDER = Path(__file__).parent / "migrations"
# An arbitrary fixed number: PostgreSQL's advisory lock that keeps two starting processes from migrating at once.
_MIGRATION_LOCK = 0x5348554C


def migrate(engine: Engine) -> None:
    """Run all migrations that the database has not had, in one transaction; nothing to do is fine."""
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
        command.upgrade(_config(connection), "head")


def drift(engine: Engine) -> list[Any]:
    """What the tables in the code have and the migrated database has not, or the other way; empty when they agree."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Base.metadata))


def _config(connection: Connection) -> Config:
    config = Config()
    # Alembic reads options through ConfigParser, which would take a percent sign in a path for itself.
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
