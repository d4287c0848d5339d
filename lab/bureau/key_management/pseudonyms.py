"""Enterprises by pseudonym, under the keys that this database stands under now.

A rotation puts one more key over all others and gives every row its new pseudonym in one transaction
(``lab.bureau.data.pseudonym_rotation``). So whoever needs a pseudonym asks in the transaction in which it is compared
or written: what was worked out before may be of another number of keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.store.tables import PseudonymKeyCountRow

SINGLE_ROW_ID = 1
"""The one row of the table."""


class Pseudonymiser(Protocol):
    """Whoever gives enterprises their pseudonyms under so many keys: ``lab.bureau.key_management.keys.BureauKeys``."""

    def pseudonyms(self, codes: Sequence[str], keys: int) -> list[str]:
        """The pseudonym of each enterprise under that many keys, in the order of ``codes``."""


def count_pseudonym_keys(session: Session) -> int:
    """Under how many keys, one over another, this database stands; no rotation ends before this transaction does.

    On SQLite that holds by itself: who reads sees one state, and there is one writer.
    """
    found = session.scalar(
        select(PseudonymKeyCountRow.keys).where(PseudonymKeyCountRow.id == SINGLE_ROW_ID).with_for_update(read=True)
    )
    if found is None:
        raise RuntimeError("the store does not say under how many keys its pseudonyms are")
    return found


def current_pseudonyms(session: Session, keys: Pseudonymiser, codes: Sequence[str]) -> list[str]:
    """The pseudonym of each code as it stands in the database now: 32 hexadecimal digits."""
    return keys.pseudonyms(codes, count_pseudonym_keys(session))
