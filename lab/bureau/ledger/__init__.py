"""What happened here: an append-only list of entries, each written in the transaction of the change it tells of.

Entries hold hashes, counts and names of contracts, models and registers; never a record of an enterprise. A Merkle log
over the same entries can stand behind ``record`` without any caller changing.
"""

from lab.bureau.ledger.entries import Entry, Fact, Receipt, record, verify_entries

__all__ = ["Entry", "Fact", "Receipt", "record", "verify_entries"]
