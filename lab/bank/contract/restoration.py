"""Accepting that a bureau restored its ledger: what a person at the bank sees, and what the bank keeps of it.

A statement of the bureau (``lab.terms.ledger.restoration``) explains a ledger that does not continue the one that the
bank saw. Before a person may accept it, the bank checks that nothing older was changed under its cover: the new ledger
has to continue every earlier head that the bank has, in the receipts of its runs. Afterwards it keeps the lost head,
the statement, and the list of its receipts for lost entries. The receipts stay in their runs: they are the bureau's
signed word that it answered, whatever its ledger says now.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lab.bank.contract.accepted_restorations import record_acceptance
from lab.bank.contract.ledger_witness import LedgerWitness
from lab.bank.home import BankHome
from lab.terms.errors import InvalidInput, NotAuthentic, NotFound
from lab.terms.keys.party import Party
from lab.terms.ledger.receipt import Receipt, verify_receipt
from lab.terms.ledger.restoration import RestorationStatement, find_explanation
from lab.terms.ledger.tree import Proof, SignedTreeHead, verify_consistency


class LedgerStateRoutes(Protocol):
    """The public routes to a bureau's ledger."""

    def ledger_head(self) -> SignedTreeHead:
        """The newest signed head."""

    def ledger_consistency(self, first: int, second: int) -> Proof:
        """The proof that the ledger of ``second`` entries continues that of ``first``."""

    def ledger_restorations(self) -> Sequence[RestorationStatement]:
        """The bureau's statements of restorations."""


@dataclass(frozen=True, slots=True)
class LostReceipt:
    """A receipt of the bank for an entry that the bureau lost: the run it is in, and the entry."""

    run: str
    entry: int
    kind: str
    contract: str
    time: str


@dataclass(frozen=True, slots=True)
class LedgerRestoration:
    """What a person decides about: the statement, the head that the bank had kept, the bureau's head now, and the
    bank's receipts for entries that are lost."""

    statement: RestorationStatement
    lost_head: SignedTreeHead
    new_head: SignedTreeHead
    receipts: tuple[LostReceipt, ...]

    @property
    def first_lost(self) -> int:
        """The number of the first lost entry."""
        return self.statement.facts.size + 1

    @property
    def last_lost(self) -> int:
        """The number of the last entry that the bank knows to be lost."""
        return self.lost_head.size

    def as_dict(self) -> dict[str, Any]:
        """The record that the bank keeps."""
        return {
            "statement": self.statement.as_dict(),
            "lost_head": self.lost_head.as_dict(),
            "new_head": self.new_head.as_dict(),
            "lost_entries": [self.first_lost, self.last_lost],
            "receipts": [
                {"run": one.run, "entry": one.entry, "kind": one.kind, "contract": one.contract, "time": one.time}
                for one in self.receipts
            ],
        }


def find_restoration(home: BankHome, bureau: Party, routes: LedgerStateRoutes) -> LedgerRestoration | None:
    """The restoration that explains the bureau's present ledger, checked; None if its ledger continues what it showed.

    Raises ``NotAuthentic`` if the ledger does not, and no statement explains it, or if it does not continue an earlier
    head of a receipt either: that is no restoration but another history. Raises ``NotFound`` if no head is kept.
    """
    witness = LedgerWitness(home, bureau, routes.ledger_consistency)
    kept = witness.stored_head()
    if kept is None:
        raise NotFound("This bureau has shown no tree head yet, so there is nothing to accept.", next_step="go on")
    new = routes.ledger_head()
    new.verify(bureau.public_key)
    if _continues(routes, kept, new):
        return None
    statement = find_explanation(routes.ledger_restorations(), kept, bureau.public_key)
    if statement is None:
        raise NotAuthentic(
            f"The bureau's ledger does not continue the {kept.size} entries that it showed, and no statement in it "
            "says why.",
            next_step="stop, and ask the bureau by another channel; the heads in bureaus/ are evidence",
        )
    receipts = list(_receipts(home, bureau))
    for head in (new, _newest_before(receipts, statement)):
        if head is not None and not _agree(routes, head, statement.head):
            raise NotAuthentic(
                f"The bureau says that it kept {statement.facts.size} entries, but its ledger does not continue its "
                f"own head of {head.size}.",
                next_step="this is no restoration: keep the heads in bureaus/ and the receipts as evidence",
            )
    return LedgerRestoration(statement, kept, new, _lost(receipts, statement))


def accept_restoration(home: BankHome, bureau: Party, found: LedgerRestoration) -> None:
    """Record the restoration, which a person has accepted, and go on from the bureau's present head."""
    record_acceptance(home, bureau, found.as_dict())  # first, so that the lost head is never forgotten
    LedgerWitness(home, bureau, _no_proof).replace_head(found.new_head)


def _continues(routes: LedgerStateRoutes, older: SignedTreeHead, newer: SignedTreeHead) -> bool:
    if older.size > newer.size:
        return False
    return _agree(routes, older, newer)


def _agree(routes: LedgerStateRoutes, one: SignedTreeHead, other: SignedTreeHead) -> bool:
    """Whether two heads are of one history."""
    first, second = sorted((one, other), key=lambda head: head.size)
    try:
        proof = None if first.size == second.size else routes.ledger_consistency(first.size, second.size)
        verify_consistency(first, second, proof)
    except (NotFound, NotAuthentic):
        return False
    return True


def _receipts(home: BankHome, bureau: Party) -> Iterator[tuple[str, Receipt]]:
    """Every receipt of the bureau in the bank's runs, finished or not, with the run's name."""
    for folder in sorted([*home.runs.glob("*"), *home.matches.glob("*")]):
        for found in _receipts_of_run(folder):
            try:
                receipt: Receipt = Receipt.read(found)
                verify_receipt(receipt, bureau.public_key)
            except (InvalidInput, NotAuthentic):
                continue  # another bureau's, or of a former version
            yield folder.name, receipt


def _receipts_of_run(folder: Path) -> Iterator[object]:
    manifest = folder / "manifest.json"
    try:
        if manifest.is_file():
            facts = json.loads(manifest.read_bytes())
            yield from [*facts.get("receipts", ()), *facts.get("match_receipts", ())]
        else:
            for path in sorted(folder.glob("*.receipt.json")):
                yield json.loads(path.read_bytes())
    except (ValueError, AttributeError, TypeError):
        return


def _newest_before(receipts: Sequence[tuple[str, Receipt]], statement: RestorationStatement) -> SignedTreeHead | None:
    """The largest head among the receipts that the restored ledger has to continue. Earlier ones were compared with it
    when they came."""
    heads = [receipt.head for _, receipt in receipts if receipt.head.size <= statement.facts.size]
    return max(heads, key=lambda head: head.size, default=None)


def _lost(receipts: Sequence[tuple[str, Receipt]], statement: RestorationStatement) -> tuple[LostReceipt, ...]:
    return tuple(
        LostReceipt(run, one.entry_number, one.kind, one.contract, str(one.body["time"]))
        for run, one in receipts
        if one.entry_number > statement.facts.size and one.head.time < statement.time
    )


def _no_proof(first: int, second: int) -> Proof:
    raise NotFound("Nobody is asked for a proof here.")
