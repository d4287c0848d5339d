"""Fixtures of the attacks: a bureau with a register and a model, and its service in a thread of the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from tests.support.bureau_fixtures import model, open_scene, scene, scene_on_both, store, tables
from tests.support.bureau_scene import Scene
from tests.support.served_bureau import House, serving

__all__ = ["model", "open_scene", "scene", "scene_on_both", "store", "tables"]


@pytest.fixture
def house(scene: Scene) -> Iterator[House]:
    """A service over SQLite, whose clock tells the time: signed requests are held against it."""
    scene.clock.now = datetime.now(UTC)
    with serving(scene) as running:
        yield running


@pytest.fixture
def house_on_both(scene_on_both: Scene) -> Iterator[House]:
    """The same over SQLite, and again over PostgreSQL."""
    scene_on_both.clock.now = datetime.now(UTC)
    with serving(scene_on_both) as running:
        yield running


@pytest.fixture
def house_on_postgresql(postgresql_url: str, open_scene: Callable[[str], Scene]) -> Iterator[House]:
    """The same over PostgreSQL alone."""
    made = open_scene(postgresql_url)
    made.clock.now = datetime.now(UTC)
    with serving(made) as running:
        yield running
