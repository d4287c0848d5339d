"""The catalogue: the names of each column of a register, its domain and grade, and its code.

Domains, items and grades are data: they come from the dictionary given at import and are kept with the register version
they describe.
"""

from lab.bureau.data.catalogue.dictionary import CatalogueItem, describe_columns
from lab.bureau.data.catalogue.repository import load_items, save_items
from models.shared.dictionary_file import read_dictionary, require_described_columns

__all__ = [
    "CatalogueItem",
    "describe_columns",
    "load_items",
    "read_dictionary",
    "require_described_columns",
    "save_items",
]
