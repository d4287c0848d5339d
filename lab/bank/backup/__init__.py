"""Backups of the bank's folder, the way back, and the way to this version."""
