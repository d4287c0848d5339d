"""Whoever hands an export to an auditor cuts it off where an older export ended.

The end holds what they would rather not show: a finding, an amendment. What is left is true and signed, and a head
covers its last entry. What stops it: a later head, from a receipt or another auditor; who brings none sees an older
export (`docs/security/threats.md` says so).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.terms.ledger.export import verify_export
from lab.terms.ledger.tampering import LedgerFault, LedgerFaultKind
from lab.terms.ledger.tree import SignedTreeHead
from tests.support.tampered_exports import HEAD_EVERY, PUBLIC, make_export

pytestmark = pytest.mark.threat(
    "Cut export",
    who="the bureau",
    wants="to hand an auditor an export that ends early",
    stopped_by={
        "later head": "A later head, from any receipt, shows that entries are missing.",
    },
    shipped="on if whoever verifies gives a head (`lab audit verify --head`)",
    code=["lab.terms.ledger.export"],
)


def cut(folder: Path) -> tuple[Path, SignedTreeHead]:
    """The export without its last entries, and the head that some bank has seen in a receipt."""
    export = make_export()
    later = SignedTreeHead.read(export.heads[-1])
    del export.entries[2 * HEAD_EVERY :]
    export.drop_heads(2 * HEAD_EVERY)
    return export.write(folder / "export.jsonl"), later


@pytest.mark.without_control("later head")
def test_without_a_later_head_the_cut_passes(tmp_path: Path) -> None:
    path, _ = cut(tmp_path)
    assert verify_export(path, PUBLIC).size == 2 * HEAD_EVERY


@pytest.mark.with_control("later head")
def test_with_a_receipts_head_the_cut_is_named(tmp_path: Path) -> None:
    path, later = cut(tmp_path)
    with pytest.raises(LedgerFault) as found:
        verify_export(path, PUBLIC, known_heads=[later])
    assert (found.value.kind, found.value.entry) == (LedgerFaultKind.DROPPED, 2 * HEAD_EVERY + 1)


def test_a_cut_in_the_middle_of_a_heads_entries_is_named_in_any_case(tmp_path: Path) -> None:
    export = make_export()
    del export.entries[-2:]
    if len(export.entries) % HEAD_EVERY == 0:  # not where a head was signed
        del export.entries[-1:]
    export.drop_heads(len(export.entries))
    with pytest.raises(LedgerFault):
        verify_export(export.write(tmp_path / "export.jsonl"), PUBLIC)
