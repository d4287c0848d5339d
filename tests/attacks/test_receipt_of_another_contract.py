"""The bureau gives a receipt whose entry is of another contract, so that nothing in its ledger tells of this one.

Who: the bureau. What it wants: to answer a bank under one contract, have the bank take the receipt, and be able to say
to an auditor who looks for entries of that contract that there was nothing. An entry has facts besides its own
members, and a fact may have any name: one called ``contract`` says what the bank wants to read.

What stops it: the contract that counts is the entry's own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.terms.errors import NotAuthentic
from lab.terms.ledger.receipt import Receipt
from lab.terms.ledger.tree import encode_entry
from tests.support import forking_bureau
from tests.support.forking_bureau import Ledger, make_bank

pytestmark = pytest.mark.threat(
    "Receipt of another contract",
    who="the bureau",
    wants="to give a receipt for an entry that belongs to another contract",
    stopped_by={
        "entry's contract": "The entry's own contract is compared, whatever its facts say.",
    },
    code=["lab.bank.contract.ledger_witness"],
)


def elsewhere(ledger: Ledger) -> dict[str, Any]:
    """A receipt of an entry under another contract, with a fact that names this one."""
    honest = encode_entry

    def write(seq: Any, time: Any, kind: str, contract: str, facts: Any, by: str) -> bytes:
        return honest(seq, time, kind, "c-other-9", {**facts, "contract": contract}, by)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forking_bureau, "encode_entry", write)
        return ledger.answer("b", "job")


@pytest.mark.without_control("entry's contract")
def test_where_a_fact_may_name_the_contract_the_receipt_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger()
    bank, receipt = make_bank(tmp_path, "b", ledger), elsewhere(ledger)
    named = property(lambda self: str({"contract": self.body["contract"], **self.facts}["contract"]))
    monkeypatch.setattr(Receipt, "contract", named)
    bank.take(receipt)
    assert receipt["entry"]["contract"] == "c-other-9"


@pytest.mark.with_control("entry's contract")
def test_the_entrys_own_contract_counts(tmp_path: Path) -> None:
    ledger = Ledger()
    with pytest.raises(NotAuthentic, match="does not name this job's contract"):
        make_bank(tmp_path, "b", ledger).take(elsewhere(ledger))
