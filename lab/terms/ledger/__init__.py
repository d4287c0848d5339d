"""The ledger as every party reads it: entries, Merkle tree, receipts, exports, and who tampered."""
