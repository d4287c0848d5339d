"""Import contracts name every package: a module that nobody listed is refused, not free to import anything."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FREE = {"lab.cli.__init__", "lab.cli.__main__"}
"""Modules that load a party's commands by name, when asked for them."""


def listed() -> set[str]:
    """Modules and packages that some contract holds as a source."""
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter", "utf-8")
    sections = (contracts[name] for name in contracts.sections() if name.startswith("importlinter:contract:"))
    # A list for one library says nothing of the parties: "direct imports only" and the ban on cycles do not count.
    return {
        source
        for section in sections
        if section["type"] == "forbidden" and not section.getboolean("allow_indirect_imports", False)
        for source in section["source_modules"].split()
    }


def unlisted(root: Path, sources: set[str]) -> list[str]:
    """Modules below ``root`` of which no contract is held: neither they nor a package above them is a source."""
    found = []
    for top in ("lab", "models", "protocols", "sandbox"):
        for path in (root / top).rglob("*.py"):
            parts = path.relative_to(root).with_suffix("").parts
            above = {".".join(parts[:i]) for i in range(1, len(parts) + 1)}
            bare = path.name == "__init__.py" and len(parts) <= 2
            if not bare and not above & sources and ".".join(parts) not in FREE:
                found.append(".".join(parts))
    return sorted(found)


def test_every_module_stands_under_a_contract() -> None:
    assert unlisted(ROOT, listed()) == []


@pytest.mark.parametrize("place", ["lab/unheard.py", "lab/unheard/of.py", "lab/cli/unheard/commands.py"])
def test_a_module_that_nobody_listed_is_found(place: str, tmp_path: Path) -> None:
    new = tmp_path / place
    new.parent.mkdir(parents=True)
    new.write_text("import lab.bureau.key_management.keys\n")
    assert unlisted(tmp_path, listed()) == [place.removesuffix(".py").replace("/", ".")]
