"""A bureau on SQLite to which departments deliver."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.bureau.bureau import Bureau
from lab.bureau.configuration.home import BureauHome
from lab.bureau.key_management.keys import BureauKeys
from tests.support.delivering_bureau import DeliveringBureau


@pytest.fixture
def city(tmp_path: Path, migrated_file: Path) -> Iterator[DeliveringBureau]:
    """A new bureau, without records."""
    home = tmp_path / "bureau"
    BureauKeys.create(BureauHome.create(home, name="Test bureau"))
    shutil.copyfile(migrated_file, home / "bureau.db")
    (tmp_path / "office").mkdir()
    with Bureau.open(home) as bureau:
        yield DeliveringBureau(bureau, tmp_path / "office")
