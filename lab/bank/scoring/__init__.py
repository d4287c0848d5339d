"""Encrypted scoring at the bank: batches encrypted, sent, decrypted and checked."""
