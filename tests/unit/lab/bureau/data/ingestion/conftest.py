"""A bureau on SQLite to which departments deliver."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.delivering_bureau import DeliveringBureau, open_delivering_bureau


@pytest.fixture
def city(tmp_path: Path, migrated_file: Path) -> Iterator[DeliveringBureau]:
    """A new bureau, without records."""
    with open_delivering_bureau(tmp_path, migrated_file) as opened:
        yield opened
