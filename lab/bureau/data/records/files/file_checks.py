"""Which files were found to be as stored, and what their status was then: so that a look at one enterprise need not
read whole files again.

A line says that a file with this inode, size, time of change of its content (mtime) and of its status (ctime) had the
hash that its name says, and when. It carries a code of authentication (HMAC-SHA-256) under a key derived from the
bureau's records key, so who can write the folder and lacks the key cannot make one. A line counts for ``VALID_DAYS``;
`lab bureau records verify` reads every file and writes the lines anew.
"""

from __future__ import annotations

import hmac
import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from lab.disk.private_files import private_opener, replace_private
from lab.terms.errors import ShulabError

VALID_DAYS = 35
"""A month, and some days for a verification that comes late."""
_DAY = 86_400
_FIELDS = 7
Status = tuple[int, ...]
FindKey = Callable[[Callable[[bytes], bytes]], bytes]


class FileChecks:
    """The file of checks. Safe to use from several threads and processes."""

    def __init__(self, path: Path, lend: FindKey) -> None:
        """``lend``: lends the bureau's records key to a function."""
        self._path, self._lend = path, lend
        self._guard = threading.Lock()
        self._lines: dict[str, str] = {}
        self._read = 0
        self._key: bytes | None = None

    def has(self, path: Path) -> bool:
        """Whether the file was found as stored, not too long ago, and has the same status now."""
        status = file_status(path)
        if not status:
            return False
        with self._guard:
            self._read_on()
            line = self._lines.get(path.name)
        if line is None:
            return False
        stated, _, code = line.rpartition(" ")
        parts = stated.split(" ")
        if len(parts) != _FIELDS - 1 or tuple(parts[1:5]) != tuple(map(str, status)):
            return False
        with suppress(ValueError):
            age = time.time() - int(parts[5])
            made = self._code(stated)
            return bool(made) and -_DAY < age < VALID_DAYS * _DAY and hmac.compare_digest(made, code)
        return False

    def add(self, paths: Iterable[Path], *, anew: bool = False) -> None:
        """Enter files whose hash was compared just now; ``anew``: only these stay entered."""
        now, lines = int(time.time()), []
        for path in paths:
            status = file_status(path)
            stated = f"{path.name} {' '.join(map(str, status))} {now}"
            if status and (code := self._code(stated)):
                lines.append(f"{stated} {code}\n")
        if not lines and not anew:
            return
        content = "".join(lines).encode()
        with suppress(OSError), self._guard:  # without an entry the next look reads the file again
            if anew:
                replace_private(self._path, content)
                self._lines, self._read = {}, 0
            else:
                with open(self._path, "ab", opener=private_opener) as file:
                    file.write(content)

    def _read_on(self) -> None:
        """Read what was added since the last reading."""
        try:
            size = os.stat(self._path).st_size
            if size == self._read:
                return
            if size < self._read:
                self._lines, self._read = {}, 0
            with open(self._path, "rb") as file:
                file.seek(self._read)
                content = file.read()
        except OSError:
            self._lines, self._read = {}, 0
            return
        whole = content[: content.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.decode("ascii", errors="replace").splitlines():
            self._lines[line.partition(" ")[0]] = line

    def _code(self, stated: str) -> str:
        if self._key is None:
            try:
                self._key = self._lend(_derive)
            except ShulabError:  # no key yet: nothing was imported, so nothing can have been checked
                return ""
        return hmac.digest(self._key, stated.encode(), "sha256").hex()


def file_status(path: Path) -> Status:
    """Inode, size, mtime and ctime (nanoseconds) of a file; empty if there is none."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _derive(key: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"shulab records file checks").derive(key)
