"""Alembic's folder; ``lab.bureau.store.migrate`` runs it."""
