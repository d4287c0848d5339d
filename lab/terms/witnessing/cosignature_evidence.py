"""Evidence that receipts are of the ledger that witnesses cosigned: a cosigned checkpoint, and the proofs that it
continues the tree of each receipt. A bank keeps the evidence with a run. Anybody can verify it at any time with the
keys of the bureau and the witnesses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lab.terms.errors import InvalidInput, NotAuthentic
from lab.terms.ledger.tree import Proof, SignedTreeHead, verify_consistency
from lab.terms.witnessing.checkpoint import SignedCheckpoint
from lab.terms.witnessing.cosignature import Cosignature, check_quorum
from lab.terms.witnessing.quorum import WitnessQuorum

SCHEMA = "shulab-cosigned/1"
_MEMBERS = {"schema", "checkpoint", "consistency", "witnesses", "quorum"}


@dataclass(frozen=True, slots=True)
class CosignatureEvidence:
    """A checkpoint with cosignatures, and the proof from each receipt's tree to it, by the tree's size.

    ``witnesses`` and ``quorum`` record whose cosignatures counted; ``verify`` counts them again.
    """

    checkpoint: SignedCheckpoint
    proofs: Mapping[int, Proof]
    witnesses: tuple[str, ...]
    quorum: int

    def verify(
        self, heads: Sequence[SignedTreeHead], quorum: WitnessQuorum, bureau_key: str, *, now: datetime
    ) -> tuple[Cosignature, ...]:
        """The cosignatures, if they meet ``quorum`` and the checkpoint continues each of ``heads``.

        Raises ``NotAuthentic`` otherwise. The caller verifies the heads' own signatures.
        """
        since = max((head.time for head in heads), default=None)
        found = check_quorum(self.checkpoint, quorum, bureau_key, now=now, since=since)
        for head in heads:
            check_head_included(head, self.checkpoint, self.proofs.get(head.size))
        return found

    def as_dict(self) -> dict[str, Any]:
        """The evidence as a JSON object."""
        return {
            "schema": SCHEMA,
            "checkpoint": str(self.checkpoint),
            "consistency": {str(size): proof for size, proof in self.proofs.items()},
            "witnesses": list(self.witnesses),
            "quorum": self.quorum,
        }

    @classmethod
    def read(cls, found: object) -> CosignatureEvidence:
        """Read the JSON object strictly; raises ``InvalidInput``. Verifies nothing."""
        try:
            if not isinstance(found, Mapping) or set(found) != _MEMBERS or found["schema"] != SCHEMA:
                raise ValueError
            proofs = {int(size): dict(proof) for size, proof in found["consistency"].items()}
            witnesses = tuple(str(name) for name in found["witnesses"])
            return cls(SignedCheckpoint.parse(found["checkpoint"].encode()), proofs, witnesses, int(found["quorum"]))
        except (ValueError, TypeError, AttributeError):
            raise InvalidInput(
                f"Expected a cosigned checkpoint of a run ({SCHEMA}); found something else.",
                next_step="take the run's manifest.json as the bank wrote it",
            ) from None


def check_head_included(head: SignedTreeHead, checkpoint: SignedCheckpoint, proof: Proof | None) -> None:
    """Raise ``NotAuthentic`` unless ``checkpoint`` continues the tree of ``head``."""
    if head.size <= checkpoint.size:
        try:
            verify_consistency(head, checkpoint, proof)
        except NotAuthentic:
            pass
        else:
            return
    raise NotAuthentic(
        f"The bureau has two ledgers: the one that its witnesses cosigned ({checkpoint.size} entries) does not "
        f"continue the one of this receipt ({head.size} entries).",
        next_step="stop; keep both as evidence, and show them to the witnesses and to an auditor",
    )
