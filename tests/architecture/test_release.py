"""A release: the same commit gives the same bytes, and the bill of materials lists what is installed."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from release import ROOT, SUMS, build


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("release")
    build(out)
    return out


def test_the_same_commit_gives_the_same_bytes(release: Path, tmp_path: Path) -> None:
    """Also when it is checked out elsewhere, by somebody whose files have other modes."""
    there = tmp_path / "elsewhere"
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(there)], check=True)
    build(tmp_path / "again", root=there)
    files = sorted(path.name for path in release.iterdir())
    assert len(files) == 4 and files == sorted(path.name for path in (tmp_path / "again").iterdir())
    for name in files:
        assert (release / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_the_hashes_are_those_of_the_files(release: Path) -> None:
    lines = (release / SUMS).read_text(encoding="utf-8").splitlines()
    assert {line.partition("  ")[2] for line in lines} == {path.name for path in release.iterdir()} - {SUMS}
    for line in lines:
        digest, _, name = line.partition("  ")
        assert hashlib.sha256((release / name).read_bytes()).hexdigest() == digest


def test_the_bill_of_materials_lists_what_the_lock_pins(release: Path) -> None:
    bill = json.loads(next(release.glob("*.cdx.json")).read_bytes())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["name"] == "shulab"
    lock = subprocess.run(
        ["git", "show", "HEAD:requirements.lock"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    pins = set(re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==([^\s;]+)", lock.stdout, re.MULTILINE))
    assert len(pins) > 30
    assert {(one["name"], one["version"]) for one in bill["components"]} == pins
    for one in bill["components"]:
        assert one["purl"].startswith("pkg:pypi/")
        assert any(reference.get("hashes") for reference in one["externalReferences"])


def test_wheel_and_source_hold_the_product_and_nobodys_name(release: Path) -> None:
    names = zipfile.ZipFile(next(release.glob("*.whl"))).namelist()
    assert {name.partition("/")[0] for name in names} > {"lab", "protocols", "models", "sandbox"}
    with tarfile.open(fileobj=io.BytesIO(next(release.glob("*.tar.gz")).read_bytes())) as archive:
        members = archive.getmembers()
    assert {(member.uid, member.gid, member.uname, member.gname) for member in members} == {(0, 0, "", "")}
    assert len({member.mtime for member in members}) == 1
