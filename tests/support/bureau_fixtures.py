"""Fixtures for tests of the bureau: a store, a small model, and a whole bureau with a register and a contract."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lab.bureau.bureau import Bureau
from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.register import RegisterLayout, import_register
from lab.bureau.key_management.keys import BureauKeys
from lab.bureau.model_registry.registry import publish_model, save_model
from lab.bureau.store import Database, migrate, open_database
from models.bureau.model import Model
from models.bureau.training.settings import TrainingSettings
from models.bureau.training.trainer import train_model
from tests.support.bureau_scene import Bank, Clock, Scene, Tables

ROWS = 240


@pytest.fixture
def store(database_url: str) -> Iterator[Database]:
    """A migrated, empty store; once on SQLite, once on PostgreSQL."""
    opened = open_database(database_url)
    migrate(opened.engine)
    key = Ed25519PrivateKey.generate()
    opened.sign, opened.bureau_key = key.sign, key.public_key().public_bytes_raw().hex()
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def tables() -> Tables:
    """A small, seeded pair of tables."""
    rng = np.random.default_rng(7)
    a, b, u, v = rng.normal(size=(4, ROWS)).round(4)
    label = (a + 0.5 * b + u - 0.5 * v + rng.normal(size=ROWS) > 0).astype(int)
    codes = [f"firm-{number:04d}" for number in range(ROWS)]
    as_text = [pl.DataFrame(pair).cast(pl.String) for pair in ({"a": a, "b": b}, {"u": u, "v": v})]
    return Tables(codes, as_text[0], as_text[1], label)


@pytest.fixture(scope="session")
def model(tables: Tables) -> Model:
    """A trained model, credit@1, of few trees, which each scene stores, publishes and reads."""
    return train_model(
        tables.public, tables.bank, tables.label, TrainingSettings(trees=12, name="credit", version=1)
    ).model


@pytest.fixture
def open_scene(
    tmp_path: Path, tables: Tables, model: Model, migrated_file: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Scene]]:
    """Opens a scene over the URL of a database with the bureau's tables (``""``: SQLite in the home) and closes it
    afterwards."""
    scenes: list[Scene] = []
    monkeypatch.setenv("SHULAB_BUREAU_WORKERS", "1")

    def make(database_url: str) -> Scene:
        home, clock = tmp_path / "bureau", Clock()
        BureauKeys.create(BureauHome.create(home, name="Test bureau", database_url=database_url))
        if not database_url:
            shutil.copyfile(migrated_file, home / "bureau.db")
        bureau = Bureau.open(home, clock=clock)
        scenes.append(Scene(bureau, home, Bank(), clock, tables, model))
        source = tables.register_csv(tmp_path / "register.csv")
        import_register(bureau.store, bureau.home, source, RegisterLayout("id", "opaque"))
        save_model(bureau.store, bureau.home, model, "main")
        publish_model(bureau.store, bureau.home, "credit", 1)
        return scenes[-1]

    yield make
    for scene in scenes:
        scene.bureau.close()


@pytest.fixture
def scene(open_scene: Callable[[str], Scene]) -> Scene:
    """A scene on SQLite."""
    return open_scene("")


@pytest.fixture
def scene_on_both(database_url: str, open_scene: Callable[[str], Scene]) -> Scene:
    """A scene on SQLite, and again on PostgreSQL, whose database is dropped when its bureau has been closed."""
    return open_scene(database_url)
