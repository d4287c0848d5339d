"""An encrypted stream: the age file format, version 1 (C2SP age.md), which the tool `age` reads and writes too.

The header names the recipients and ends with an HMAC-SHA-256 under a key from the file's key (HKDF, RFC 5869). The
payload is STREAM (Hoang, Reyhanitabar, Rogaway and Vizár, "Online Authenticated-Encryption and its Nonce-Reuse
Misuse-Resistance", CRYPTO 2015, section 5) over ChaCha20-Poly1305 (RFC 8439): pieces of 64 KiB, each with its number
and a mark on the last one in its nonce, so that pieces cannot be changed, moved or cut off. Memory is one piece.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Sequence
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from lab.disk.backup.age_keys import (
    FILE_KEY_BYTES,
    BackupIdentity,
    BackupRecipient,
    Stanza,
    decode_base64,
    encode_base64,
    malformed_header,
)
from lab.terms.errors import NotAuthentic

PIECE_BYTES, _TAG_BYTES, _NONCE_BYTES, _COUNTER_BYTES = 64 * 1024, 16, 16, 11
_VERSION = b"age-encryption.org/v1\n"
_COLUMNS = 64
_MAX_LINE, _MAX_HEADER, _MAX_STANZAS = 512, 16 * 1024, 16
_ARGUMENTS = re.compile(r"[\x21-\x7e]+(?: [\x21-\x7e]+)*")


class EncryptedWriter:
    """Encrypts to ``file`` for all ``recipients``. ``finish`` ends the file; without it, the file does not open."""

    def __init__(self, file: BinaryIO, recipients: Sequence[BackupRecipient]) -> None:
        file_key = os.urandom(FILE_KEY_BYTES)
        header = _VERSION + b"".join(_stanza_text(one.wrap(file_key)) for one in recipients) + b"---"
        nonce = os.urandom(_NONCE_BYTES)
        file.write(header + b" " + encode_base64(_header_mac(file_key, header)).encode() + b"\n" + nonce)
        self._file, self._cipher = file, ChaCha20Poly1305(_derive(file_key, nonce, b"payload"))
        self._pending, self._number = bytearray(), 0

    def write(self, data: bytes | memoryview) -> None:
        """Encrypt and write; a piece leaves when it is full and more follows."""
        self._pending += data
        while len(self._pending) > PIECE_BYTES:
            self._seal(bytes(self._pending[:PIECE_BYTES]), last=False)
            del self._pending[:PIECE_BYTES]

    def finish(self) -> None:
        """Write the last piece."""
        self._seal(bytes(self._pending), last=True)

    def _seal(self, piece: bytes, *, last: bool) -> None:
        self._file.write(self._cipher.encrypt(_piece_nonce(self._number, last=last), piece, None))
        self._number += 1


class EncryptedReader:
    """Opens an encrypted file from its beginning.

    Every piece is authentic before it is given out; only ``read_end`` shows that nothing is missing. Raises
    ``InvalidInput`` for another file, ``NotAuthentic`` for a wrong key, and for damage wherever it is met.
    """

    def __init__(self, file: BinaryIO, identity: BackupIdentity) -> None:
        header, stanzas, mac = _read_header(file)
        file_key = identity.unwrap(stanzas)
        if file_key is None:
            raise NotAuthentic(
                "The backup is not encrypted for what was given to open it.",
                next_step="give the secret key of one of its recipients (--identity), or its passphrase",
            )
        if not hmac.compare_digest(_header_mac(file_key, header), mac):
            raise _damaged()
        nonce = file.read(_NONCE_BYTES)
        if len(nonce) != _NONCE_BYTES:
            raise _damaged()
        self._file, self._cipher = file, ChaCha20Poly1305(_derive(file_key, nonce, b"payload"))
        self._sealed = file.read(PIECE_BYTES + _TAG_BYTES)
        self._open, self._place, self._number, self._ended = b"", 0, 0, False

    def read(self, most: int) -> bytes:
        """The next bytes, at most ``most``; empty at the end."""
        if self._place == len(self._open) and (self._ended or not self._next_piece()):
            return b""
        found = self._open[self._place : self._place + most]
        self._place += len(found)
        return found

    def read_exactly(self, count: int) -> bytes:
        """The next ``count`` bytes, few enough for memory; raises ``NotAuthentic`` if the file ends before."""
        found = bytearray()
        while len(found) < count:
            piece = self.read(count - len(found))
            if not piece:
                raise _damaged()
            found += piece
        return bytes(found)

    def read_end(self) -> None:
        """Raise ``NotAuthentic`` unless the file ends here, in its marked last piece."""
        if self.read(1) or not self._ended:
            raise _damaged()

    def _next_piece(self) -> bool:
        following = self._file.read(PIECE_BYTES + _TAG_BYTES)
        last = not following
        try:
            self._open = self._cipher.decrypt(_piece_nonce(self._number, last=last), self._sealed, None)
        except InvalidTag:
            raise _damaged() from None
        if last and not self._open and self._number:
            raise _damaged()  # an empty last piece after others: not as the format says
        self._sealed, self._place, self._ended, self._number = following, 0, last, self._number + 1
        return bool(self._open)


def _read_header(file: BinaryIO) -> tuple[bytes, list[Stanza], bytes]:
    """The header up to ``---``, its stanzas, and its MAC; raises ``InvalidInput``. Every length is bounded."""
    read = bytearray()
    stanzas: list[Stanza] = []

    def next_line() -> str:
        line = file.readline(_MAX_LINE)
        read.extend(line)
        if not line.endswith(b"\n") or not line.isascii() or len(read) > _MAX_HEADER:
            raise malformed_header()
        return line[:-1].decode("ascii")

    if next_line().encode() + b"\n" != _VERSION:
        raise malformed_header()
    while not (line := next_line()).startswith("---"):
        arguments = line.removeprefix("-> ")
        if arguments == line or not _ARGUMENTS.fullmatch(arguments) or len(stanzas) == _MAX_STANZAS:
            raise malformed_header()
        lines = [next_line()]
        while len(lines[-1]) == _COLUMNS:
            lines.append(next_line())
        text = "".join(lines)
        body = decode_base64(text)
        if len(lines[-1]) > _COLUMNS or (not body and text):
            raise malformed_header()
        stanzas.append(Stanza(tuple(arguments.split(" ")), body))
    mac = decode_base64(line.removeprefix("--- "))
    if not line.startswith("--- ") or len(mac) != hashlib.sha256().digest_size or not stanzas:
        raise malformed_header()
    end = len(read) - len(line) - 1 + len("---")
    return bytes(read[:end]), stanzas, mac


def _stanza_text(stanza: Stanza) -> bytes:
    body = encode_base64(stanza.body)
    lines = [body[start : start + _COLUMNS] for start in range(0, len(body), _COLUMNS)]
    if len(body) % _COLUMNS == 0:
        lines.append("")
    return "\n".join((f"-> {' '.join(stanza.arguments)}", *lines, "")).encode()


def _header_mac(file_key: bytes, header: bytes) -> bytes:
    return hmac.digest(_derive(file_key, b"", b"header"), header, "sha256")


def _derive(file_key: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(file_key)


def _piece_nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(_COUNTER_BYTES, "big") + bytes([last])


def _damaged() -> NotAuthentic:
    return NotAuthentic(
        "The backup is damaged or was cut off: its pieces do not authenticate.",
        next_step="take another copy of it; nothing was written from this one",
    )
