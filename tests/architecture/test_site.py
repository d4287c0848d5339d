"""The papers build as a site: no link leads nowhere, and no page loads anything from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOADED = re.compile(
    r"<(?:script|img|iframe|source)[^>]* src=[\"']?(https?:[^\"' >]+)|<link[^>]* href=[\"']?(https?:[^\"' >]+)"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)]
    ran = subprocess.run(command, cwd=ROOT, env=os.environ | {"NO_COLOR": "1"}, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-4000:]
    return out


def test_the_start_page_is_the_readme(site: Path) -> None:
    assert "Two commands" in (site / "index.html").read_text("utf-8")


@pytest.mark.parametrize(
    "paper", ["SECURITY", "ARCHITECTURE", "guides/bank", "formats", "protocols/scoring", "commands"]
)
def test_a_paper_has_a_page(site: Path, paper: str) -> None:
    assert (site / paper / "index.html").is_file()


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    found = {
        address
        for page in site.rglob("*.html")
        for pair in LOADED.findall(page.read_text("utf-8"))
        for address in pair
        if address
    }
    assert found == set()
