"""One small city that the tests of this folder read."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.simulation.city import CitySettings, generate_city


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> CitySettings:
    """Settings of a city that has been written to their folder."""
    made = CitySettings(enterprises=4_000, seed=3, months=9, out=Path(tmp_path_factory.mktemp("city")) / "city")
    generate_city(made)
    return made
