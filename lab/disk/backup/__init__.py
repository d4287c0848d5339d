"""Backups of a party's folder: one encrypted file (age), in it a signed manifest and then the files that it lists."""
