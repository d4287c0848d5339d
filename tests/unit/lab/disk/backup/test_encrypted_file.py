"""The encrypted stream: what was written is read, and nothing else is."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator

import pytest

from lab.disk.backup.backup_keys import BackupKey, BackupRecipient
from lab.disk.backup.encrypted_file import DecryptingReader, encrypt_pieces
from lab.terms.errors import Conflict, InvalidInput, NotAuthentic

PIECE = 64 * 1024
SIZES = (0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE)


def encrypt(data: bytes, *keys: BackupKey) -> bytes:
    file = io.BytesIO()
    pieces = (data[start : start + 50_000] for start in range(0, len(data), 50_000))
    encrypt_pieces(pieces, file, [BackupRecipient(key.recipient) for key in keys])
    return file.getvalue()


def decrypt(sealed: bytes, key: BackupKey) -> bytes:
    found = bytearray()
    with DecryptingReader(io.BytesIO(sealed), key) as reader:
        while piece := reader.read(10_000):
            found += piece
        reader.read_end()
    return bytes(found)


def some_bytes(size: int) -> bytes:
    return bytes(number * 7 % 251 for number in range(size))


@pytest.mark.parametrize("size", SIZES)
def test_every_recipient_opens_what_was_written(size: int) -> None:
    ours, theirs = BackupKey.generate(), BackupKey.generate()
    sealed = encrypt(some_bytes(size), ours, theirs)
    assert decrypt(sealed, ours) == decrypt(sealed, theirs) == some_bytes(size)
    with pytest.raises(NotAuthentic, match="not encrypted for"):
        decrypt(sealed, BackupKey.generate())


def test_a_changed_moved_repeated_or_missing_byte_never_passes() -> None:
    key = BackupKey.generate()
    sealed = encrypt(some_bytes(2 * PIECE + 10), key)
    start = sealed.index(b"\n", sealed.index(b"\n---") + 1) + 1 + 16
    step = PIECE + 16
    pieces = [sealed[at : at + step] for at in range(start, len(sealed), step)]
    damaged = [sealed[:-1], sealed + b"x", sealed[:start], b"".join([sealed[:start], *pieces[:2]])]
    damaged += [b"".join([sealed[:start], pieces[1], pieces[0], pieces[2]])]
    damaged += [b"".join([sealed[:start], pieces[0], pieces[0], *pieces[1:]])]
    damaged += [sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in range(0, start)]
    damaged += [sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in range(start, len(sealed), 9973)]
    for one in damaged:
        with pytest.raises((InvalidInput, NotAuthentic)):
            decrypt(one, key)


@pytest.mark.parametrize(
    "content",
    [b"", b"age-encryption.org/v2\n", b"-----BEGIN AGE ENCRYPTED FILE-----\n", b"PK\x03\x04"],
)
def test_another_file_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidInput, match="Expected a backup"):
        DecryptingReader(io.BytesIO(content), BackupKey.generate())


def test_a_header_without_end_is_refused() -> None:
    for rest in (b"-> a\n\n" * 100_000, b"-> X25519 " + b"a" * 1_000_000, b"--- AAAA\n"):
        with pytest.raises((InvalidInput, NotAuthentic)):
            decrypt(b"age-encryption.org/v1\n" + rest, BackupKey.generate())


def test_a_reader_that_stops_early_leaves_no_thread() -> None:
    key = BackupKey.generate()
    sealed = encrypt(some_bytes(100) * 100_000, key)
    before = threading.active_count()
    with DecryptingReader(io.BytesIO(sealed), key) as reader:
        assert reader.read_exactly(100) == some_bytes(100)
    assert threading.active_count() == before


def test_an_error_of_the_source_is_raised_as_it_is_and_its_file_does_not_open() -> None:
    def pieces() -> Iterator[bytes]:
        yield some_bytes(3 * PIECE)
        raise Conflict("a file changed")

    key, file = BackupKey.generate(), io.BytesIO()
    with pytest.raises(Conflict, match="a file changed"):
        encrypt_pieces(pieces(), file, [BackupRecipient(key.recipient)])
    with pytest.raises(NotAuthentic):
        decrypt(file.getvalue(), key)
