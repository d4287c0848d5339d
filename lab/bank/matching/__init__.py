"""Private set intersection at the bank: which of its identifiers a register holds."""
