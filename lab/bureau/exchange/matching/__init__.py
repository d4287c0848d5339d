"""Matching at the bureau: the evaluated register, its index for each contract, and a bank's requests."""
