"""The service's log: one JSON object a line in the bureau's ``logs`` folder.

It records the contract, the route, status and problem code, the time and the size. It never records a body, a query
value, a header value or the text of an unexpected exception, which may contain data. Of an unexpected exception it
records the type and the places in the code.
"""

from __future__ import annotations

import errno
import logging
import sqlite3
import traceback
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from lab.disk.free_space import causes
from lab.disk.private_files import private_opener
from lab.terms.text.escaping import dump_visible_json

LOGGER_NAME = "shulab.service"
LOG_FILE = "service.jsonl"
_FILES_KEPT = 5


class _JsonLinesFormatter(logging.Formatter):
    """Writes the ``facts`` of a record; of other libraries' records, the template without arguments."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.msg if isinstance(record.msg, str) else type(record.msg).__name__,
        }
        line |= getattr(record, "facts", {})
        if record.exc_info and record.exc_info[1]:
            line["fault"] = describe_error(record.exc_info[1])
        return dump_visible_json(line)


def describe_error(error: BaseException) -> dict[str, object]:
    """An exception's type and the code locations of its traceback, without its text; and for a fault of the system,
    also among its causes, the error's name (such as ``ENOSPC``) and the file's name."""
    frames = traceback.extract_tb(error.__traceback__)
    found: dict[str, object] = {
        "type": type(error).__name__,
        "at": [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames[-12:]],
    }
    for one in causes(error):
        if isinstance(one, OSError) and one.errno is not None:
            found["errno"] = errno.errorcode.get(one.errno, str(one.errno))
            if isinstance(one.filename, str):
                found["file"] = Path(one.filename).name
        elif isinstance(one, sqlite3.Error) and getattr(one, "sqlite_errorname", None):
            found["database"] = one.sqlite_errorname
        elif isinstance(getattr(one, "sqlstate", None), str):
            found["database"] = getattr(one, "sqlstate", None)
    return found


class _PrivateFileHandler(RotatingFileHandler):
    """Makes each file readable by its owner only, also after rotation."""

    def _open(self) -> TextIOWrapper:
        file = open(self.baseFilename, "ab", opener=private_opener)  # noqa: SIM115 -- the handler closes it
        return TextIOWrapper(file, encoding="utf-8", line_buffering=True)


def open_service_log(folder: Path, max_bytes: int) -> logging.Logger:
    """The logger that writes to ``folder`` (made with mode 0700 if missing); uvicorn's records go there too."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handler = _PrivateFileHandler(folder / LOG_FILE, maxBytes=max_bytes, backupCount=_FILES_KEPT, encoding="utf-8")
    handler.setFormatter(_JsonLinesFormatter())
    for name in (LOGGER_NAME, "uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        for old in list(logger.handlers):
            logger.removeHandler(old)
            old.close()
        logger.setLevel(logging.INFO)
        logger.propagate = name == "uvicorn.error"
        if name != "uvicorn.error":
            logger.addHandler(handler)
    return logging.getLogger(LOGGER_NAME)


def log_event(logger: logging.Logger, event: str, *, error: BaseException | None = None, **facts: object) -> None:
    """Write one line; ``facts`` must hold no data values."""
    level = logging.ERROR if error is not None else logging.INFO
    info = (type(error), error, error.__traceback__) if error is not None else None
    logger.log(level, event, extra={"facts": facts}, exc_info=info)
