"""Mapping files: which column of a department's file holds which item, and how its cells are written."""

from lab.bureau.data.ingestion.mapping.checking import check_header, check_mapping
from lab.bureau.data.ingestion.mapping.document import ItemColumn, MappingDocument, MappingFile
from lab.bureau.data.ingestion.mapping.reading import parse_mapping, read_mapping

__all__ = [
    "ItemColumn",
    "MappingDocument",
    "MappingFile",
    "check_header",
    "check_mapping",
    "parse_mapping",
    "read_mapping",
]
