"""Bytes that cross between the parties."""
