"""What a person reads of an error that Shulab did not raise itself: of a library, the database or the machine.

The text of such an error may carry a cell, a code or a statement with its parameters, so it is never shown. Shown are
the kind of the error, the operating system's own word for it, the file's name and the place in the code: none of these
comes from the data.
"""

from __future__ import annotations

import errno
import os
import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from lab.terms.errors import Conflict, InvalidInput, MachineFault, NotFound, ShulabError, Unreachable
from lab.terms.text.escaping import VisibleText, escape_hidden

_ROOT = Path(__file__).parents[4]
_LONGEST_PATH = 300
_MOST_FRAMES = 12
_DRAFT = re.compile(r"^\.(?P<name>.+)\.[a-z0-9_]{8}\.partial$")
"""A file that is written beside its name first (``lab.disk.private_files``)."""
_FAMILIES: dict[int, type[ShulabError]] = {
    errno.ENOENT: NotFound,
    errno.EEXIST: Conflict,
    errno.EADDRINUSE: Conflict,
    **dict.fromkeys((errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP), InvalidInput),
    **dict.fromkeys(
        (errno.ECONNREFUSED, errno.ECONNRESET, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EPIPE),
        Unreachable,
    ),
}
"""The families of what the operating system refuses; anything else is a ``MachineFault``."""
_CHECK_PATH = "check the path: its folder must be there"
_STEPS = {
    errno.ENOENT: _CHECK_PATH,
    errno.ENOTDIR: _CHECK_PATH,
    errno.EISDIR: "name a file in that folder",
    errno.EEXIST: "choose another name or folder",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EACCES: "check the owner and mode of the file and its folder, or choose another folder",
    errno.EPERM: "check the owner and mode of the file and its folder, or choose another folder",
    errno.EROFS: "choose a folder on a disk that can be written",
    errno.ENOSPC: "make room on that disk, then run the command again",
    errno.EDQUOT: "make room within your quota, then run the command again",
    errno.EMFILE: "raise the limit of open files (ulimit -n), then run the command again",
    errno.ENOMEM: "close other programs or use a machine with more memory",
    errno.EIO: "the disk may be failing: look into the system's log (dmesg) before anything else",
    errno.EADDRINUSE: "choose another port, or stop the program that uses this one",
}
_OTHER_STEP = "check that file and its disk, then run the command again"
_SQLITE_ERRNO = {
    3: errno.EACCES,  # SQLITE_PERM
    7: errno.ENOMEM,  # SQLITE_NOMEM
    8: errno.EROFS,  # SQLITE_READONLY
    10: errno.EIO,  # SQLITE_IOERR
    13: errno.ENOSPC,  # SQLITE_FULL
    14: errno.EACCES,  # SQLITE_CANTOPEN
}
"""What SQLite's result codes (https://sqlite.org/rescode.html) say, in the operating system's words."""
_SQLITE_LOCKED = (5, 6)  # SQLITE_BUSY, SQLITE_LOCKED
_SQLITE_DAMAGED = (11, 26)  # SQLITE_CORRUPT, SQLITE_NOTADB
_REPORT = "send these lines to whoever maintains Shulab; they carry no data"


def explain_error(error: BaseException) -> ShulabError | None:
    """An expected error that says what the machine refused; None if ``error`` is no such thing, but a fault.

    Looks through the causes of ``error``, outermost first. No text of any of them is taken over.
    """
    for cause in _causes(error):
        explained = _explain_one(cause)
        if explained is not None:
            return explained
    return None


def describe_fault(error: BaseException) -> VisibleText:
    """The lines of an error that nobody expected: its kind, its causes' kinds, and where it arose, innermost last."""
    kinds = " < ".join(_kind(cause) for cause in _causes(error))
    return VisibleText("\n  ".join([escape_hidden(f"故障 fault: {kinds}"), *_places(error.__traceback__)]) + "\n")


