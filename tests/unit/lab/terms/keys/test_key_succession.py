"""A statement of succession: signed by both keys over all it says, or worth nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lab.terms.errors import InvalidInput, NotAuthentic
from lab.terms.keys.key_succession import KeySuccession, SignedKeySuccession, parse_key_succession

OLD, NEW, OTHER = (Ed25519PrivateKey.generate() for _ in range(3))


def public(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes_raw().hex()


def stated(old: Ed25519PrivateKey = OLD, new: Ed25519PrivateKey = NEW) -> KeySuccession:
    return KeySuccession(
        bureau="ab" * 32,
        bank="b-0123456789ab",
        old_key=public(old),
        new_key=public(new),
        time=datetime(2026, 3, 1, 8, tzinfo=UTC),
    )


def signed(statement: KeySuccession, old: Ed25519PrivateKey = OLD, new: Ed25519PrivateKey = NEW) -> SignedKeySuccession:
    message = statement.signing_input()
    return SignedKeySuccession(
        statement=statement, old_signature=old.sign(message).hex(), new_signature=new.sign(message).hex()
    )


def test_both_signatures_and_a_round_trip() -> None:
    whole = signed(stated())
    whole.verify()
    again = parse_key_succession(whole.model_dump_json(by_alias=True).encode())
    again.verify()
    assert again == whole and again.statement.sha256 == stated().sha256


@pytest.mark.property(
    "Key succession",
    claim="A key is succeeded only with the signatures of both keys.",
    topic="keys and people",
    code=["lab.terms.keys.key_succession"],
)
def test_a_signature_of_another_key_is_not_enough() -> None:
    for old, new in ((OTHER, NEW), (OLD, OTHER), (NEW, OLD)):
        with pytest.raises(NotAuthentic):
            signed(stated(), old, new).verify()
    with pytest.raises(InvalidInput, match="two different keys"):
        signed(stated(OLD, OLD), OLD, OLD).verify()


@pytest.mark.parametrize(
    "changes",
    [
        {"bureau": "cd" * 32},
        {"bank": "b-ba9876543210"},
        {"old_key": public(OTHER)},
        {"new_key": public(OTHER)},
        {"time": datetime(2026, 3, 1, 9, tzinfo=UTC)},
    ],
)
def test_every_word_is_signed(changes: dict[str, object]) -> None:
    whole = signed(stated())
    with pytest.raises(NotAuthentic):
        whole.model_copy(update={"statement": whole.statement.model_copy(update=changes)}).verify()


@pytest.mark.parametrize("data", [b"", b"{}", b"[" * 5000, b'{"statement": 1}', b"x" * 10_000, b"\xff"])
def test_anything_else_is_invalid_and_not_repeated(data: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_key_succession(data)
    assert "5000" not in str(caught.value)
    with pytest.raises(InvalidInput):
        parse_key_succession(signed(stated()).model_dump_json(by_alias=True).encode()[:-1] + b', "more": 1}')
