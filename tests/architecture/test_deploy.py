"""``deploy``: the examples of settings are those of the code, and the units and the compose file say what they must."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from lab.transport.proxy.network_settings import read_network_settings
from tests.support.setting_examples import CLASSES, example, explanations

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]


@pytest.mark.parametrize("file", sorted(CLASSES))
def test_an_example_is_the_codes(file: str) -> None:
    assert (DEPLOY / "settings" / file).read_text("utf-8") == example(file), "run `make pages`"


@pytest.mark.parametrize("file", sorted(CLASSES))
def test_every_setting_is_explained(file: str) -> None:
    assert set(explanations(CLASSES[file])) == set(CLASSES[file].model_fields)


@pytest.mark.parametrize("file", sorted(CLASSES))
def test_the_product_reads_an_example_as_it_is_and_with_every_setting_in_it(file: str, tmp_path: Path) -> None:
    text = (DEPLOY / "settings" / file).read_text("utf-8")
    (tmp_path / file).write_text(text, "utf-8")
    CLASSES[file].read(tmp_path / file)  # type: ignore[attr-defined]
    full = re.sub(r"^# (?=(\w+ = |\[))", "", text, flags=re.MULTILINE)
    (tmp_path / file).write_text(full, "utf-8")
    CLASSES[file].read(tmp_path / file)  # type: ignore[attr-defined]
    assert set(tomllib.loads(full)) == set(CLASSES[file].model_fields)


def test_the_example_of_the_network_is_read_with_everything_in_it(tmp_path: Path) -> None:
    text = (DEPLOY / "settings" / "network.toml").read_text("utf-8")
    (tmp_path / "network.toml").write_text(re.sub(r"^# (?=\w+ = )", "", text, flags=re.MULTILINE), "utf-8")
    found = read_network_settings(tmp_path)
    assert found.proxy and found.ca_file and found.proxy_for("https", "fd00::1", 443) is None


def test_every_unit_has_the_same_walls() -> None:
    """What the bureau's unit says of isolation, the others say too."""
    walls = [unit.read_text("utf-8").partition("NoNewPrivileges=")[2].partition("\n\n")[0].strip() for unit in SERVICES]
    assert len(set(walls)) == 1 and "ProtectSystem=strict" in walls[0]
    for unit in SERVICES:
        text = unit.read_text("utf-8")
        assert re.search(r"^User=shulab", text, re.MULTILINE) and "UMask=0077" in text and "LimitCORE=0" in text


def test_the_commands_of_the_units_exist() -> None:
    for unit in SERVICES:
        (line,) = re.findall(r"^ExecStart=\S+ (.*)$", unit.read_text("utf-8"), re.MULTILINE)
        words = line.split()
        options = {word for word in words if word.startswith("--")}
        done = subprocess.run(
            [sys.executable, "-m", "lab.cli", *words[:2], "--help"],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        )
        assert options <= set(re.findall(r"--[a-z-]+", done.stdout)), unit.name


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is absent: no unit was checked")
def test_systemd_accepts_the_units_and_finds_little_exposure(tmp_path: Path) -> None:
    for unit in UNITS:
        text = unit.read_text("utf-8").replace("/opt/shulab/.venv/bin/lab", sys.executable)
        (tmp_path / unit.name).write_text(text, "utf-8")
    for unit in UNITS:
        done = _systemd(tmp_path, "verify", "--man=no", f"./{unit.name}")
        assert (done.returncode, done.stderr) == (0, ""), unit.name
    for unit in SERVICES:
        done = _systemd(tmp_path, "security", "--offline=true", "--threshold=20", f"./{unit.name}")
        assert done.returncode == 0, done.stdout[-200:]  # at most 2.0 of 10


def _systemd(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *words], cwd=folder, capture_output=True, text=True)


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text("utf-8"))
    return found


def test_the_service_in_a_container_has_no_rights_and_no_way_to_write_but_its_volumes() -> None:
    bureau = compose()["services"]["bureau"]
    assert bureau["read_only"] is True and bureau["cap_drop"] == ["ALL"] and "ports" not in bureau
    assert bureau["security_opt"] == ["no-new-privileges:true"] and "privileged" not in bureau
    assert "USER 10001:10001" in (DEPLOY / "compose" / "Dockerfile").read_text("utf-8")
    assert compose()["services"]["database"]["networks"] == ["inside"] and compose()["networks"]["inside"]["internal"]


def test_the_variables_of_the_container_are_settings() -> None:
    for name in compose()["services"]["bureau"]["environment"]:
        prefix, known = next(
            (prefix, one.model_fields)
            for prefix, one in (
                ("SHULAB_BUREAU_", CLASSES["bureau.toml"]),
                ("SHULAB_SERVICE_", CLASSES["service.toml"]),
            )
            if name.startswith(prefix)
        )
        assert name == "SHULAB_BUREAU_HOME" or name.removeprefix(prefix).lower() in known


def test_the_image_holds_every_package_and_what_the_lock_pins() -> None:
    text = (DEPLOY / "compose" / "Dockerfile").read_text("utf-8")
    copied = {word for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE) for word in line.split()[:-1]}
    assert copied >= {"lab", "models", "protocols", "sandbox", "requirements.lock", "pyproject.toml"}
    assert all((ROOT / name).exists() for name in copied) and "--require-hashes" in text


def test_every_file_of_the_compose_file_exists() -> None:
    assert (DEPLOY / "compose" / compose()["services"]["bureau"]["build"]["context"]).resolve() == ROOT
    assert (ROOT / compose()["services"]["bureau"]["build"]["dockerfile"]).is_file()
    mounts = [one.split(":")[0] for one in compose()["services"]["proxy"]["volumes"]]
    assert (DEPLOY / "compose" / mounts[0]).is_file()
