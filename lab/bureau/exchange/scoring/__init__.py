"""Scoring at the bureau: batches validated, evaluated under encryption, and charged to the leakage budget."""
