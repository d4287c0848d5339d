"""Before a run is finished: waits until the contract's witnesses have cosigned the ledger of its receipts.

A receipt protects against a bureau that rewrites its ledger. It does not protect against a bureau that keeps one ledger
for each bank, because each is consistent; but witnesses see only one. So a run's receipts are provisional until the
bureau shows a checkpoint that continues the tree of each receipt and that a quorum has cosigned. If that takes longer
than ``RetryPolicy.cosigning_timeout``, the run stops unfinished, and the same command resumes it.
"""

from __future__ import annotations

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
from lab.transport.back_off import BackOff

_LONGEST_WAIT = 5.0


class LedgerRoutes(Protocol):
    """The routes to the bureau's ledger."""

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
    """The cosigned checkpoint that covers all ``receipts``, which were checked before; ``witness`` stores it.

    Without receipts it covers the newest head that the bureau has shown. None if the contract names no witnesses, or
    if there is no head either. Raises ``Unreachable``, naming the missing witnesses, if there is no quorum in time, and
    ``NotAuthentic`` for a quorum on a checkpoint that does not continue a receipt's tree: the bureau has two ledgers.
    """
    quorum = contract.witnesses
    if quorum is None:
        return None
    heads = _heads_to_cover(receipts, witness)
    if not heads:
        return None
    newest = heads[max(heads)]
    with progress.stage("cosign", 1) as stage:
        checkpoint, found = _await_quorum(routes, contract.bureau.public_key, quorum, newest)
        stage.advance()
    proofs: dict[int, Proof] = {}
    for (size, _), head in sorted(heads.items()):
        try:
            proofs[size] = {} if size == checkpoint.size else routes.ledger_consistency(size, checkpoint.size)
        except NotFound:
            proofs[size] = {}
        check_head_included(head, checkpoint, proofs[size])
    witness.store_checkpoint(checkpoint)
    return CosignatureEvidence(checkpoint, proofs, tuple(one.name for one in found), quorum.quorum)


def _heads_to_cover(
    receipts: Sequence[dict[str, Any]], witness: LedgerWitness
) -> dict[tuple[int, str], SignedTreeHead]:
    """The heads of the receipts, by size and root; without receipts, the newest head that was shown.

    A ledger that was lost, as the bank has accepted, cannot be cosigned any more: its receipts stand for themselves.
    """
    heads = [head for one in receipts if not witness.is_lost(head := Receipt.read(one).head)]
    stored = witness.stored_head()
    if not heads and stored is not None:
        # A run may use what an unfinished run paid for; this head continues the trees of that run's receipts.
        heads.append(stored)
    return {(head.size, head.root): head for head in heads}


def describe_fork_detection(contract: Contract, cosigned: CosignatureEvidence | None) -> dict[str, Any]:
    """The manifest's part on forks: the cosigned checkpoint, or why forks are not detected."""
    if contract.witnesses is None:
        return {"fork_detection": "off: the contract names no witnesses", "cosigned": None}
    if cosigned is None:
        return {"fork_detection": "nothing to cosign: no receipts", "cosigned": None}
    state = f"on: cosigned by {len(cosigned.witnesses)} of {len(contract.witnesses.parties)} witnesses"
    return {"fork_detection": state, "cosigned": cosigned.as_dict()}


def _await_quorum(
    routes: LedgerRoutes, bureau_key: str, quorum: WitnessQuorum, newest: SignedTreeHead
) -> tuple[SignedCheckpoint, tuple[Cosignature, ...]]:
    keys = [party.public_key for party in quorum.parties]
    timer = BackOff(longest_wait=_LONGEST_WAIT, deadline=routes.retry_policy.cosigning_timeout).start()
    while True:
        try:
            checkpoint = SignedCheckpoint.parse(routes.ledger_checkpoint(newest.size, keys))
            if checkpoint.size < newest.size:
                raise NotFound(f"The bureau's checkpoint has {checkpoint.size} entries, fewer than the receipts' tree.")
            return checkpoint, check_quorum(checkpoint, quorum, bureau_key, now=datetime.now(UTC), since=newest.time)
        except (NotFound, InvalidInput, NotAuthentic) as error:
            if timer.is_expired:
                raise Unreachable(
                    f"The run is not finished: the ledger of its receipts ({newest.size} entries) was not cosigned "
                    f"within {routes.retry_policy.cosigning_timeout:.0f} seconds. {error.detail}",
                    next_step="ask the bureau why; the same command resumes the run, without new charges",
                ) from None
        timer.sleep()
