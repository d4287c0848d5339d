"""Configuration of the durable-execution library (DBOS): only JSON in its tables, and none of its texts in the log.

Of a workflow it keeps a contract's id, a hash and a state. By default it pickles, and unpickles a row that claims to be
pickled. Both are disabled here, so that whoever can write to the database still cannot run code.
"""

from __future__ import annotations

import logging
from typing import Any, NoReturn

from dbos import DBOSConfig, _serialization

APPLICATION_NAME = "shulab"
SCHEMA = "shulab_jobs"
APPLICATION_VERSION = "1"
"""Version of the workflow. Processes with another version do not continue a workflow of this one. Change it only if
workflows that have begun could not be continued."""


def make_dbos_config(url: str, executor: str, *, threads: int, logger: logging.Logger) -> DBOSConfig:
    """The library's configuration for the database at ``url``. Its log records go to ``logger`` without their text."""
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
    """Passes on the place of the library's log records, but not their text, which contains texts of exceptions."""

    def __init__(self, logger: logging.Logger) -> None:
        super().__init__(logging.WARNING)
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        facts = {"at": f"{record.filename}:{record.lineno} {record.funcName}"}
        self._logger.log(record.levelno, "jobs", extra={"facts": facts}, exc_info=record.exc_info)


def _disable_pickle() -> None:
    def refuse(*_: Any) -> NoReturn:
        raise TypeError("Expected JSON; pickled jobs are not allowed.")

    # The library has no setting for this: it reads a row by the format that the row names.
    for method in ("serialize", "deserialize"):
        setattr(_serialization.DefaultSerializer, method, refuse)
