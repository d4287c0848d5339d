"""The catalogue: which domains and items the bureau holds, and what each column of a register version is called.

``item_definition`` says what a catalogue is; ``definition`` reads its files, the embedded ones under ``default`` too;
``versions`` keeps a bureau's own. ``dictionary`` and ``repository`` are of a flat register's columns: domains, items
and grades come from the dictionary given at import and are kept with the register version that they describe.
"""

from lab.bureau.data.catalogue.definition import default_catalogue, read_catalogue
from lab.bureau.data.catalogue.dictionary import CatalogueItem, describe_columns
from lab.bureau.data.catalogue.item_definition import Catalogue, Domain, Item
from lab.bureau.data.catalogue.natural_persons import check_model_items
from lab.bureau.data.catalogue.repository import load_items, save_items
from lab.bureau.data.catalogue.versions import current_catalogue
from models.shared.dictionary.dictionary_file import read_dictionary, require_described_columns

__all__ = [
    "Catalogue",
    "CatalogueItem",
    "Domain",
    "Item",
    "check_model_items",
    "current_catalogue",
    "default_catalogue",
    "describe_columns",
    "load_items",
    "read_catalogue",
    "read_dictionary",
    "require_described_columns",
    "save_items",
]
