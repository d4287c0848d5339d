"""The bank's only way out: one HTTP client, its routes, and its responses read without trust."""
