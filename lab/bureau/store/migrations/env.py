"""Alembic's entry: runs on the connection that ``lab.bureau.store.migrate`` gives, inside its transaction."""

from alembic import context

from lab.bureau.store.tables import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata, compare_type=True)
context.run_migrations()
