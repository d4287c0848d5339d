"""Statements of restorations: read strictly, proven by inclusion, and good for one loss only."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lab.terms.errors import InvalidInput, NotAuthentic
from lab.terms.ledger.restoration import (
    LEDGER_RESTORED,
    RestorationFacts,
    RestorationStatement,
    find_explanation,
    read_statements,
)
from lab.terms.ledger.tree import MerkleTree, SignedTreeHead, encode_entry, hash_leaf, head_signing_input

KEY = Ed25519PrivateKey.generate()
PUBLIC = KEY.public_key().public_bytes_raw().hex()
START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


def head_of(tree: MerkleTree, size: int, time: datetime) -> SignedTreeHead:
    root = tree.get_root(size).hex()
    return SignedTreeHead(
        size=size, root=root, time=time, signature=KEY.sign(head_signing_input(size, root, time)).hex()
    )


def state(size: int, *, at: int | None = None, time: datetime = START, **changes: Any) -> RestorationStatement:
    """A statement that ``size`` entries were kept, as entry ``at`` of a ledger (by default the next one)."""
    number = size + 1 if at is None else at
    tree = MerkleTree()
    tree.extend(hash_leaf(b"%d" % one) for one in range(1, number))
    root = tree.get_root(size).hex()
    facts = RestorationFacts(
        size=size,
        root=root,
        known_size=None,
        known_root=None,
        backup_sha256="ab" * 32,
        backup_made="2026-02-28T08:00:00+00:00",
        restorations=1,
    ).as_facts()
    body = encode_entry(number, time, LEDGER_RESTORED, None, facts | changes, "local")
    tree.extend([hash_leaf(body)])
    proof = tree.prove_inclusion(number, number).serialize()
    return RestorationStatement(json.loads(body), proof, head_of(tree, number, time))


def kept(size: int, time: datetime) -> SignedTreeHead:
    tree = MerkleTree()
    tree.extend(hash_leaf(b"old %d" % one) for one in range(size))
    return head_of(tree, size, time)


def test_a_statement_is_read_back_and_verified() -> None:
    statement = state(7)
    found = RestorationStatement.read(statement.as_dict())
    found.verify(PUBLIC)
    assert (found.entry_number, found.facts.size, found.time) == (8, 7, START)
    assert read_statements({"restorations": [statement.as_dict()]}) == (found,)
    with pytest.raises(NotAuthentic):
        found.verify("11" * 32)


def test_it_explains_what_was_shown_before_it_and_is_lost_and_nothing_else() -> None:
    statement, before, after = state(7), START - timedelta(seconds=1), START + timedelta(seconds=1)
    assert statement.explains(kept(8, before)) and statement.explains(kept(100, before))
    assert not statement.explains(kept(7, before))  # nothing of it is lost
    assert not statement.explains(kept(100, after))  # shown after it: another restoration takes another statement
    assert not statement.explains(kept(100, START))
    lost = kept(50, before)
    found = find_explanation([state(40), state(20)], lost, PUBLIC)
    assert found is not None and found.facts.size == 20
    assert find_explanation([state(60)], lost, PUBLIC) is None
    assert find_explanation([], lost, PUBLIC) is None


def test_a_statement_anywhere_but_right_after_what_was_kept_is_refused() -> None:
    late = state(7, at=9)
    with pytest.raises(NotAuthentic, match="can only be the next one"):
        late.verify(PUBLIC)
    assert find_explanation([late], kept(50, START - timedelta(days=1)), PUBLIC) is None


def test_an_altered_statement_does_not_verify() -> None:
    for name, value in (("size", 6), ("restorations", 2), ("known_size", 9)):
        body = copy.deepcopy(dict(state(7).body))
        body["facts"][name] = value
        altered = RestorationStatement(body, state(7).inclusion, state(7).head)
        with pytest.raises(NotAuthentic):
            altered.verify(PUBLIC)


@pytest.mark.parametrize("found", [None, [], {}, "x", {"restorations": "x"}, {"restorations": [{}]}])
def test_something_else_is_refused(found: object) -> None:
    with pytest.raises(InvalidInput):
        read_statements(found)


def test_a_statement_with_other_fields_is_refused() -> None:
    right = state(7).as_dict()
    for change in (
        {"schema": "shulab-restoration/2"},
        {"more": 1},
        {"inclusion": 1},
        {"entry": right["entry"] | {"kind": "ledger.exported"}},
        {"entry": right["entry"] | {"facts": right["entry"]["facts"] | {"size": "7"}}},
        {"entry": right["entry"] | {"time": "2026-03-01T08:00:00"}},
        {"entry": right["entry"] | {"time": "yesterday"}},
    ):
        with pytest.raises(InvalidInput, match="statement that it restored"):
            RestorationStatement.read(right | change)
