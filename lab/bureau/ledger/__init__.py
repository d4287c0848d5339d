"""What happened here: a Merkle log of entries, each written in the transaction of the change it tells of.

Entries hold hashes, counts and names of contracts, models and registers; never a record of an enterprise. ``record``
writes, ``Ledger`` reads: it signs tree heads, proves, gives receipts and exports.
"""

from lab.bureau.ledger.entries import BUREAU_ACTOR, LOCAL_ACTOR, record
from lab.terms.ledger.tree import Fact, LedgerEntry

__all__ = ["BUREAU_ACTOR", "LOCAL_ACTOR", "Fact", "LedgerEntry", "record"]
