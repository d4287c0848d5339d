"""Segments: the immutable files of records, how they are written, and what lies beside each."""
