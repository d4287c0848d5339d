"""Where a delivery's rows come from: a file of any format that ``lab.tables`` reads, or a table of a database."""

from lab.bureau.data.ingestion.sources.delivery_source import DeliverySource, FileSource, open_file_source
from lab.bureau.data.ingestion.sources.sql_table import SqlTableSource, open_sql_source

__all__ = ["DeliverySource", "FileSource", "SqlTableSource", "open_file_source", "open_sql_source"]
