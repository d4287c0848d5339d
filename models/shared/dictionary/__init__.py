"""Dictionaries: what people write of the columns of a table."""
