"""The ledger: a Merkle log of entries, each written in the transaction of the change that it records.

Entries contain hashes, counts and names of contracts, models and registers, never a record of an enterprise. ``record``
writes entries; ``Ledger`` reads them, signs tree heads, and gives proofs, receipts and exports.
"""

from lab.bureau.ledger.entries import BUREAU_ACTOR, LOCAL_ACTOR, record
from lab.terms.ledger.tree import Fact, LedgerEntry

__all__ = ["BUREAU_ACTOR", "LOCAL_ACTOR", "Fact", "LedgerEntry", "record"]
