"""The files of a catalogue: ``catalogue.toml`` and a file ``DOMAIN.toml`` for each domain, in one folder.

The texts are kept as they were written, so that a bureau gets back the files that it gave.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.terms.errors import InvalidInput, NotFound
from lab.terms.text.escaping import escape_hidden

INDEX_FILE = "catalogue.toml"
_ENDING = ".toml"
_MAX_BYTES = 1_000_000
_MAX_FILES = 301
_NEXT_STEP = "docs/formats/catalogue.md says how the files are written"


@dataclass(frozen=True, slots=True)
class CatalogueFiles:
    """The texts of a catalogue's files by name (``tax.toml``)."""

    texts: Mapping[str, str]

    def parse(self) -> dict[str, dict[str, Any]]:
        """The TOML of each file by name; raises ``InvalidInput`` naming the file and the place."""
        return {name: _parse(name, text) for name, text in self.texts.items()}

    def write(self, folder: Path) -> None:
        """Write the files into ``folder``, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in self.texts.items():
            (folder / name).write_text(text, encoding="utf-8")


def read_catalogue_files(folder: Path) -> CatalogueFiles:
    """The TOML files of ``folder``; other files are not read.

    Raises ``NotFound`` without the folder or its ``catalogue.toml``, ``InvalidInput`` for too many or too large files,
    or text that is not UTF-8.
    """
    if not (folder / INDEX_FILE).is_file():
        raise NotFound(
            f"Expected a catalogue's {INDEX_FILE} in the folder {folder.name}; found none.", next_step=_NEXT_STEP
        )
    paths = sorted(path for path in folder.iterdir() if path.suffix == _ENDING and path.is_file())
    if len(paths) > _MAX_FILES:
        raise InvalidInput(f"Expected at most {_MAX_FILES} catalogue files; found {len(paths)}.", next_step=_NEXT_STEP)
    return CatalogueFiles({path.name: _read_text(path) for path in paths})


def domain_file(code: str) -> str:
    """The name of a domain's file."""
    return f"{code}{_ENDING}"


def _read_text(path: Path) -> str:
    name = escape_hidden(path.name)
    if path.stat().st_size > _MAX_BYTES:
        raise InvalidInput(f"Expected at most {_MAX_BYTES} bytes in the catalogue file {name}.", next_step=_NEXT_STEP)
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput(
            f"Expected UTF-8 in the catalogue file {name}; it is not.", next_step="save it as UTF-8"
        ) from None


def _parse(name: str, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:  # ValueError: a number of too many digits
        place = re.search(r"at line [0-9]+, column [0-9]+", str(error))
        where = f", {place.group()}" if place else ""
        raise InvalidInput(
            f"Expected TOML in the catalogue file {escape_hidden(name)}; it is not{where}.",
            next_step=_NEXT_STEP,
        ) from None
