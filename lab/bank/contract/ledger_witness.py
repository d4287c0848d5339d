"""The bank as a witness of the bureau's ledger: it checks every receipt, and every tree head against the one before.

The newest head that a bureau has shown is kept in the bank's folder. A bureau that rewrites its ledger, or goes back to
an earlier one, cannot prove that its next head continues the kept one; the bank then stops and has both heads as
evidence. A bureau that lost its ledger and restored it from a backup says so in a signed entry; a person at the bank
may then accept it, once (``lab.bank.contract.restoration``). A bureau that keeps a separate ledger for this bank is not
detected here; that takes the witnesses, who see what others are shown (``lab.bank.contract.checkpoint_wait``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lab.bank.contract import accepted_restorations
from lab.bank.home import BankHome
from lab.disk.private_files import read_private, replace_private
from lab.terms.errors import InvalidInput, NotAuthentic, NotFound, ShulabError
from lab.terms.keys.party import Party
from lab.terms.ledger.receipt import MATCH_ANSWERED, SCORE_ANSWERED, Receipt, verify_receipt
from lab.terms.ledger.restoration import RestorationStatement, find_explanation
from lab.terms.ledger.tree import Fact, Proof, SignedTreeHead, verify_consistency
from lab.terms.names import ModelRef
from lab.terms.witnessing.checkpoint import SignedCheckpoint

_ASK_BUREAU_HINT = "ask the bureau; run the same command again to continue"
_KEEP_EVIDENCE_HINT = "stop, and ask the bureau by another channel; both tree heads are kept in bureaus/ as evidence"


class ReceiptedExchange(Protocol):
    """An exchange that a receipt must record: its contract and job, the kind of ledger entry, the entry's facts."""

    @property
    def contract(self) -> str:
        """The contract's id."""

    @property
    def job(self) -> str:
        """The job's id."""

    @property
    def kind(self) -> str:
        """The kind of ledger entry that records the exchange."""

    def expected_facts(self) -> Mapping[str, Fact]:
        """The facts that the entry must have."""


@dataclass(frozen=True, slots=True)
class BatchExchange:
    """A batch that was scored: contract, job, model (``name@version``), number of rows, SHA-256 of the batch, reply.

    ``scored``: how many rows the reply says were scored; None: all of them.
    """

    contract: str
    job: str
    model: str
    rows: int
    batch: str
    reply: bytes
    scored: int | None = None

    @property
    def kind(self) -> str:
        """The kind of entry that records it."""
        return SCORE_ANSWERED

    def expected_facts(self) -> Mapping[str, Fact]:
        """The facts that the entry must have."""
        model = ModelRef.parse(self.model)
        return {
            "model": model.name,
            "model_version": model.version,
            "rows": self.rows,
            "scored": self.rows if self.scored is None else self.scored,
            "batch_sha256": self.batch,
            "reply_sha256": hashlib.sha256(self.reply).hexdigest(),
        }


@dataclass(frozen=True, slots=True)
class MatchExchange:
    """A matching or counting request that was answered: contract, job, epoch, number of identifiers, both frames."""

    contract: str
    job: str
    epoch: int
    identifiers: int
    request: bytes
    response: bytes
    counting: bool = False

    @property
    def kind(self) -> str:
        """The kind of entry that records it."""
        return MATCH_ANSWERED

    def expected_facts(self) -> Mapping[str, Fact]:
        """The facts that the entry must have."""
        return {
            "epoch": self.epoch,
            "identifiers": self.identifiers,
            "counting": self.counting,
            "request_sha256": hashlib.sha256(self.request).hexdigest(),
            "response_sha256": hashlib.sha256(self.response).hexdigest(),
        }


