"""Commands of administrators: accounts, and the keys of banks."""
