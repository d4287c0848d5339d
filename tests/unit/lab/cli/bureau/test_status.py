"""``lab bureau status``: read from the folder and the database alone, without the seal key."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support.bureau_scene import Scene

ROOT = Path(__file__).resolve().parents[5]


def status(home: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "lab.cli", "bureau", "status", "--json", "--home", str(home)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_what_waits_for_an_officer_is_named_and_no_secret_is_opened(scene: Scene) -> None:
    scene.clock.now = datetime.now(UTC)  # the command has the real one
    waiting, active = scene.contract(approved=False, signed=False), scene.contract()
    seal = scene.home / "keys" / "seal.key"
    seal.rename(scene.home.parent / "seal.key")
    found = status(scene.home)
    lines = {line["item"]: line for line in found["lines"]}
    assert "main v1" in lines["registers"]["found"] and "credit@1" in lines["models"]["found"]
    assert "Test bank" in lines["banks"]["found"] and "sqlite" in lines["database"]["found"]
    assert "active 1" in lines["contracts"]["found"] and active
    (item,) = [item for item in found["waiting"] if item.startswith("contracts:")]
    assert waiting in lines[item]["found"] and "lab officer" in lines[item]["next_step"]
    assert any("two officers" in step for step in found["next_steps"])


def test_a_database_of_another_version_names_what_to_do(scene: Scene) -> None:
    for version, step in (("0009", "lab bureau upgrade --backup"), ("9999", "later version")):
        with closing(sqlite3.connect(scene.home / "bureau.db")) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", (version,))
        (found,) = status(scene.home)["next_steps"]
        assert step in found
        command = [sys.executable, "-m", "lab.cli", "bureau", "jobs", "--home", str(scene.home)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
        assert done.returncode == 8 and version in done.stderr
