"""Bringing a database to the present tables, by Alembic, from the first table on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import OperationalError

from lab.bureau.store.outage_reasons import describe_database_error, lost_database
from lab.bureau.store.tables import Base
from lab.terms.errors import Conflict

if TYPE_CHECKING:
    from alembic.config import Config

_FOLDER = Path(__file__).parent / "migrations"
# An arbitrary fixed number: PostgreSQL's advisory lock that keeps two starting processes from migrating at once.
_MIGRATION_LOCK = 0x5348554C


def migrate(engine: Engine, to: str | None = None) -> None:
    """Run all migrations that the database lacks, in one transaction; there may be none.

    ``to``: the number of the last one to run; by default the newest. Raises ``Conflict`` for a database that a later
    version has brought further than this one knows, and ``Unreachable`` with the reason for one that cannot be changed.
    """
    try:
        _migrate(engine, to)
    except OperationalError as error:
        raise describe_database_error(error, engine.dialect.name) from None


def _migrate(engine: Engine, to: str | None) -> None:
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
        version, target = database_version(connection), to or newest_migration()
        check_not_newer(max(version or "", target))
        if version is None or version < target:
            from alembic import command  # a quarter of a second to load, and mostly there is nothing to do

            command.upgrade(_config(connection), target)


def prepare_tables(engine: Engine) -> None:
    """Make the tables of a new bureau's database; raises ``Conflict`` for one of another version."""
    if _read_version(engine) is None:
        migrate(engine)
    check_schema(engine)


def check_schema(engine: Engine) -> None:
    """Raise ``Conflict`` for a database of another version, and ``NotFound`` for one without the bureau's tables.

    An existing database is not migrated by the way: there is no way back, so ``lab bureau upgrade`` backs it up first.
    An empty one is not filled either: its ledger would begin again under the bureau's key, beside the lost one.
    """
    version = _read_version(engine)
    if version is None:
        raise lost_database()
    check_not_newer(version)
    if version < newest_migration():
        raise Conflict(
            f"The database is of an earlier version of this program: it has migration {version}, this one needs "
            f"{newest_migration()}.",
            next_step="stop the service and run `lab bureau upgrade --backup FILE`, which backs it up first",
        )


def _read_version(engine: Engine) -> str | None:
    try:
        return schema_version(engine)
    except OperationalError as error:
        raise describe_database_error(error, engine.dialect.name) from None


def check_not_newer(version: str) -> None:
    """Raise ``Conflict`` for a migration that this program does not know."""
    if version > newest_migration():
        raise Conflict(
            f"The database is of a later version of this program: it has migration {version}, this one knows "
            f"{newest_migration()}.",
            next_step="run that version or a later one, or restore the backup that was made before it "
            "(`lab bureau restore`)",
        )


def newest_migration() -> str:
    """The number of the last migration, by the names of their files."""
    return max(path.stem for path in (_FOLDER / "versions").glob("m[0-9]*.py"))[1:5]


def schema_version(engine: Engine) -> str | None:
    """The number of the last migration that the database has; None for an empty one. Changes nothing."""
    with engine.connect() as connection:
        return database_version(connection)


def schema_differences(engine: Engine) -> list[Any]:
    """The differences between the tables in the code and the migrated database; empty if there are none."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Base.metadata))


def database_version(connection: Connection) -> str | None:
    """The number of the last migration of the database; None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def _config(connection: Connection) -> Config:
    from alembic.config import Config

    config = Config()
    # Alembic reads options through ConfigParser, which would take a percent sign in a path for itself.
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
