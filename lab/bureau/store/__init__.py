"""The bureau's database: typed tables and their migrations, on SQLite (default) or PostgreSQL (by URL).

Callers use ``open_database`` and its sessions. SQL text is written only where the two dialects have no common form in
SQLAlchemy: counting (``lab.bureau.exchange.charges``, ``lab.bureau.ledger.rate_limited_entries``), and replacing the
rows of tables when pseudonyms change (``lab.bureau.data.consents.pseudonym_rotation``).
"""

from lab.bureau.store.engine import Database, open_database
from lab.bureau.store.migrate import migrate, prepare_tables, schema_differences

__all__ = ["Database", "migrate", "open_database", "prepare_tables", "schema_differences"]
