"""Notices of credit repair: a letter for each penalty."""
