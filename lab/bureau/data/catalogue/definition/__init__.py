"""Reading a catalogue's files strictly: what is misspelt, missing or contradictory is refused, never guessed."""

from lab.bureau.data.catalogue.definition.reader import (
    build_catalogue,
    default_catalogue,
    default_files,
    read_catalogue,
)
from lab.bureau.data.catalogue.definition.source_files import CatalogueFiles, read_catalogue_files

__all__ = [
    "CatalogueFiles",
    "build_catalogue",
    "default_catalogue",
    "default_files",
    "read_catalogue",
    "read_catalogue_files",
]
