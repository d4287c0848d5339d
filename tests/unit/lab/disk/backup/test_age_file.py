"""The encrypted stream: what was written is read, and nothing else is."""

from __future__ import annotations

import io
import pickle

import pytest

from lab.disk.backup.age_file import PIECE_BYTES, EncryptedReader, EncryptedWriter
from lab.disk.backup.age_keys import BackupIdentity, Passphrase, PublicKeyRecipient, SecretKeyIdentity
from lab.terms.errors import InvalidInput, NotAuthentic

SECRET = "five random words are enough"
SIZES = (0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES)


def encrypt(data: bytes, *recipients) -> bytes:
    file = io.BytesIO()
    writer = EncryptedWriter(file, recipients)
    for start in range(0, len(data), 50_000):
        writer.write(data[start : start + 50_000])
    writer.finish()
    return file.getvalue()


def decrypt(sealed: bytes, identity: BackupIdentity) -> bytes:
    reader, found = EncryptedReader(io.BytesIO(sealed), identity), bytearray()
    while piece := reader.read(10_000):
        found += piece
    reader.read_end()
    return bytes(found)


def some_bytes(size: int) -> bytes:
    return bytes(number * 7 % 251 for number in range(size))


@pytest.mark.parametrize("size", SIZES)
def test_every_recipient_opens_what_was_written(size: int) -> None:
    ours, theirs = SecretKeyIdentity.generate()[0], SecretKeyIdentity.generate()[0]
    sealed = encrypt(some_bytes(size), *(PublicKeyRecipient(one.recipient) for one in (ours, theirs)))
    assert decrypt(sealed, ours) == decrypt(sealed, theirs) == some_bytes(size)
    with pytest.raises(NotAuthentic, match="not encrypted for"):
        decrypt(sealed, SecretKeyIdentity.generate()[0])


def test_a_passphrase_opens_its_own_file_only() -> None:
    sealed = encrypt(b"x" * 100, Passphrase(SECRET, work=10))
    assert decrypt(sealed, Passphrase(SECRET)) == b"x" * 100
    with pytest.raises(NotAuthentic, match="passphrase does not open"):
        decrypt(sealed, Passphrase("another passphrase"))
    with pytest.raises(InvalidInput, match="at least 12 characters"):
        Passphrase("short")


def test_a_changed_moved_repeated_or_missing_byte_never_passes() -> None:
    identity = SecretKeyIdentity.generate()[0]
    sealed = encrypt(some_bytes(2 * PIECE_BYTES + 10), PublicKeyRecipient(identity.recipient))
    start = sealed.index(b"\n", sealed.index(b"\n---") + 1) + 1 + 16
    step = PIECE_BYTES + 16
    pieces = [sealed[at : at + step] for at in range(start, len(sealed), step)]
    damaged = [sealed[:-1], sealed + b"x", sealed[:start], b"".join([sealed[:start], *pieces[:2]])]
    damaged += [b"".join([sealed[:start], pieces[1], pieces[0], pieces[2]])]
    damaged += [b"".join([sealed[:start], pieces[0], pieces[0], *pieces[1:]])]
    damaged += [sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in range(0, start)]
    damaged += [sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in range(start, len(sealed), 9973)]
    for one in damaged:
        with pytest.raises((InvalidInput, NotAuthentic)):
            decrypt(one, identity)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"age-encryption.org/v2\n",
        b"age-encryption.org/v1\n" + b"-> X25519 " + b"a" * 600,
        b"age-encryption.org/v1\n" + b"-> a\n\n" * 17,
        b"age-encryption.org/v1\n" + b"-> a\n" + (b"A" * 64 + b"\n") * 400,
        b"age-encryption.org/v1\n--- AAAA\n",
        b"-----BEGIN AGE ENCRYPTED FILE-----\n",
    ],
)
def test_a_hostile_header_is_refused(header: bytes) -> None:
    with pytest.raises(InvalidInput, match="Expected a backup"):
        EncryptedReader(io.BytesIO(header), SecretKeyIdentity.generate()[0])


def test_a_file_does_not_choose_how_much_memory_its_passphrase_takes() -> None:
    sealed = encrypt(b"x", Passphrase(SECRET, work=10))
    greedy = sealed.replace(b" 10\n", b" 30\n", 1)
    with pytest.raises(InvalidInput, match="work factor"):
        EncryptedReader(io.BytesIO(greedy), Passphrase(SECRET))


def test_keys_are_read_strictly_and_never_shown() -> None:
    identity, text = SecretKeyIdentity.generate()
    found = SecretKeyIdentity.parse_file(f"# made by a tool\n{text}\n".encode())
    assert found.recipient == identity.recipient and text not in repr(found)
    for secret in (identity, Passphrase(SECRET)):
        with pytest.raises(TypeError):
            pickle.dumps(secret)
    for wrong in (b"", text.lower().encode(), f"{text}\n{text}".encode(), identity.recipient.encode(), b"\xff"):
        with pytest.raises(InvalidInput, match="secret key"):
            SecretKeyIdentity.parse_file(wrong)
    for recipient in ("", text, identity.recipient.upper(), identity.recipient[:-1]):
        with pytest.raises(InvalidInput, match="public key"):
            PublicKeyRecipient(recipient)
