"""Seeds of a bank that come in under two contracts at the same moment: one batch has them, whichever database."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import numpy as np
import pytest
from sqlalchemy import func, select

from lab.bureau.exchange.scoring.leakage_budget import check_fresh_ciphertexts
from lab.bureau.store import Database
from lab.bureau.store.tables import BankRow, CiphertextSeedRow
from lab.terms.errors import Conflict
from protocols.scoring.messages import ParsedBatch
from protocols.scoring.parameters import SEED_BYTES

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def head(name: str, *seeds: int) -> ParsedBatch:
    """What ``check_fresh_ciphertexts`` reads of a batch: its name and the seeds that its columns begin with."""
    columns = tuple(bytes([seed]) * SEED_BYTES + b"residues" for seed in seeds)
    return ParsedBatch(name * 64, "contract", "context", len(columns), np.zeros((1, 16), dtype=np.uint8), columns)


def test_of_two_batches_at_once_one_has_the_seed_and_the_other_is_refused(store: Database) -> None:
    with store.begin() as session:
        session.add_all(BankRow(id=one, name=one, registered_at=NOW) for one in ("bank-1", "bank-2"))
    noted = threading.Event()

    def first() -> None:
        with store.begin() as session:
            check_fresh_ciphertexts(session, "bank-1", head("a", 1, 2, 3))
            noted.set()
            threading.Event().wait(0.5)  # the other is at the table's key, or at SQLite's lock, when this one commits

    def second() -> None:
        noted.wait(20)
        with store.begin() as session:
            check_fresh_ciphertexts(session, "bank-1", head("b", 9, 3, 4))

    with ThreadPoolExecutor(2) as threads:
        began, came = threads.submit(first), threads.submit(second)
        began.result()
        with pytest.raises(Conflict, match="seeds were seen before"):
            came.result()
    with store.begin() as session:
        check_fresh_ciphertexts(session, "bank-1", head("a", 1, 2, 3))  # the same batch is no repeat of itself
        check_fresh_ciphertexts(session, "bank-2", head("c", 3, 4))  # another bank's seeds are its own
        check_fresh_ciphertexts(session, "bank-1", head("d", 4, 9))  # what the refused batch brought is not held
        assert session.scalar(select(func.count()).select_from(CiphertextSeedRow)) == 7
