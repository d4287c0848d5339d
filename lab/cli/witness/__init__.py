"""Commands of a witness of ledgers."""
