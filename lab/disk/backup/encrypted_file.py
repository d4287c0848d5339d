"""An encrypted stream: the age file format, version 1 (C2SP age.md), which the tool `age` reads and writes too.

The library (rage, through pyrage) encrypts pieces of 64 KiB, each with its number and a mark on the last one in its
nonce, so that pieces cannot be changed, moved or cut off. It pushes what it decrypts; a pipe lets a parser pull.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import BinaryIO, Self

from pyrage import DecryptError, decrypt_io, encrypt_io

from lab.disk.backup.backup_keys import BackupKey, BackupRecipient
from lab.terms.errors import InvalidInput, NotAuthentic

_VERSION, _HEADER_END = b"age-encryption.org/v1\n", b"\n--- "
_MAX_HEADER = 16 * 1024
"""A hundred recipients. The library takes minutes over a header of some megabytes that does not end."""
_BUFFER = 1024 * 1024


def encrypt_pieces(pieces: Iterable[bytes], file: BinaryIO, recipients: Sequence[BackupRecipient]) -> None:
    """Encrypt ``pieces`` to ``file`` for all ``recipients``; raises what ``pieces`` raises, as it was raised.

    ``pieces`` are read one at a time. A file that was not finished does not open.
    """
    source = _PieceReader(iter(pieces))
    try:
        encrypt_io(io.BufferedReader(source, _BUFFER), file, [one.public_key for one in recipients])
    finally:  # the library gives out errors of its source as errors of its own
        if source.error is not None:
            raise source.error from None


class DecryptingReader:
    """Opens an encrypted file from its beginning; a context manager.

    Every piece is authentic before it is given out; only ``read_end`` shows that nothing is missing. Raises
    ``InvalidInput`` for another file, ``NotAuthentic`` for a wrong key, and for damage wherever it is met.
    """

    def __init__(self, file: BinaryIO, key: BackupKey) -> None:
        start = file.read(_MAX_HEADER)
        if not start.startswith(_VERSION) or _HEADER_END not in start:
            raise InvalidInput(
                "Expected a backup (an age file, age-encryption.org/v1); found something else.",
                next_step="check the path; a backup is a binary file without armor",
            )
        file.seek(0)
        self._file, self._key = file, key
        self._error: BaseException | None = None
        out, into = os.pipe()
        self._output, self._input = os.fdopen(out, "rb", buffering=_BUFFER), os.fdopen(into, "wb", buffering=_BUFFER)
        self._thread = threading.Thread(target=self._decrypt, name="decrypt", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._output.close()  # a thread that still writes gets an error, and ends
        self._thread.join()

    def read(self, most: int) -> bytes:
        """The next bytes, at most ``most``; raises ``NotAuthentic`` at the end of a file that is damaged there."""
        found = self._output.read(most)
        if not found:
            self._check_whole()
        return found

    def read_exactly(self, count: int) -> bytes:
        """The next ``count`` bytes, few enough for memory; raises ``NotAuthentic`` if the file ends before."""
        found = self._output.read(count)
        if len(found) < count:
            self._check_whole()
            raise _damaged()
        return found

    def read_end(self) -> None:
        """Raise ``NotAuthentic`` unless the file ends here, in its marked last piece."""
        if self._output.read(1):
            raise _damaged()
        self._check_whole()

    def _decrypt(self) -> None:
        try:
            with self._input:
                decrypt_io(self._file, self._input, [self._key.secret_key])
        except BaseException as error:
            self._error = error

    def _check_whole(self) -> None:
        self._thread.join()
        match self._error:
            case None:
                return
            case DecryptError() if "No matching keys" in str(self._error):
                raise NotAuthentic(
                    "The backup is not encrypted for the key that was given to open it.",
                    next_step="give the secret key of one of its recipients (--identity)",
                ) from None
            case DecryptError() | OSError():
                raise _damaged() from None
            case error:
                raise error


class _PieceReader(io.RawIOBase):
    """Pieces as a file; keeps the error with which they ended."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, memoryview(b"")
        self.error: BaseException | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            while not self._rest:
                self._rest = memoryview(next(self._pieces))
        except StopIteration:
            return 0
        except BaseException as error:
            self.error = error
            raise OSError("the source failed") from None
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def _damaged() -> NotAuthentic:
    return NotAuthentic(
        "The backup is damaged or was cut off: its pieces do not authenticate.",
        next_step="take another copy of it; nothing was written from this one",
    )
