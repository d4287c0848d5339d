"""Keys of backups are read strictly, and never shown."""

from __future__ import annotations

import copy
import pickle

import pytest

from lab.disk.backup.backup_keys import BackupKey, BackupRecipient
from lab.terms.errors import InvalidInput, NotAuthentic

PASSPHRASE = "five random words are enough"
PUBLISHED = (  # an example of the documentation of age
    "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX",
    "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj",
)


def nobody() -> str:
    raise AssertionError("asked for a passphrase")


def test_a_key_is_that_of_the_tool_age() -> None:
    secret, public = PUBLISHED
    assert BackupKey.parse_file(f"# a comment\n\n{secret}\n".encode(), nobody).recipient == public


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_a_key_comes_back_from_its_file(passphrase: str | None) -> None:
    key = BackupKey.generate()
    content = key.write_file(passphrase)
    assert (str(key.secret_key).encode() in content) == (passphrase is None)
    assert BackupKey.parse_file(content, lambda: PASSPHRASE).recipient == key.recipient


def test_a_wrong_or_short_passphrase_is_refused() -> None:
    with pytest.raises(InvalidInput, match="at least 12 characters"):
        BackupKey.generate().write_file("short")
    with pytest.raises(NotAuthentic, match="does not open"):
        BackupKey.parse_file(BackupKey.generate().write_file(PASSPHRASE), lambda: "another passphrase")


@pytest.mark.parametrize("factor", [b"21", b"22", b"37", b"99", b"020", b"x"])
def test_a_file_does_not_choose_how_much_work_its_passphrase_takes(factor: bytes) -> None:
    first, stanza, rest = BackupKey.generate().write_file(PASSPHRASE).split(b"\n", 2)
    greedy = b"\n".join((first, stanza.rpartition(b" ")[0] + b" " + factor, rest))
    with pytest.raises(InvalidInput, match="work factor of at most 20"):
        BackupKey.parse_file(greedy, nobody)


def test_other_text_is_no_key() -> None:
    key = BackupKey.generate()
    text = str(key.secret_key)
    for wrong in (b"", f"{text}\n{text}".encode(), key.recipient.encode(), b"\xff", text[:-1].encode()):
        with pytest.raises(InvalidInput, match="secret key"):
            BackupKey.parse_file(wrong, nobody)
    for recipient in ("", text, key.recipient.upper(), key.recipient[:-1]):
        with pytest.raises(InvalidInput, match="public key"):
            BackupRecipient(recipient)


def test_a_key_is_never_shown_pickled_or_copied() -> None:
    key = BackupKey.generate()
    assert str(key.secret_key) not in f"{key!r} {key}"
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            take(key)
