"""Routes for anyone, or by a token."""
