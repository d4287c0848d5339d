"""Where the bureau's state lives: typed tables and their migrations, on SQLite (default) or PostgreSQL (by URL).

Rooms come in through ``open_store`` and take sessions; none of them writes SQL text of a dialect's own except the one
counting statement in ``lab.bureau.exchange.charges``.
"""

from lab.bureau.store.engine import Store, open_store
from lab.bureau.store.migrate import drift, migrate

__all__ = ["Store", "drift", "migrate", "open_store"]
