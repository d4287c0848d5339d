"""The bureau's side of its witnesses: the requests for them, and their cosignatures, stored beside the heads.

The settings name the witnesses that the bureau asks. Whose cosignatures count is another matter: a contract names
witnesses and keys, and the bank counts those (``lab.terms.witnessing.cosignature``). The service does the HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from lab.bureau.configuration.settings import WitnessSetting
from lab.bureau.ledger.log import Ledger
from lab.bureau.store import Database
from lab.bureau.store.tables import CosignatureRow
from lab.terms.errors import NotAuthentic, NotFound
from lab.terms.ledger.tree import SignedTreeHead
from lab.terms.witnessing.checkpoint import SignedCheckpoint, sign_checkpoint
from lab.terms.witnessing.consistency_proof import AddCheckpointRequest
from lab.terms.witnessing.cosignature import CLOCK_TOLERANCE, Cosignature, read_cosignature
from lab.terms.witnessing.signed_note import MAX_SIGNATURES, NoteKey, NoteSignature


class CosigningService:
    """Checkpoints of one bureau's ledger and the cosignatures on them. Safe to use from several threads."""

    def __init__(
        self,
        store: Database,
        ledger: Ledger,
        bureau_key: str,
        sign: Callable[[bytes], bytes],
        witnesses: Sequence[WitnessSetting],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store, self._ledger, self._key, self._sign, self._now = store, ledger, bureau_key, sign, clock
        self.witnesses = tuple(witnesses)

    def last_cosigned_size(self, witness: NoteKey) -> int:
        """The size of the newest head with a stored cosignature of this witness; 0 for none."""
        query = select(func.max(CosignatureRow.size)).where(CosignatureRow.public_key == witness.public_key)
        with self._store.begin_read() as session:
            return session.scalar(query) or 0

    def witness_lag(self) -> int:
        """How many entries of the newest head the witness that is furthest behind has not cosigned."""
        newest = self._ledger.newest_head()
        if newest is None or not self.witnesses:
            return 0
        return newest.size - min(self.last_cosigned_size(witness.verifier_key) for witness in self.witnesses)

    def make_request(self, head: SignedTreeHead, old: int) -> AddCheckpointRequest:
        """The request to a witness that has cosigned ``old`` entries to cosign ``head``; raises ``NotFound`` if it has
        cosigned more."""
        return AddCheckpointRequest(old, self._ledger.consistency_hashes(old, head.size), self._signed(head))

    def save_cosignature(self, witness: NoteKey, head: SignedTreeHead, lines: Iterable[NoteSignature]) -> Cosignature:
        """Store the witness's cosignature of ``head`` from these lines; other lines are ignored.

        Raises ``NotAuthentic`` if it is missing, does not verify, or has a time in the future.
        """
        checkpoint = self._signed(head)
        for line in lines:
            if line.claims_key(witness):
                found = read_cosignature(witness, line, checkpoint.note.text)
                if found.time <= self._now() + CLOCK_TOLERANCE:
                    self._store_line(head.size, found, str(line))
                    return found
        raise NotAuthentic(
            f"Expected a cosignature of witness {witness.name} in its response; found none in time.",
            next_step="compare its verifier key and its clock with `witnesses` in the settings",
        )

    def checkpoint(self, covering: int = 0, keys: Sequence[str] = ()) -> SignedCheckpoint:
        """The newest checkpoint of at least ``covering`` entries with the most cosignatures by ``keys`` (hexadecimal;
        empty: by any). Without cosignatures, the checkpoint of the newest head.

        Raises ``NotFound`` when no head is that large.
        """
        counted = select(CosignatureRow.size).where(CosignatureRow.size >= covering).group_by(CosignatureRow.size)
        if keys:
            counted = counted.where(CosignatureRow.public_key.in_(keys))
        best = counted.order_by(func.count().desc(), CosignatureRow.size.desc()).limit(1)
        with self._store.begin_read() as session:
            size = session.scalar(best)
            query = select(CosignatureRow.line).where(CosignatureRow.size == size).order_by(CosignatureRow.public_key)
            lines = [] if size is None else list(session.scalars(query.limit(MAX_SIGNATURES - 1)))
        head = self._ledger.head(size)
        if head.size < covering:
            raise NotFound(
                f"No tree head of {covering} entries was signed yet; the newest is of {head.size}.",
                next_step="ask again in a moment",
            )
        return self._signed(head).with_signatures(tuple(NoteSignature.parse(line) for line in lines))

    def newest_head(self) -> SignedTreeHead | None:
        """The newest head that was signed, or None."""
        return self._ledger.newest_head()

    def _signed(self, head: SignedTreeHead) -> SignedCheckpoint:
        return sign_checkpoint(self._key, self._sign, head.size, head.root)

    def _store_line(self, size: int, found: Cosignature, line: str) -> None:
        row = CosignatureRow(size=size, public_key=found.public_key, name=found.name, line=line, time=found.time)
        try:
            with self._store.begin() as session:
                if session.get(CosignatureRow, (size, found.public_key)) is None:
                    session.add(row)
        except IntegrityError:
            pass  # another process stored it just now
