"""Whatever an attacker without the bureau's key does to an export, the first line that is not the bureau's is named."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.terms.ledger.export import verify_export
from lab.terms.ledger.tampering import LedgerFault, LedgerFaultKind
from lab.terms.ledger.tree import (
    MerkleTree,
    SignedTreeHead,
    encode_entry,
    hash_leaf,
    verify_consistency,
    verify_inclusion,
)
from tests.support import rfc9162
from tests.support.tampered_exports import NOW, PUBLIC, Export, head_over, make_export

GOOD = make_export(lambda number: 1 if number < 40 else 0)
COUNT = len(GOOD.entries)
PLACES = st.integers(1, COUNT)
EDITS = st.one_of(
    st.tuples(st.just("flip"), PLACES, st.integers(0, 150)),
    st.tuples(st.just("drop"), PLACES, st.just(0)),
    st.tuples(st.just("swap"), PLACES, PLACES),
    st.tuples(st.just("move"), PLACES, PLACES),
    st.tuples(st.just("copy"), PLACES, PLACES),
    st.tuples(st.just("forge"), PLACES, st.just(0)),
    st.tuples(st.just("renumber"), PLACES, st.just(0)),
    st.tuples(st.just("heads"), PLACES, st.just(0)),
)


def edit(export: Export, what: str, place: int, other: int) -> None:
    place, other = min(place, len(export.entries)), min(other, len(export.entries))
    lines = export.entries
    if what == "heads":
        export.drop_heads(place)
    elif not lines:
        return
    elif what == "flip":
        export.flip(place, min(other, len(export.body(place)) - 1))
    elif what == "drop":
        del lines[place - 1]
    elif what == "swap":
        lines[place - 1], lines[max(other, 1) - 1] = lines[max(other, 1) - 1], lines[place - 1]
    elif what == "move":
        lines.insert(max(other, 1) - 1, lines.pop(place - 1))
    elif what == "copy":
        lines.insert(place - 1, lines[max(other, 1) - 1])
    elif what == "forge":
        lines.insert(place - 1, export.forge(place))
    elif what == "renumber":
        export.renumber(place)


@settings(max_examples=150, deadline=None)
@given(edits=st.lists(EDITS, min_size=1, max_size=4))
def test_the_first_line_that_is_not_the_bureaus_is_named(edits: list[tuple[str, int, int]]) -> None:
    export = GOOD.copy()
    for what, place, other in edits:
        edit(export, what, place, other)
    pairs = zip(export.entries, GOOD.entries, strict=False)
    same = next((place for place, pair in enumerate(pairs, start=1) if pair[0] != pair[1]), None)
    first = same or (None if export.entries == GOOD.entries else min(len(export.entries), COUNT) + 1)
    covered = any(SignedTreeHead.read(line).size == len(export.entries) for line in export.heads)
    with tempfile.TemporaryDirectory() as folder:
        path = export.write(Path(folder) / "export.jsonl")
        held = [SignedTreeHead.read(GOOD.heads[-1])]
        if first is None:
            if covered:
                assert verify_export(path, PUBLIC, known_heads=held).size == COUNT
                return
            first = COUNT + 1
        with pytest.raises(LedgerFault) as raised:
            verify_export(path, PUBLIC, known_heads=held)
    assert raised.value.entry == first
    assert raised.value.kind in (
        LedgerFaultKind.ALTERED,
        LedgerFaultKind.DROPPED,
        LedgerFaultKind.REORDERED,
        LedgerFaultKind.INSERTED,
    )


@settings(max_examples=60, deadline=None)
@given(sizes=st.tuples(st.integers(1, 300), st.integers(1, 300)), place=st.integers(1, 300), salt=st.binary(max_size=4))
def test_proofs_hold_for_the_true_tree_alone(sizes: tuple[int, int], place: int, salt: bytes) -> None:
    first, second = sorted(sizes)
    place = min(place, second)
    bodies = [encode_entry(seq, NOW, "refused", salt.hex(), {}, "bureau") for seq in range(1, second + 1)]
    tree, other = MerkleTree(), MerkleTree()
    tree.extend(map(hash_leaf, bodies))
    changed = [*bodies[: place - 1], bodies[place - 1] + b" ", *bodies[place:]]
    other.extend(map(hash_leaf, changed))
    assert tree.get_root() == rfc9162.root(bodies)
    proof = tree.prove_inclusion(place, second).serialize()
    verify_inclusion(bodies[place - 1], place, head_over(tree, second), proof)
    for wrong in ((changed[place - 1], head_over(tree, second)), (bodies[place - 1], head_over(other, second))):
        with pytest.raises(Exception, match="does not show"):
            verify_inclusion(wrong[0], place, wrong[1], proof)
    consistent = tree.prove_consistency(first, second).serialize()
    verify_consistency(head_over(tree, first), head_over(tree, second), consistent)
    with pytest.raises(Exception, match="rewritten"):
        verify_consistency(head_over(tree, first), head_over(other, second), consistent)
    if place <= first:
        with pytest.raises(Exception, match="rewritten"):
            forged = other.prove_consistency(first, second).serialize()
            verify_consistency(head_over(tree, first), head_over(other, second), forged)
