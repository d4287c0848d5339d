"""Features: figures of an enterprise computed from its records, defined as data."""
