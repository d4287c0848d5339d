"""Witnesses of a bureau's ledger, after C2SP: checkpoints, signed notes, cosignatures, quorums."""
