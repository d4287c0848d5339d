"""Pseudonyms of enterprises, under the keys that the database uses now.

A rotation adds one key over all others and gives every row its new pseudonym in one transaction
(``lab.bureau.data.consents.pseudonym_rotation``). So a pseudonym is computed in the transaction that compares or writes
it: an earlier one may be under another number of keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.store.tables import PseudonymKeyCountRow

SINGLE_ROW_ID = 1
"""The id of the table's only row."""


class Pseudonymiser(Protocol):
    """Computes pseudonyms: ``lab.bureau.key_management.keys.BureauKeys``."""

    def pseudonyms(self, codes: Sequence[str], keys: int) -> list[str]:
        """The pseudonym of each code under ``keys`` keys, in the order of ``codes``."""


def count_pseudonym_keys(session: Session) -> int:
    """The number of pseudonym keys in use; no rotation commits before this transaction ends.

    On SQLite no lock is needed: a reader sees one state, and there is one writer.
    """
    found = session.scalar(
        select(PseudonymKeyCountRow.keys).where(PseudonymKeyCountRow.id == SINGLE_ROW_ID).with_for_update(read=True)
    )
    if found is None:
        raise RuntimeError("the store does not say under how many keys its pseudonyms are")
    return found


def current_pseudonyms(session: Session, keys: Pseudonymiser, codes: Sequence[str]) -> list[str]:
    """The present pseudonym of each code: 32 hexadecimal digits."""
    return keys.pseudonyms(codes, count_pseudonym_keys(session))
