"""Two-party cryptography: no storage, no HTTP, no business words."""
