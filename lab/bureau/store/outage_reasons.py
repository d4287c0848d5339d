"""Why a database does not answer, in words for the bureau's operator.

The driver's own text may hold a host, a user or a value, so it is looked at and never shown.
"""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError

from lab.terms.errors import InvalidInput, NotFound, ShulabError, Unreachable

_SQLITE = {
    "SQLITE_READONLY": ("its file or folder is read-only", "check the owner, the mode and the mount of the folder"),
    "SQLITE_CANTOPEN": ("its file cannot be opened", "check the owner and the mode of the folder, and database_url"),
    "SQLITE_FULL": ("the disk is full", "make room on the disk of the bureau's folder"),
    "SQLITE_IOERR": ("its file cannot be read or written", "check the disk and its free space"),
    "SQLITE_BUSY": ("another process holds it", "end the other process, or wait"),
    "SQLITE_LOCKED": ("another process holds it", "end the other process, or wait"),
}
_DAMAGED = ("SQLITE_NOTADB", "SQLITE_CORRUPT")
_POSTGRESQL = {
    "refused": ("nothing listens at its address", "start it, or correct database_url"),
    "authentication failed": ("it does not accept the user or the password", "correct database_url"),
    "no password supplied": ("it asks for a password", "give one in database_url"),
    "does not exist": ("it has no such database or user", "create it, or correct database_url"),
    "resolve": ("its host is not known", "correct database_url, or the machine's name service"),
    "name or service not known": ("its host is not known", "correct database_url, or the machine's name service"),
    "too many": ("it has no free connection", "raise its max_connections, or end other programs"),
    "no space left": ("its disk is full", "make room on its disk"),
    "read-only": ("it accepts no changes", "connect to the primary, not to a standby"),
    "starting up": ("it is starting", "try again in a minute"),
}


def describe_database_error(error: DBAPIError, backend: str) -> ShulabError:
    """``Unreachable`` with the reason, as far as it is known; ``InvalidInput`` for a damaged SQLite file."""
    why, step = "", "start it, or correct database_url"
    if isinstance(error.orig, sqlite3.Error):
        name = getattr(error.orig, "sqlite_errorname", "")
        if name.startswith(_DAMAGED):
            return InvalidInput(
                "Expected the bureau's database in its file; the file is damaged, or of another kind.",
                next_step="keep the file, and restore a backup into a new folder (`lab bureau restore`); never put an "
                "older copy back by hand",
            )
        why, step = next((found for start, found in _SQLITE.items() if name.startswith(start)), (why, step))
    else:
        text = str(error.orig).lower()
        why, step = next((found for part, found in _POSTGRESQL.items() if part in text), (why, step))
    reason = f": {why}" if why else ""
    return Unreachable(f"The bureau's {backend} database does not answer{reason}.", next_step=step)


def lost_database() -> NotFound:
    """A bureau's database that is missing or empty, although its folder is there."""
    return NotFound(
        "Expected the bureau's database; it is missing or empty.",
        next_step="check database_url, or restore a backup into a new folder (`lab bureau restore`); after an "
        "`lab bureau init` that was cut short, remove the folder and run it again",
    )
