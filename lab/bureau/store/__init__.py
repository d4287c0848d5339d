"""Where the bureau's state lives: typed tables and their migrations, on SQLite (default) or PostgreSQL (by URL).

Rooms come in through ``open_database`` and take sessions; none of them writes SQL text except where the two dialects
have no common form in SQLAlchemy: counting (``lab.bureau.exchange.charges``,
``lab.bureau.ledger.rate_limited_entries``), and emptying and clearing tables when pseudonyms change
(``lab.bureau.data.pseudonym_rotation``).
"""

from lab.bureau.store.engine import Database, open_database
from lab.bureau.store.migrate import migrate, schema_differences

__all__ = ["Database", "migrate", "open_database", "schema_differences"]
