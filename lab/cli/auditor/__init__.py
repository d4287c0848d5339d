"""Commands of auditors: the ledger, exports, checkpoints and receipts."""
