"""The durable-execution library (DBOS) as this service wants it: JSON alone in its tables, and nothing of its own said.

What it keeps of a workflow are a contract's id, a hash and a state. It pickles by default, and reads what a row calls
pickled; both ways are closed here, so that whoever can write to the database still can't have code run.
"""

from __future__ import annotations

import logging
from typing import Any, NoReturn

from dbos import DBOSConfig, _serialization

APPLICATION_NAME = "shulab"
SCHEMA = "shulab_jobs"
APPLICATION_VERSION = "1"
"""Of the workflow. Another number leaves what was begun under this one to processes that have it: change it only when
the steps of a workflow begun before could not be gone on with."""


def make_dbos_config(url: str, executor: str, *, threads: int, logger: logging.Logger) -> DBOSConfig:
    """The library's configuration over the database at ``url``; what it logs goes to ``logger``, without its text."""
    _disable_pickle()
    quiet = logging.getLogger("dbos")
    quiet.handlers = [_RedactingHandler(logger)]
    quiet.propagate = False
    return {
        "name": APPLICATION_NAME,
        "system_database_url": url,
        "dbos_system_schema": SCHEMA,
        "application_version": APPLICATION_VERSION,
        "executor_id": executor,
        "serializer": _serialization.DBOSPortableJSON,
        "max_executor_threads": threads,
        "use_listen_notify": False,
        "enable_otlp": False,
        "log_level": "WARNING",
    }


class _RedactingHandler(logging.Handler):
    """Passes on where the library complained, and not its words, which hold texts of exceptions."""

    def __init__(self, logger: logging.Logger) -> None:
        super().__init__(logging.WARNING)
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        facts = {"at": f"{record.filename}:{record.lineno} {record.funcName}"}
        self._logger.log(record.levelno, "jobs", extra={"facts": facts}, exc_info=record.exc_info)


def _disable_pickle() -> None:
    def refuse(*_: Any) -> NoReturn:
        raise TypeError("jobs are kept as JSON alone")

    # The library has no switch for it: its reader goes by what the row says.
    for way in ("serialize", "deserialize"):
        setattr(_serialization.DefaultSerializer, way, refuse)