class LedgerWitness:
    """Watches the ledger of one bureau, whose key is pinned.

    ``prove(first, second)`` asks the bureau for the proof that its ledger of ``second`` entries continues that of
    ``first``; it raises ``NotFound`` when the bureau has no such ledger. ``statements()`` asks it for its statements of
    restorations.
    """

    def __init__(
        self,
        home: BankHome,
        bureau: Party,
        prove: Callable[[int, int], Proof],
        *,
        statements: Callable[[], Sequence[RestorationStatement]] = tuple,
    ) -> None:
        self._home, self._bureau, self._prove, self._statements = home, bureau, prove, statements
        self._file = home.folder / "bureaus" / f"{bureau.fingerprint}.head"

    def check_receipt(self, receipt: Mapping[str, Any], exchange: ReceiptedExchange) -> Receipt:
        """The receipt, once its signature, its proof, its facts and its ledger are checked.

        Raises ``InvalidInput`` for a malformed receipt; ``NotAuthentic`` for one that is not the bureau's, not
        proven, not about this exchange, or of another ledger than the one seen before.
        """
        found = Receipt.read(receipt)
        verify_receipt(found, self._bureau.public_key)
        if found.kind != exchange.kind:
            raise NotAuthentic("The bureau's receipt is for another kind of exchange.", next_step=_ASK_BUREAU_HINT)
        facts = {
            **found.facts,
            "contract": found.contract,
        }  # not what a fact of that name says
        for name, wanted in {"contract": exchange.contract, "job": exchange.job, **exchange.expected_facts()}.items():
            if type(facts.get(name)) is not type(wanted) or facts[name] != wanted:
                what = name.removesuffix("_sha256").replace("_", " ")
                raise NotAuthentic(f"The bureau's receipt does not name this job's {what}.", next_step=_ASK_BUREAU_HINT)
        self.advance_head(found.head)
        return found

    def advance_head(self, head: SignedTreeHead) -> None:
        """Compare a head of this bureau with the newest one kept, and keep the newer of the two.

        Responses may arrive out of order, so ``head`` may be the older. Raises ``NotAuthentic`` when one does not
        continue the other: the bureau's ledger was rewritten, or put back to an earlier state.
        """
        head.verify(self._bureau.public_key)
        kept = self.stored_head()
        if kept is not None:
            older, newer = sorted((kept, head), key=lambda one: one.size)
            try:
                proof = None if older.size == newer.size else self._prove(older.size, newer.size)
                verify_consistency(older, newer, proof)
            except (NotFound, NotAuthentic):
                self._keep(head, self._file.with_suffix(".contradiction"))
                self._report_restoration(kept)
                raise NotAuthentic(
                    f"The bureau's ledger was rewritten: its tree heads of {older.size} and {newer.size} entries "
                    "belong to two histories.",
                    next_step=_KEEP_EVIDENCE_HINT,
                ) from None
        if kept is None or head.size > kept.size:
            self._keep(head, self._file)

    def is_lost(self, head: SignedTreeHead) -> bool:
        """Whether this head is of a ledger that the bureau lost, as a person at the bank has accepted."""
        return accepted_restorations.is_lost(self._home, self._bureau, head)

    def replace_head(self, head: SignedTreeHead) -> None:
        """Go on from this head, which a person has accepted although it does not continue the kept one
        (``lab.bank.contract.restoration``)."""
        self._keep(head, self._file)

    def _report_restoration(self, kept: SignedTreeHead) -> None:
        """Raise ``NotAuthentic`` that names what is lost if the bureau says in its ledger that it restored it."""
        try:
            found = find_explanation(self._statements(), kept, self._bureau.public_key)
        except ShulabError:
            return  # no answer, or not a list of statements: nothing is explained
        if found is not None:
            raise NotAuthentic(
                f"The bureau restored its ledger from a backup, as it states in entry {found.entry_number}: entries "
                f"{found.facts.size + 1} to {kept.size}, which it showed this bank, are lost.",
                next_step="ask the bureau by another channel why; then accept it once with "
                "`lab bank heads accept-restoration`, which shows what is lost first",
            )

    def stored_head(self) -> SignedTreeHead | None:
        """The newest head that this bureau has shown, or None; raises ``InvalidInput`` for a damaged file."""
        if not self._file.exists():
            return None
        try:
            head = SignedTreeHead.read(read_private(self._file))
            head.verify(self._bureau.public_key)
        except (InvalidInput, NotAuthentic):
            raise InvalidInput(
                f"Expected a tree head of this bureau in {self._file.name}; found something else.",
                next_step="restore the file from a backup; without it an old ledger would pass as the current one",
            ) from None
        return head

    def store_checkpoint(self, checkpoint: SignedCheckpoint) -> None:
        """Store the newest cosigned checkpoint, to be shown to others."""
        replace_private(self._file.with_suffix(".checkpoint"), str(checkpoint).encode())

    def stored_checkpoint(self) -> SignedCheckpoint | None:
        """The stored cosigned checkpoint, or None; raises ``InvalidInput`` for a damaged file."""
        path = self._file.with_suffix(".checkpoint")
        return SignedCheckpoint.parse(read_private(path)) if path.exists() else None

    def _keep(self, head: SignedTreeHead, file: Path) -> None:
        replace_private(file, head.to_json())


def stored_heads(home: BankHome) -> list[tuple[Party, SignedTreeHead, str | None]]:
    """Each pinned bureau that has shown a head: the newest head, and the last cosigned checkpoint, if any."""
    found = []
    for pin in home.pins():
        witness = LedgerWitness(home, pin.bureau, _no_proof)
        head, checkpoint = witness.stored_head(), witness.stored_checkpoint()
        if head is not None:
            found.append((pin.bureau, head, None if checkpoint is None else str(checkpoint)))
    return found


def _no_proof(first: int, second: int) -> Proof:
    raise NotFound("Nobody is asked for a proof here.")
