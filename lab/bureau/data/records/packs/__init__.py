"""Packs: many small segments of a domain merged into one file, so that a question opens few files.

The manifest does not change: a pack is another place of the same rows. Each row keeps the place of its segment in the
domain's list and its number in it, so what was known on an earlier day is a condition on the place.
"""
