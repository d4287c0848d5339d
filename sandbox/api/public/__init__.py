"""Routes that anyone may call, or whoever has a token."""
