"""Cells of a delivery as typed values, or the reason why a cell has none: whole columns at once.

Most columns are written plainly, so a strict conversion is tried first. Only the distinct cells that it leaves are
read as people write them (``lab.tables.cells``).
"""

from lab.bureau.data.ingestion.cells.column_reading import ItemCells
from lab.bureau.data.ingestion.cells.item_readers import CellRules, item_reader, read_item

__all__ = ["CellRules", "ItemCells", "item_reader", "read_item"]
