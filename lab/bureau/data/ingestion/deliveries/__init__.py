"""Deliveries of departments: one file, many files, and what became of each."""
