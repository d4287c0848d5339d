"""Reading the ledger: signed tree heads, proofs, receipts and exports over the entries in the database.

The tree in memory (32 bytes an entry) follows the table, because other processes write entries too. Before a head is
signed, the tree is compared with the newest head in the database: a bureau whose database was altered or restored from
a backup signs nothing that contradicts what it has signed before.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lab.bureau.ledger.entries import read_entries, record
from lab.bureau.store import Database
from lab.bureau.store.tables import LedgerEntryRow, LedgerSizeRow, TreeHeadRow
from lab.terms.errors import InvalidInput, NotFound
from lab.terms.keys.party import Party
from lab.terms.ledger.entry_kinds import ENTRY_KINDS
from lab.terms.ledger.export import encode_export_entry, encode_export_header
from lab.terms.ledger.receipt import SCHEMA as RECEIPT_SCHEMA
from lab.terms.ledger.receipt import Receipt
from lab.terms.ledger.restoration import LEDGER_RESTORED, MAX_STATEMENTS, RestorationStatement
from lab.terms.ledger.tree import LEAF_BYTES, MerkleTree, Proof, SignedTreeHead, head_signing_input
from lab.terms.witnessing.consistency_proof import build_consistency_proof

_PAGE = 1000
"""Entries read at once for an export, so that no transaction stays open for a slow reader."""

AnyReceipt = TypeVar("AnyReceipt", bound=Receipt)


class Ledger:
    """The ledger of one bureau. Safe to use from several threads.

    ``sign`` signs with the bureau's Ed25519 key; ``party`` returns its name and public key.
    """

    def __init__(
        self,
        store: Database,
        party: Callable[[], Party],
        sign: Callable[[bytes], bytes],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store, self._party, self._sign, self._now = store, party, sign, clock
        self._tree = MerkleTree()
        self._lock = threading.RLock()

    def size(self) -> int:
        """The number of entries."""
        with self._store.begin_read() as session:
            return _size(session)

    def newest_head(self) -> SignedTreeHead | None:
        """The newest head that was signed, or None."""
        with self._store.begin_read() as session:
            row = _newest(session)
            return None if row is None else _head(row)

    def head(self, size: int | None = None) -> SignedTreeHead:
        """The newest signed head (signed now if there is none), or the head of ``size``; raises ``NotFound``."""
        if size is None:
            return self.newest_head() or self.sign_head()
        with self._store.begin_read() as session:
            row = session.get(TreeHeadRow, size)
        if row is None:
            raise NotFound(f"No tree head of {size} entries was signed.", next_step="ask for the newest head")
        return _head(row)

    def sign_head(self) -> SignedTreeHead:
        """Sign and store a head over all entries; if the newest head covers them all, that one is returned.

        Raises ``InvalidInput`` when the entries contradict a head that was signed before.
        """
        with self._lock:
            with self._store.begin_read() as session:
                self._follow(session)
                size, newest = len(self._tree), _newest(session)
            if newest is not None and newest.size == size:
                return _head(newest)
            root, time = self._tree.get_root(size).hex(), self._now()
            row = TreeHeadRow(
                size=size, root=root, time=time, signature=self._sign(head_signing_input(size, root, time)).hex()
            )
            try:
                with self._store.begin() as session:
                    session.add(row)
            except IntegrityError:
                return self.head(size)  # another process signed it just now
            return _head(row)

    def prove_inclusion(self, seq: int, size: int) -> Proof:
        """The proof that entry ``seq`` is in the tree of the first ``size`` entries; raises ``NotFound``."""
        with self._lock:
            self._reach(size)
            if not 1 <= seq <= size:
                raise NotFound(f"Expected an entry from 1 to {size}.", next_step="choose one of them")
            proof: Proof = self._tree.prove_inclusion(seq, size).serialize()
            return proof

    def prove_consistency(self, first: int, second: int) -> Proof:
        """The proof that the tree of the first ``second`` entries continues that of ``first``; raises ``NotFound``."""
        with self._lock:
            self._reach(second)
            if not 1 <= first <= second:
                raise NotFound(f"Expected a size from 1 to {second} to prove from.", next_step="choose one of them")
            proof: Proof = self._tree.prove_consistency(first, second).serialize()
            return proof

    def consistency_hashes(self, first: int, second: int) -> tuple[bytes, ...]:
        """The same proof as a list of hashes (RFC 6962, 2.1.2), also from the empty tree; raises ``NotFound``."""
        with self._lock:
            self._reach(second)
            if not 0 <= first <= second:
                raise NotFound(f"Expected a size from 0 to {second} to prove from.", next_step="choose one of them")
            return build_consistency_proof(self._tree.range_root, first, second)

    def entry_with_proof(self, seq: int) -> dict[str, Any]:
        """Entry ``seq`` (``entry``), its inclusion proof (``inclusion``), and the proof's head (``head``), which is
        signed now if none covers the entry.

        Call it outside of any transaction. Raises ``NotFound``.
        """
        body = self.entry(seq)
        head = self.newest_head()
        if head is None or head.size < seq:
            head = self.sign_head()
        return {"entry": body, "inclusion": self.prove_inclusion(seq, head.size), "head": head.as_dict()}

    def receipt(self, seq: int, of: type[AnyReceipt]) -> AnyReceipt:
        """The receipt of this class for entry ``seq``; see ``entry_with_proof``. Raises ``InvalidInput`` for an entry
        of another kind."""
        return of.read({"schema": RECEIPT_SCHEMA} | self.entry_with_proof(seq))

    def restorations(self) -> list[RestorationStatement]:
        """The statements of the ledger's restorations from backups with their proofs, in order; the newest
        ``MAX_STATEMENTS``. Call it outside of any transaction."""
        with self._store.begin_read() as session:
            query = select(LedgerEntryRow.seq).where(LedgerEntryRow.kind == LEDGER_RESTORED)
            found = session.scalars(query.order_by(LedgerEntryRow.seq.desc()).limit(MAX_STATEMENTS)).all()
        return [RestorationStatement.from_entry(self.entry_with_proof(seq)) for seq in reversed(found)]

    def entry(self, seq: int) -> dict[str, Any]:
        """The body of entry ``seq``; raises ``NotFound``."""
        with self._store.begin_read() as session:
            row = session.get(LedgerEntryRow, seq)
        if row is None:
            raise NotFound(f"The ledger has no entry {seq}.", next_step="see its size with `lab audit head`")
        return read_body(row)

    def entries(
        self, *, after: int = 0, kind: str | None = None, contract: str | None = None, limit: int = 100
    ) -> list[dict[str, Any]]:
        """The bodies of entries after number ``after``, in order, at most ``limit``; raises ``InvalidInput`` for an
        unknown kind."""
        if kind is not None and kind not in ENTRY_KINDS:
            raise InvalidInput(
                "Expected a kind of entry; found another word.", next_step=f"one of {', '.join(ENTRY_KINDS)}"
            )
        with self._store.begin_read() as session:
            rows = read_entries(session, after=after, kind=kind, contract=contract, limit=limit)
            return [read_body(row) for row in rows]

    def export(self, *, by: str) -> Iterator[bytes]:
        """The whole ledger as lines (see ``lab.terms.ledger.export``), with all heads; its last entry is the export.

        The entry and the head over it are written before this returns; the others are read while the caller iterates.
        """
        with self._store.begin() as session:
            record(session, "ledger.exported", None, {"entries": _size(session)}, by=by)
        return self._lines(self.sign_head())

    def _lines(self, head: SignedTreeHead) -> Iterator[bytes]:
        yield encode_export_header(self._party(), self._now())
        done = 0
        while done < head.size:
            with self._store.begin_read() as session:
                query = select(LedgerEntryRow.body, LedgerEntryRow.leaf, LedgerEntryRow.signature)
                query = query.where(LedgerEntryRow.seq > done, LedgerEntryRow.seq <= head.size).order_by(
                    LedgerEntryRow.seq
                )
                page = session.execute(query.limit(_PAGE)).all()
            if not page:
                raise InvalidInput(f"Ledger entry {done + 1} is missing.", next_step="compare with a copy")
            yield b"".join(encode_export_entry(body.encode(), leaf, signature) for body, leaf, signature in page)
            done += len(page)
        with self._store.begin_read() as session:
            query_heads = select(TreeHeadRow).where(TreeHeadRow.size <= head.size).order_by(TreeHeadRow.size)
            heads = [_head(row) for row in session.scalars(query_heads)]
        for one in heads:
            yield one.to_json() + b"\n"

    def _reach(self, size: int) -> None:
        if size > len(self._tree):
            with self._store.begin_read() as session:
                self._follow(session)
        if size > len(self._tree):
            raise NotFound(f"The ledger has {len(self._tree)} entries, not {size}.", next_step="ask for a smaller size")

    def _follow(self, session: Session) -> None:
        """Bring the tree to the present size, and compare it with the newest head.

        The head is read first: a head signed meanwhile may cover entries that this transaction does not see.
        """
        newest = _newest(session)
        size, known = _size(session), len(self._tree)
        query = select(LedgerEntryRow.seq, LedgerEntryRow.leaf).where(
            LedgerEntryRow.seq > known, LedgerEntryRow.seq <= size
        )
        leaves = bytearray()
        with session.execute(query.order_by(LedgerEntryRow.seq), execution_options={"yield_per": 10_000}) as rows:
            for seq, leaf in rows:
                if seq != known + len(leaves) // LEAF_BYTES + 1:
                    break
                leaves += bytes.fromhex(leaf)
        if size < known or known + len(leaves) // LEAF_BYTES != size:
            missing = min(size, known + len(leaves) // LEAF_BYTES) + 1
            raise InvalidInput(f"Ledger entry {missing} is missing.", next_step="compare with a copy of the database")
        self._tree.extend(bytes(leaves[at : at + LEAF_BYTES]) for at in range(0, len(leaves), LEAF_BYTES))
        if newest is not None and (newest.size > size or self._tree.get_root(newest.size).hex() != newest.root):
            self._tree = MerkleTree()  # nothing is proven from it; the next call starts anew
            raise InvalidInput(
                f"The ledger in the database is not the one whose head of {newest.size} entries was signed.",
                next_step="compare with a copy of the database, or with an export; sign nothing more until then",
            )


def read_body(row: LedgerEntryRow) -> dict[str, Any]:
    """An entry's body as a JSON object."""
    body: dict[str, Any] = json.loads(row.body)
    return body


def _size(session: Session) -> int:
    return session.execute(select(LedgerSizeRow.size)).scalar_one()


def _newest(session: Session) -> TreeHeadRow | None:
    return session.scalars(select(TreeHeadRow).order_by(TreeHeadRow.size.desc()).limit(1)).first()


def _head(row: TreeHeadRow) -> SignedTreeHead:
    return SignedTreeHead(size=row.size, root=row.root, time=row.time, signature=row.signature)
