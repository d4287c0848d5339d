"""Before a run counts as finished: the ledger that its receipts are of, cosigned by the contract's witnesses.

A receipt is good against a bureau that rewrites its ledger, and not against one that keeps a ledger for each bank: both
are consistent. Witnesses see one ledger. So a run's receipts are taken provisionally, and the run ends only when the
bureau shows a checkpoint that continues the tree of each of them and that a quorum has cosigned. That takes witnesses a
moment; after ``RetryPolicy.cosigned`` the run stops unfinished, and the same command goes on with it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from lab.bank.connection.client import RetryPolicy
from lab.bank.contract.ledger_witness import LedgerWitness
from lab.terms.contract.document import Contract
from lab.terms.errors import InvalidInput, NotAuthentic, NotFound, Unreachable
from lab.terms.ledger.receipt import Receipt
from lab.terms.ledger.tree import Proof, SignedTreeHead
from lab.terms.progress import SILENT, Progress
from lab.terms.witnessing.checkpoint import SignedCheckpoint
from lab.terms.witnessing.cosignature import Cosignature, check_quorum
from lab.terms.witnessing.cosignature_evidence import CosignatureEvidence, check_head_included
from lab.terms.witnessing.quorum import WitnessQuorum

_FIRST_WAIT, _LONGEST_WAIT = 0.25, 5.0


class LedgerRoutes(Protocol):
    """What an outlet offers of the bureau's ledger."""

    retry_policy: RetryPolicy

    def ledger_checkpoint(self, covering: int, witnesses: Sequence[str]) -> bytes:
        """A signed checkpoint of at least ``covering`` entries; raises ``NotFound`` while there is none."""

    def ledger_consistency(self, first: int, second: int) -> Proof:
        """The proof that the ledger of ``second`` entries continues that of ``first``."""


def await_cosigned_checkpoint(
    routes: LedgerRoutes,
    contract: Contract,
    receipts: Sequence[dict[str, Any]],
    witness: LedgerWitness,
    *,
    progress: Progress = SILENT,
) -> CosignatureEvidence | None:
    """The cosigned checkpoint that covers all ``receipts``, which were checked before, or without any the newest head
    that the bureau has shown; None if the contract names no witnesses, or nothing was shown. ``witness`` keeps it, to
    be shown to others.

    Raises ``Unreachable`` when the quorum is not there in time, saying who is missing; ``NotAuthentic`` for a quorum on
    a checkpoint that does not continue a receipt's tree: the bureau has two ledgers.
    """
    terms = contract.witnesses
    if terms is None:
        return None
    heads = {(head.size, head.root): head for head in (Receipt.read(one).head for one in receipts)}
    kept = witness.stored_head()
    if not heads and kept is not None:
        # What a run uses may be kept from one that did not end: its receipts are of trees that this head continues.
        heads[(kept.size, kept.root)] = kept
    if not heads:
        return None
    newest = heads[max(heads)]
    with progress.stage("cosign", 1) as stage:
        checkpoint, found = _await_quorum(routes, contract.bureau.public_key, terms, newest)
        stage.advance()
    proofs: dict[int, Proof] = {}
    for (size, _), head in sorted(heads.items()):
        try:
            proofs[size] = {} if size == checkpoint.size else routes.ledger_consistency(size, checkpoint.size)
        except NotFound:
            proofs[size] = {}
        check_head_included(head, checkpoint, proofs[size])
    witness.store_checkpoint(checkpoint)
    return CosignatureEvidence(checkpoint, proofs, tuple(one.name for one in found), terms.quorum)


def describe_fork_detection(contract: Contract, cosigned: CosignatureEvidence | None) -> dict[str, Any]:
    """What a run's manifest says of it: the cosigned checkpoint, or that forks are not found out."""
    if contract.witnesses is None:
        return {"fork_detection": "off: the contract names no witnesses", "cosigned": None}
    if cosigned is None:
        return {"fork_detection": "nothing to cosign: no receipts", "cosigned": None}
    told = f"on: cosigned by {len(cosigned.witnesses)} of {len(contract.witnesses.parties)} witnesses"
    return {"fork_detection": told, "cosigned": cosigned.as_dict()}


def _await_quorum(
    routes: LedgerRoutes, bureau_key: str, terms: WitnessQuorum, newest: SignedTreeHead
) -> tuple[SignedCheckpoint, tuple[Cosignature, ...]]:
    keys = [party.public_key for party in terms.parties]
    until, wait = time.monotonic() + routes.retry_policy.cosigning_timeout, _FIRST_WAIT
    while True:
        try:
            checkpoint = SignedCheckpoint.parse(routes.ledger_checkpoint(newest.size, keys))
            if checkpoint.size < newest.size:
                raise NotFound(f"The bureau's checkpoint has {checkpoint.size} entries, fewer than the receipts' tree.")
            return checkpoint, check_quorum(checkpoint, terms, bureau_key, now=datetime.now(UTC), since=newest.time)
        except (NotFound, InvalidInput, NotAuthentic) as error:
            if time.monotonic() > until:
                raise Unreachable(
                    f"The run is not finished: the ledger that its receipts are of ({newest.size} entries) was not "
                    f"cosigned within {routes.retry_policy.cosigning_timeout:.0f} seconds. {error.detail}",
                    next_step="ask the bureau why; the same command goes on with the run, without new charges",
                ) from None
        time.sleep(max(min(wait, until - time.monotonic()), 0.01))
        wait = min(wait * 2, _LONGEST_WAIT)
