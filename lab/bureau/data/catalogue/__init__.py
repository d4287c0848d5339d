"""The catalogue: what each column of a register is called, in which domain and grade it lies, and which code names it.

Domains, items and grades are data: they come from the dictionary given at import and are kept with the register version
they describe.
"""

from lab.bureau.data.catalogue.dictionary import Item, items_for, read_dictionary
from lab.bureau.data.catalogue.repository import find_items, keep_items

__all__ = ["Item", "find_items", "items_for", "keep_items", "read_dictionary"]
