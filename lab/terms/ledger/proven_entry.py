"""A ledger entry as a party outside holds it: the entry, the proof that it is in the ledger, and the signed head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import rfc8785

from lab.terms.ledger.tree import Proof, SignedTreeHead, hash_leaf


@dataclass(frozen=True, slots=True)
class ProvenEntry:
    """It proves nothing until its kind was verified (``verify_receipt``, ``RestorationStatement.verify``).

    ``body``: the entry. ``inclusion``: the proof that it is in the ledger of ``head``.
    """

    body: Mapping[str, Any]
    inclusion: Proof
    head: SignedTreeHead

    @property
    def entry_number(self) -> int:
        """The entry's number."""
        return int(self.body["seq"])

    @property
    def time(self) -> datetime:
        """When the bureau wrote the entry."""
        return datetime.fromisoformat(self.body["time"])

    @property
    def leaf_hash(self) -> str:
        """The hash of the entry as a leaf of the tree, hexadecimal."""
        return hash_leaf(rfc8785.dumps(dict(self.body))).hex()
