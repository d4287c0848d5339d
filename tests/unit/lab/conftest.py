"""Fixtures of both parties' rooms, for all tests below."""

from __future__ import annotations

from tests.support.bureau_fixtures import model, open_scene, scene, scene_on_both, store, tables
from tests.support.finished_run import home, trained

__all__ = ["home", "model", "open_scene", "scene", "scene_on_both", "store", "tables", "trained"]
