"""A bureau answers a matching or counting request and later denies it, or gives other values than those that its ledger
tells of: to charge for identifiers that it never answered, or to answer one bank falsely without a trace.

What stops it: the bank makes nothing of an answer without a receipt that names contract, job, key epoch, number of
identifiers, request, response and whether it was a count, in an entry that is proven to be in the ledger; it keeps the
receipt with the run.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lab.bank.matching.job_client import MatchingJobClient
from lab.bank.matching.job_lifecycle import make_receipt_handler
from lab.bank.runs.metadata import RunKind, RunMetadata
from lab.bank.runs.store import Run, open_run, run_key
from lab.terms.errors import NotAuthentic
from lab.terms.ledger.receipt import SCHEMA, MatchReceipt, verify_receipt
from lab.terms.ledger.tree import Fact, encode_entry
from protocols.matching.bureau import count_requested_elements, pack_response, read_request
from tests.support import bank_matching
from tests.support.forking_bureau import Bank, Ledger, make_bank

pytestmark = pytest.mark.threat(
    "Denied match",
    who="the bureau",
    wants="to deny later what it answered in matching, or to answer something else than its ledger says",
    stopped_by={
        "match receipt": (
            "The bank uses a response only with its receipt, proven to be in the ledger, and keeps the receipt "
            "with the run."
        ),
    },
    code=["lab.bank.matching.job_lifecycle", "lab.bank.contract.ledger_witness"],
)

CONTRACT, EPOCH = "c-test-1", 3
REQUEST = bank_matching.request(["a", "b", "c"])
ASKED = count_requested_elements(REQUEST)
RESPONSE = pack_response(bank_matching.ENGINE, read_request(bank_matching.ENGINE, REQUEST, ceiling=ASKED))


class Denying:
    """A bureau that answers as it likes and puts into its ledger what it likes: by default the truth."""

    def __init__(self, ledger: Ledger, **lies: Any) -> None:
        self.ledger, self.lies = ledger, lies
        self.retry_policy = ledger.retry_policy

    def _answer(self, contract: str, job: str, frame: bytes, counting: bool) -> tuple[bytes, dict[str, Any]]:
        facts: dict[str, Fact] = {
            "job": job,
            "identifiers": ASKED,
            "request_sha256": hashlib.sha256(frame).hexdigest(),
            "response_sha256": hashlib.sha256(RESPONSE).hexdigest(),
            "counting": counting,
            "epoch": EPOCH,
        }
        kind = self.lies.get("kind", "match.answered")
        facts |= {name: lie for name, lie in self.lies.items() if name in facts}
        seq, named = len(self.ledger.bodies) + 1, self.lies.get("contract", contract)
        self.ledger.bodies.append(encode_entry(seq, datetime.now(UTC), kind, named, facts, "bank:b"))
        proof = self.ledger.tree.prove_inclusion(seq, seq).serialize()
        receipt = {"schema": SCHEMA, "entry": json.loads(self.ledger.bodies[-1]), "inclusion": proof}
        receipt["head"] = self.ledger.head().as_dict()
        if self.lies.get("denied"):  # the entry is not in the ledger that everybody else sees
            receipt["entry"]["facts"]["identifiers"] = ASKED
            self.ledger.bodies[-1] = encode_entry(seq, datetime.now(UTC), "refused", named, {}, "bank:b")
            receipt["head"] = self.ledger.head().as_dict()
        return RESPONSE, receipt

    def match(self, contract: str, job: str, frame: bytes) -> tuple[bytes, dict[str, Any]]:
        return self._answer(contract, job, frame, False)

    def count_matches(self, contract: str, job: str, frame: bytes) -> tuple[bytes, dict[str, Any]]:
        return self._answer(contract, job, frame, True)


LIES: dict[str, dict[str, Any]] = {
    "other values": {"response_sha256": "ab" * 32},
    "another request": {"request_sha256": "ab" * 32},
    "more identifiers": {"identifiers": 300},
    "a count": {"counting": True},
    "another job": {"job": "job-of-another-day"},
    "another contract": {"contract": "c-another"},
    "another key": {"epoch": 4},
    "not in the ledger": {"denied": True},
    "another kind": {"kind": "score.answered"},
}


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    return make_bank(tmp_path, "b", Ledger())


def counterpart(bank: Bank, run: Run, **lies: Any) -> MatchingJobClient:
    take = make_receipt_handler(bank.witness, run, CONTRACT, EPOCH)
    return MatchingJobClient(Denying(bank.ledger, **lies), CONTRACT, run.id, receipt_handler=take)  # type: ignore[arg-type]


def begun(bank: Bank) -> Any:
    label = RunMetadata.for_contract(RunKind.MATCH, bank.contract, datetime.now(UTC))
    return open_run(bank.home.matches, run_key("k"), label, now=datetime.now(UTC))


@pytest.mark.without_control("match receipt")
@pytest.mark.parametrize("lie", LIES)
def test_without_receipts_the_lie_is_taken(bank: Bank, lie: str) -> None:
    lax = MatchingJobClient(Denying(bank.ledger, **LIES[lie]), CONTRACT, "job")  # type: ignore[arg-type]
    assert lax.match(REQUEST) == RESPONSE


@pytest.mark.with_control("match receipt")
@pytest.mark.parametrize("lie", LIES)
def test_no_answer_is_taken_that_the_ledger_does_not_tell_of(bank: Bank, lie: str) -> None:
    with begun(bank) as run, pytest.raises(NotAuthentic):
        counterpart(bank, run, **LIES[lie]).match(REQUEST)
    with begun(bank) as run:
        assert run.matching_receipts() == []


@pytest.mark.with_control("match receipt")
@pytest.mark.parametrize("counting", [False, True])
def test_what_is_kept_proves_the_answer_for_ever(bank: Bank, counting: bool) -> None:
    with begun(bank) as run:
        asking = counterpart(bank, run)
        ask = asking.count if counting else asking.match
        assert ask(REQUEST) == RESPONSE == ask(REQUEST)  # again: another receipt, as good as the first
        (kept,) = run.matching_receipts()
    receipt = MatchReceipt.read(kept)
    verify_receipt(receipt, bank.ledger.public)
    assert (receipt.identifiers, receipt.is_count, receipt.epoch) == (ASKED, counting, EPOCH)
    assert receipt.response_sha256 == hashlib.sha256(RESPONSE).hexdigest()
