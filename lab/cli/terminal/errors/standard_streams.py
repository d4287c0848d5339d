"""Standard output and error on which printing never ends a command.

A terminal of another encoding, a pipe whose reader has left or a full disk under ``>`` would otherwise end a command
in the middle of its work, after a bank has been charged. So what an encoding lacks is written as an escape, and once a
stream cannot be written the rest of it is dropped; the command finishes, and its caller then asks what failed.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any, TextIO


class ToleratedFile(io.FileIO):
    """A file descriptor to write to. After the first failure it takes everything and writes nothing.

    ``failure``: that failure, or None. The descriptor is not closed with the file.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self.failure: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write ``data`` or drop it; returns how many bytes were taken."""
        if self.failure is None:
            try:
                return super().write(data)
            except OSError as failure:
                self.failure = failure
        return memoryview(data).nbytes


def install_tolerant_streams() -> None:
    """Replace ``sys.stdout`` and ``sys.stderr`` by streams on which printing never fails.

    A stream that was closed before the command began (``>&-``) writes to nowhere. One that is no file of the operating
    system, as in a test, stays as it is.
    """
    sys.stdout = _tolerant(sys.stdout)
    sys.stderr = _tolerant(sys.stderr)


def find_lost_output(stream: TextIO) -> OSError | None:
    """Why a part of what was printed on ``stream`` is lost; None if nothing is, or if its reader just left."""
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    if not isinstance(raw, ToleratedFile):
        return None
    stream.flush()
    return None if raw.failure is None or raw.failure.errno == errno.EPIPE else raw.failure


def encode_json_for(stream: TextIO, text: str) -> str:
    """JSON ``text`` as ``stream`` can carry it: as it is in UTF-8, in any other encoding with JSON's own escapes."""
    encoding = (getattr(stream, "encoding", None) or "utf-8").lower().replace("_", "-")
    if text.isascii() or encoding in ("utf-8", "utf8"):
        return text
    return "".join(char if char.isascii() else _json_escape(char) for char in text)


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _tolerant(stream: TextIO | None) -> TextIO:
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")
    try:
        descriptor = stream.fileno()
        stream.flush()
    except (OSError, ValueError, AttributeError):
        return stream
    return io.TextIOWrapper(
        io.BufferedWriter(ToleratedFile(descriptor)),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=True,
        write_through=False,
    )
