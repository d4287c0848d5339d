"""What the disk lost of a batch: the database is not believed over it, and the bank does not pay for it.

A batch whose bytes are lost or damaged is taken again from the bank that sent it. A reply that is lost is made a second
time, at no charge, when the bank sends or names its batch again. Replies are random, so a second one reveals more than
the first alone: it counts a second time in the leakage budget, and beyond that it is refused. If it cannot be made, the
batch stays answered and charged, because the bank may have the first reply.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from sqlalchemy.orm import Session

from lab.bureau.exchange.access import AccessGrant
from lab.bureau.exchange.batches import BatchRepository
from lab.bureau.exchange.resources import ExchangeResources
from lab.bureau.exchange.scoring.leakage_budget import check_leakage_budget
from lab.bureau.exchange.scoring.own_faults import BureauDataFault
from lab.bureau.ledger.rate_limited_entries import check_refund_limit
from lab.disk.checked_files import DamagedFile
from lab.disk.private_files import replace_private
from lab.terms.errors import NotFound, ShulabError
from protocols.scoring.parameters import find_parameters


class LostFiles:
    """Reads the files of batches, and brings back what is lost of them. Safe to use from several threads."""

    def __init__(self, resources: ExchangeResources, batches: BatchRepository) -> None:
        self._home, self._models, self._batches = resources.home, resources.models, batches

    def read_batch(self, file: str | None, sha256: str) -> bytes:
        """The bytes of a batch; raises ``NotFound`` if they are lost or damaged."""
        path = self._home.path(file) if file is not None else None
        batch = path.read_bytes() if path is not None and path.is_file() else b""
        if hashlib.sha256(batch).hexdigest() != sha256:
            raise NotFound(
                "The bureau does not have the bytes of this batch any more.",
                next_step="send it again: it is charged once",
            )
        return batch

    def restore(self, session: Session, access: AccessGrant, sha256: str, batch: bytes, now: datetime) -> None:
        """Bring back what is lost of a charged batch, whose bytes the bank has sent again: the bytes, and the reply.

        Raises what ``reopen_reply`` raises. Call it with the contract locked.
        """
        row = self._batches.find(session, access.contract.id, access.job.id, sha256)
        file = self._batches.find_file(session, row)
        if file is not None and not self._is_intact(file, sha256):
            replace_private(self._home.path(file), batch)
        self.reopen_reply(session, access, sha256, now)

    def reopen_reply(self, session: Session, access: AccessGrant, sha256: str, now: datetime) -> None:
        """Have a batch evaluated again whose reply is lost; raises ``NotAllowed`` beyond the leakage budget, or after
        too many attempts. Call it with the contract locked."""
        lost = self._batches.find_damaged_reply(session, access.contract.id, access.job.id, sha256)
        if lost is not None:
            check_refund_limit(session, access.contract.id, now)
            # An attempt that failed has revealed nothing: its share is still there.
            spent = self.leakage_share(access) if lost.failure is None else 0.0
            check_leakage_budget(session, access, find_parameters(access.contract.parameters), spent)
            self._batches.reopen(session, lost, spent)

    def leakage_share(self, access: AccessGrant) -> float:
        """What one reply to a batch uses of the leakage budget."""
        weights = self._models.load(access.model_version).weight_counts(access.detail)
        return find_parameters(access.contract.parameters).leakage_share(weights)

    def _is_intact(self, file: str, sha256: str) -> bool:
        try:
            self.read_batch(file, sha256)
        except NotFound:
            return False
        return True


def describe_failure(error: Exception) -> dict[str, str]:
    """Why a batch was not evaluated, for its bank. The damage of a file of the bureau is not the bank's to repair."""
    if isinstance(error, DamagedFile):
        error = BureauDataFault(error.detail)
    return error.as_dict() if isinstance(error, ShulabError) else {"error": "fault"}
