"""What the bank checks of a contract and of the bureau's ledger before it trusts either."""
