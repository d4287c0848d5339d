"""Fixtures of the bureau's rooms."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.bureau.store import Store, migrate, open_store


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A migrated, empty store; once on SQLite, once on PostgreSQL."""
    opened = open_store(database_url)
    migrate(opened.engine)
    yield opened
    opened.close()
