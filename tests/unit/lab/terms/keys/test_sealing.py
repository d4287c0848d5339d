"""Sealed secrets: opened by the right key and label alone."""

from __future__ import annotations

import copy
import json
import os
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.terms.errors import InvalidInput, NotAuthentic
from lab.terms.keys.sealing import SealKey, open_sealed, seal

FILE_KEY = SealKey.from_file_bytes(os.urandom(32))


@given(st.binary(max_size=500), st.binary(max_size=20))
def test_what_is_sealed_opens(secret: bytes, label: bytes) -> None:
    sealed = seal(secret, FILE_KEY, label)
    assert open_sealed(sealed, FILE_KEY, label) == secret
    if len(secret) > 8:  # longer than the magic
        assert secret not in sealed


def test_a_passphrase_opens_what_it_sealed_and_no_other_does() -> None:
    sealed = seal(b"secret", SealKey.from_passphrase("correct horse"), b"label")
    assert open_sealed(sealed, SealKey.from_passphrase("correct horse"), b"label") == b"secret"
    with pytest.raises(NotAuthentic, match="wrong passphrase"):
        open_sealed(sealed, SealKey.from_passphrase("correct house"), b"label")
    with pytest.raises(NotAuthentic, match="sealed under a passphrase"):
        open_sealed(sealed, FILE_KEY, b"label")


@settings(max_examples=60)
@given(st.data())
def test_any_changed_byte_or_label_is_noticed(data: st.DataObject) -> None:
    sealed = bytearray(seal(b"secret", FILE_KEY, b"label"))
    with pytest.raises(NotAuthentic):
        open_sealed(bytes(sealed), FILE_KEY, b"another")
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises((NotAuthentic, InvalidInput)):
        open_sealed(bytes(sealed), FILE_KEY, b"label")


def test_sealing_twice_gives_different_bytes() -> None:
    assert seal(b"x", FILE_KEY, b"l") != seal(b"x", FILE_KEY, b"l")


def test_weak_keys_and_other_files_are_refused() -> None:
    with pytest.raises(InvalidInput, match="8 characters"):
        SealKey.from_passphrase("short")
    with pytest.raises(InvalidInput, match="32 bytes"):
        SealKey.from_file_bytes(b"x" * 31)
    for wrong in (b"", b"SHSEAL1\n", b"another file altogether, long enough to be one, surely, by now"):
        with pytest.raises(InvalidInput):
            open_sealed(wrong, FILE_KEY, b"label")


def test_a_seal_key_cannot_be_printed_or_copied() -> None:
    key = SealKey.from_passphrase("do not print me")
    assert "do not print me" not in f"{key!r} {key}"
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy, json.dumps, vars):
        with pytest.raises(TypeError):
            attempt(key)