def fault_error(error: BaseException) -> ShulabError:
    """The error of Shulab itself that is reported for ``error``, without its text."""
    return ShulabError(
        f"Expected no fault in Shulab; found {_kind(error)}. Its text is not shown, since it may carry data.",
        next_step=_REPORT,
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        driver = getattr(current, "orig", None)  # SQLAlchemy keeps the driver's error there
        following = driver if isinstance(driver, BaseException) else current.__cause__
        current = following or (None if current.__suppress_context__ else current.__context__)


def _explain_one(error: BaseException) -> ShulabError | None:
    if isinstance(error, MemoryError):
        return MachineFault("Expected enough memory for this; found none left.", next_step=_STEPS[errno.ENOMEM])
    if type(error).__module__ == "sqlite3":
        return _explain_database(error)
    if isinstance(error, OSError) and type(error).__module__ == "ssl":
        stated = str(getattr(error, "reason", "") or "")  # OpenSSL's name of the reason
        reason = stated if re.fullmatch(r"[A-Z0-9_]{1,80}", stated) else "an error"
        return Unreachable(
            f"Expected a TLS connection or TLS files that fit; found {reason}.",
            next_step="check the certificate, its key and the certificate authority (--ca-file)",
        )
    if isinstance(error, OSError):
        number = error.errno if error.errno is not None else _polars_errno(error)
        if number in errno.errorcode:
            return _explain_system(number, _named_file(error))
    return None


def _polars_errno(error: OSError) -> int:
    """The number in an error of the operating system that polars raises, which has it in its text alone; 0 if none."""
    found = re.search(r"\(os error ([0-9]{1,3})\)", str(error)[:10_000])
    return int(found[1]) if found else 0


def describe_errno(number: int) -> str:
    """The operating system's own words for an error number, and its name."""
    return f"{os.strerror(number)} ({errno.errorcode.get(number, number)})"


def _explain_system(number: int, file: str) -> ShulabError:
    family = _FAMILIES.get(number, MachineFault)
    words = describe_errno(number)
    if family is Unreachable:
        return family(f"Expected a connection; found: {words}.", next_step="check the address and that it answers")
    step = _STEPS.get(number, _OTHER_STEP)
    if file and number == errno.ENOENT and not Path(file).parent.is_dir():
        return family(f"Expected to read or write {file}; its folder is missing.", next_step=_CHECK_PATH)
    if not file:
        return family(f"Expected the system to carry this out; found: {words}.", next_step=step)
    return family(f"Expected to read or write {file}; found: {words}.", next_step=step)


def _explain_database(error: BaseException) -> ShulabError | None:
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
    name = getattr(error, "sqlite_errorname", "")
    if primary in _SQLITE_LOCKED:
        return Unreachable(
            "Expected the database to be free; found it locked by another process.",
            next_step="wait until the other command has ended, then run this one again",
        )
    if primary in _SQLITE_DAMAGED:
        return InvalidInput(
            f"Expected a database that is whole; found damage ({name}).", next_step="restore it from a backup"
        )
    number = _SQLITE_ERRNO.get(primary)
    if number is None:
        return None
    return MachineFault(
        f"Expected to read or write the database; found: {os.strerror(number)} ({name}).", next_step=_STEPS[number]
    )


def _named_file(error: OSError) -> str:
    """The file that the operating system refused, by the name that the person knows; empty if there is none."""
    found = error.filename
    if not isinstance(found, str | bytes | os.PathLike):
        return ""
    path = os.fsdecode(found)
    folder, name = os.path.split(path)
    draft = _DRAFT.match(name)
    return os.path.join(folder, draft["name"] if draft else name)[:_LONGEST_PATH]


def _kind(error: BaseException) -> str:
    """The class of an error with its library."""
    module = type(error).__module__.partition(".")[0]
    name = type(error).__name__
    return name if module in ("builtins", "__main__") else f"{module}.{name}"


def _places(trace: TracebackType | None) -> list[str]:
    """Where each call was, without the text of the code: file, line, function."""
    found = []
    for frame in traceback.extract_tb(trace, limit=-_MOST_FRAMES):
        path = Path(frame.filename)
        inside = path.is_relative_to(_ROOT) and "site-packages" not in path.parts
        file = path.relative_to(_ROOT) if inside else Path(*path.parts[-2:])
        found.append(f"{escape_hidden(str(file))}:{frame.lineno} {escape_hidden(frame.name)}")
    return found
