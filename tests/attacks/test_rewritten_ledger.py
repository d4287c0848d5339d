"""The bureau rewrites its ledger: an entry that a bank or an enterprise would hold against it says something else now.

It has its own signing key and its own database, so every entry it rewrites is signed and every head verifies. What
stops it: the heads that banks and auditors keep: the bank holds each new head against the one it has, and an
auditor's check of an export holds the entries against every head.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import rfc8785

from lab.bank.contract import ledger_witness as bank_witness
from lab.bank.contract.ledger_witness import LedgerWitness
from lab.bank.home import BankHome
from lab.terms.errors import NotAuthentic
from lab.terms.ledger import export as ledger_export
from lab.terms.ledger.export import verify_export
from lab.terms.ledger.tampering import LedgerFault, LedgerFaultKind
from lab.terms.ledger.tree import entry_signing_input
from tests.support.tampered_exports import KEY, PUBLIC, make_export
from tests.unit.lab.bank.contract.test_ledger_witness import BUREAU, EXCHANGE, Ledger

pytestmark = pytest.mark.threat(
    "Rewritten ledger",
    who="the bureau",
    wants="to change an entry of its own ledger afterwards",
    stopped_by={
        "bank's head": "A bank compares each signed head with the last one that it kept.",
        "auditor's heads": "An auditor compares an export with every head; entries are signed one by one.",
    },
    shipped="a head every 256 entries (`head_entries`) or 60 seconds, and with each receipt",
    code=["lab.bureau.ledger", "lab.terms.ledger.export", "lab.bank.contract.ledger_witness"],
)


def show_the_bank(folder: Path) -> int:
    """The bank follows six receipts; the bureau rewrites the second entry; how many entries the bank believes then."""
    home, _ = BankHome.create(folder / "bank", name="某银行", key_file=folder / "seal.key")
    ledger = Ledger()
    witness = LedgerWitness(home, BUREAU, ledger.prove)
    for _ in range(6):
        witness.check_receipt(ledger.receipt(ledger.add()), EXCHANGE)
    ledger.bodies[1] = ledger.bodies[1].replace(b'"rows":5', b'"rows":9')
    witness.check_receipt(ledger.receipt(ledger.add()), EXCHANGE)
    kept = witness.stored_head()
    return kept.size if kept is not None else 0


@pytest.mark.without_control("bank's head")
def test_without_the_former_head_the_bank_believes_the_new_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bank_witness, "verify_consistency", lambda *_: None)
    assert show_the_bank(tmp_path) == 7


@pytest.mark.with_control("bank's head")
def test_the_bank_stops_and_has_both_heads(tmp_path: Path) -> None:
    with pytest.raises(NotAuthentic, match="rewritten"):
        show_the_bank(tmp_path)
    assert sorted(path.suffix for path in (tmp_path / "bank" / "bureaus").iterdir()) == [".contradiction", ".head"]


def show_the_auditor(folder: Path) -> int:
    """An export in which the bureau has written one entry anew and signed it; how many entries the auditor verifies."""
    export = make_export()
    body = json.loads(export.body(20))
    body["facts"]["number"] = 99
    fresh = rfc8785.dumps(body)
    export.replace(20, fresh, KEY.sign(entry_signing_input(fresh)).hex())
    return verify_export(export.write(folder / "export.jsonl"), PUBLIC).size


@pytest.mark.without_control("auditor's heads")
def test_without_the_heads_the_auditor_verifies_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signatures of single entries alone, as a log without a tree has them."""
    monkeypatch.setattr(ledger_export, "_check_heads", lambda tree, heads, key: (len(tree), None))
    assert show_the_auditor(tmp_path) > 20


@pytest.mark.with_control("auditor's heads")
def test_the_auditor_is_told_that_there_are_two_histories(tmp_path: Path) -> None:
    with pytest.raises(LedgerFault) as found:
        show_the_auditor(tmp_path)
    assert found.value.kind is LedgerFaultKind.REWRITTEN
