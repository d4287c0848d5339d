"""Tampering with an exported ledger: every kind of entry flipped, dropped, swapped, copied and forged is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import rfc8785

from lab.terms.errors import InvalidInput, NotFound
from lab.terms.ledger.entry_kinds import ENTRY_KINDS
from lab.terms.ledger.export import verify_export
from lab.terms.ledger.tampering import LedgerFault, LedgerFaultKind
from lab.terms.ledger.tree import SignedTreeHead
from tests.support.tampered_exports import (
    HEAD_EVERY,
    KEY,
    PUBLIC,
    STRANGER,
    Export,
    head_over,
    make_export,
    tree_of,
)

GOOD = make_export()
COUNT = len(GOOD.entries)
EACH = [pytest.param(place, id=kind) for place, kind in enumerate(ENTRY_KINDS, start=1)]


@pytest.fixture
def export() -> Export:
    return GOOD.copy()


def fault(export: Export, path: Path, **more) -> tuple[LedgerFaultKind, int | None]:
    with pytest.raises(LedgerFault) as raised:
        verify_export(export.write(path / "export.jsonl"), PUBLIC, **more)
    found = raised.value
    assert found.as_dict()["entry"] == found.entry and found.exit_code == 6
    assert found.entry is None or str(found.entry) in found.detail
    return found.kind, found.entry


def test_what_the_bureau_wrote_is_verified(export: Export, tmp_path: Path) -> None:
    path = export.write(tmp_path / "export.jsonl")
    for quick in (False, True):
        found = verify_export(path, PUBLIC, quick=quick)
        assert (found.size, found.head_count) == (COUNT, len(export.heads))
        assert found.kind_counts == dict.fromkeys(ENTRY_KINDS, 1)
    assert found.root == tree_of(export).get_root().hex()
    assert found.first_time < found.last_time


@pytest.mark.parametrize("place", EACH)
def test_a_flipped_byte_is_named(export: Export, tmp_path: Path, place: int) -> None:
    """Every byte of the entry's body, one at a time: the first, the last, and some in between."""
    length = len(export.body(place))
    for at in {0, 1, length - 1, length // 2, *range(7, length, 41)}:
        spoiled = export.copy()
        spoiled.flip(place, at)
        assert fault(spoiled, tmp_path) == (LedgerFaultKind.ALTERED, place)


@pytest.mark.parametrize("place", EACH)
@pytest.mark.parametrize("without_heads", [False, True])
def test_an_altered_fact_with_its_hash_made_to_fit_is_named(
    export: Export, tmp_path: Path, place: int, without_heads: bool
) -> None:
    body = json.loads(export.body(place))
    body["facts"]["number"] += 1
    export.replace(place, rfc8785.dumps(body))
    if without_heads:
        export.drop_heads(place - 1)
    assert fault(export, tmp_path) == (LedgerFaultKind.ALTERED, place)


@pytest.mark.parametrize("place", EACH)
@pytest.mark.parametrize("renumbered", [False, True])
@pytest.mark.parametrize("without_heads", [False, True])
def test_a_dropped_entry_is_named(
    export: Export, tmp_path: Path, place: int, renumbered: bool, without_heads: bool
) -> None:
    if place == COUNT and without_heads:
        pytest.skip("that is an older export; see the test of held heads")
    del export.entries[place - 1]
    if renumbered:
        export.renumber(place)
    if without_heads:
        export.drop_heads(place - 1)
    assert fault(export, tmp_path) == (LedgerFaultKind.DROPPED, place)


@pytest.mark.parametrize("place", EACH[:-1])
@pytest.mark.parametrize("renumbered", [False, True])
@pytest.mark.parametrize("without_heads", [False, True])
def test_neighbours_that_changed_places_are_named(
    export: Export, tmp_path: Path, place: int, renumbered: bool, without_heads: bool
) -> None:
    lines = export.entries
    lines[place - 1], lines[place] = lines[place], lines[place - 1]
    if renumbered:
        export.renumber(place)
    if without_heads:
        export.drop_heads(place - 1)
    assert fault(export, tmp_path) == (LedgerFaultKind.REORDERED, place)


@pytest.mark.parametrize("place", EACH)
@pytest.mark.parametrize("renumbered", [False, True])
@pytest.mark.parametrize("what", ["copy of the one before", "copy of a later one", "forged"])
def test_an_inserted_entry_is_named(export: Export, tmp_path: Path, place: int, renumbered: bool, what: str) -> None:
    """Put in before entry ``place``; a copy of that very entry would stand where the entry stood."""
    lines = {
        "copy of the one before": export.entries[max(place - 2, 0)],
        "copy of a later one": export.entries[min(place + 1, COUNT) - 1],
        "forged": export.forge(place),
    }
    if what != "forged" and lines[what] == export.entries[place - 1]:
        pytest.skip("there is none")
    export.entries.insert(place - 1, lines[what])
    if renumbered:
        export.renumber(place)
    assert fault(export, tmp_path) == (LedgerFaultKind.INSERTED, place)


@pytest.mark.parametrize("place", EACH)
def test_an_entry_that_stands_twice_is_named_at_its_second_place(export: Export, tmp_path: Path, place: int) -> None:
    export.entries.insert(place, export.entries[place - 1])
    assert fault(export, tmp_path) == (LedgerFaultKind.INSERTED, place + 1)


def test_an_entry_moved_far_is_named(export: Export, tmp_path: Path) -> None:
    export.entries.insert(3, export.entries.pop(40))
    assert fault(export, tmp_path) == (LedgerFaultKind.REORDERED, 4)


def test_a_whole_tail_forged_anew_is_named_at_its_first_entry(export: Export, tmp_path: Path) -> None:
    for place in range(20, COUNT + 1):
        export.entries[place - 1] = export.forge(place)
    tree = tree_of(export)
    export.heads = [head_over(tree, COUNT, STRANGER).to_json() + b"\n"]
    assert fault(export, tmp_path) == (LedgerFaultKind.ALTERED, 20)


def test_of_many_changes_the_first_is_named(export: Export, tmp_path: Path) -> None:
    export.flip(30, 9)
    del export.entries[50]
    export.flip(12, 9)
    assert fault(export, tmp_path) == (LedgerFaultKind.ALTERED, 12)


@pytest.mark.parametrize("left", [1, HEAD_EVERY, 20, COUNT - 1])
def test_a_cut_end_is_named(export: Export, tmp_path: Path, left: int) -> None:
    held = SignedTreeHead.read(export.heads[-1])
    whole = export.copy()
    del export.entries[left:]
    assert fault(export, tmp_path) == (LedgerFaultKind.DROPPED, left + 1)
    export.drop_heads(left)
    if left == HEAD_EVERY:
        # Cut exactly where a head is: an older ledger, which only a later head unmasks.
        assert verify_export(export.write(tmp_path / "older.jsonl"), PUBLIC).size == left
    assert fault(export, tmp_path, known_heads=[held]) == (LedgerFaultKind.DROPPED, left + 1)
    assert verify_export(whole.write(tmp_path / "whole.jsonl"), PUBLIC, known_heads=[held]).size == COUNT


def test_no_heads_at_all_vouch_for_nothing(export: Export, tmp_path: Path) -> None:
    export.heads.clear()
    assert fault(export, tmp_path) == (LedgerFaultKind.DROPPED, COUNT + 1)


def test_an_altered_head_is_told_apart_from_an_altered_entry(export: Export, tmp_path: Path) -> None:
    head = SignedTreeHead.read(export.heads[0])
    export.heads[0] = head.model_copy(update={"root": "00" * 32}).to_json() + b"\n"
    assert fault(export, tmp_path) == (LedgerFaultKind.HEAD, None)
    export.heads[0] = b"{}\n"
    export.heads.reverse()
    assert fault(export, tmp_path) == (LedgerFaultKind.HEAD, None)


def test_a_bureau_that_signed_two_histories_is_found_out(export: Export, tmp_path: Path) -> None:
    """All entries are signed and all heads fit; only the head that somebody kept belongs to another ledger."""
    other = GOOD.copy()
    body = json.loads(other.body(30))
    body["facts"]["number"] = 0
    other.replace(30, rfc8785.dumps(body))
    kept = head_over(tree_of(other), 35)
    assert fault(export, tmp_path, known_heads=[kept]) == (LedgerFaultKind.REWRITTEN, None)
    forged = head_over(tree_of(other), 35, STRANGER)
    assert fault(export, tmp_path, known_heads=[forged]) == (LedgerFaultKind.HEAD, None)


def test_an_altered_signature_is_found_unless_only_the_tree_is_looked_at(export: Export, tmp_path: Path) -> None:
    line = export.entries[9]
    export.entries[9] = line[:-4] + (b'0"}\n' if line[-4:-3] != b"0" else b'1"}\n')
    assert verify_export(export.write(tmp_path / "export.jsonl"), PUBLIC, quick=True).size == COUNT
    assert fault(export, tmp_path) == (LedgerFaultKind.ALTERED, 10)


def test_other_files_and_other_bureaus(export: Export, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        verify_export(tmp_path / "none", PUBLIC)
    path = tmp_path / "other"
    for content in (b"", b"x\n", b"[]\n", b'{"schema":"shulab-ledger-export/9","bureau":{"public_key":"x"}}\n'):
        path.write_bytes(content)
        with pytest.raises(InvalidInput):
            verify_export(path, PUBLIC)
    stranger = STRANGER.public_key().public_bytes_raw().hex()
    with pytest.raises(InvalidInput, match="another bureau"):
        verify_export(export.write(path), stranger)
    export.header = export.header.replace(PUBLIC.encode(), stranger.encode())
    with pytest.raises(LedgerFault):
        verify_export(export.write(path), stranger)
    assert KEY.public_key().public_bytes_raw().hex() == PUBLIC
