"""Where a delivery's rows come from: a file of any format that ``lab.tables`` reads, or a table of a database."""

from lab.bureau.data.ingestion.sources.delivery_source import DeliverySource, FileSource
from lab.bureau.data.ingestion.sources.sql_table import CopiedTable, copy_sql_table

__all__ = ["CopiedTable", "DeliverySource", "FileSource", "copy_sql_table"]
