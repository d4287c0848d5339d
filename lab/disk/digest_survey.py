"""Reads every file of a home that carries a digest, and names those that are not as they were written.

It knows the forms of digests (``checked_files``, ``checked_blocks``, ``checked_rows``) and not the parties: a
``HomeDigests`` says which files must have which form. Nothing is changed, and no secret is opened.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from lab.disk.checked_blocks import TABLE_SUFFIX, CheckedBlocks, table_path
from lab.disk.checked_files import DamagedFile, parse_sealed_json, split_checked
from lab.disk.checked_rows import is_intact_store
from lab.terms.progress import SILENT, Progress

STAGE = "digests"
_UNIT = 1 << 20  # bytes of a unit of progress
_MOST_COMPONENTS = 12
_HEX = re.compile(r"[0-9a-f]{16,64}")


@dataclass(frozen=True, slots=True)
class HomeDigests:
    """Which files of a home have which form of digest, as patterns of relative paths (``PurePath.match``).

    ``checked``: one digest at the head. ``blocks``: digests of blocks beside the file. ``sealed``: a JSON object with
    its digest; its member ``files``, if it has one, gives the digests of its neighbours. ``stores``: SQLite. ``named``:
    the last hexadecimal part of the name is (the beginning of) the content's SHA-256; ``named_first``: the one before.
    ``references``: SQLite file, table and column with relative paths of files that must exist.
    """

    checked: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()
    sealed: tuple[str, ...] = ()
    stores: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    named_first: tuple[str, ...] = ()
    references: tuple[tuple[str, str, str], ...] = ()


@dataclass(slots=True)
class DigestSurvey:
    """How many files were read, of how many bytes; and the relative paths of those that are damaged or lost."""

    files: int = 0
    size_bytes: int = 0
    damaged: list[PurePosixPath] = field(default_factory=list)
    lost: list[PurePosixPath] = field(default_factory=list)


def survey_digests(home: Path, layout: HomeDigests, progress: Progress = SILENT) -> DigestSurvey:
    """Read every file of ``home`` that must carry a digest. Raises ``OSError`` for a folder that cannot be listed."""
    survey = DigestSurvey()
    paths = [path for path in sorted(home.rglob("*")) if path.is_file() and not path.is_symlink()]
    with progress.stage(STAGE, sum(path.stat().st_size for path in paths) // _UNIT + 1) as stage:
        for path in paths:
            _survey_file(home, path, layout, survey)
            stage.advance(path.stat().st_size // _UNIT)
    for store, table, column in layout.references:
        survey.lost += [path for path in _referenced(home / store, table, column) if not (home / path).is_file()]
    survey.damaged, survey.lost = sorted(set(survey.damaged)), sorted(set(survey.lost))
    return survey


def _survey_file(home: Path, path: Path, layout: HomeDigests, survey: DigestSurvey) -> None:
    relative = PurePosixPath(path.relative_to(home).as_posix())
    if relative.name.endswith(TABLE_SUFFIX):
        data = path.with_name(relative.name.removesuffix(TABLE_SUFFIX))
        if not data.exists():
            survey.lost.append(relative.with_name(data.name))
        return  # it is read with its file
    intact = _is_intact(path, relative, layout)
    if intact is None:
        return
    survey.files += 1
    survey.size_bytes += path.stat().st_size
    if not intact:
        survey.damaged.append(relative)
    elif _matches(relative, layout.sealed):
        for name, fits in _neighbours(path):
            if fits is None:
                survey.lost.append(relative.with_name(name))
            elif not fits:
                survey.damaged.append(relative.with_name(name))


def _is_intact(path: Path, relative: PurePosixPath, layout: HomeDigests) -> bool | None:
    """Whether a file is as it was written; None for one that carries no digest."""
    if _matches(relative, layout.blocks):
        return _has_intact_blocks(path, relative)
    if _matches(relative, layout.stores):
        return is_intact_store(path)
    try:
        if _matches(relative, layout.checked):
            found = split_checked(path.read_bytes())
            return found is not None and found[0] in _identities(relative)
        if _matches(relative, layout.sealed):
            data = path.read_bytes()
            return any(parse_sealed_json(data, identity) is not None for identity in _identities(relative))
        if _matches(relative, layout.named):
            return hashlib.sha256(path.read_bytes()).hexdigest().startswith(str(_HEX.findall(relative.name)[-1]))
        if _matches(relative, layout.named_first):
            return hashlib.sha256(path.read_bytes()).hexdigest() == str(_HEX.findall(relative.name)[-2])
    except (OSError, IndexError):
        return False
    return None


def _has_intact_blocks(path: Path, relative: PurePosixPath) -> bool:
    if not table_path(path).is_file():
        return False
    found = split_checked(table_path(path).read_bytes())
    identity = found[0].removesuffix(TABLE_SUFFIX) if found is not None else ""
    if identity not in _identities(relative):
        return False
    try:
        return not any(True for _ in CheckedBlocks(path, identity=identity).damaged_blocks())
    except (DamagedFile, OSError):
        return False


def _neighbours(path: Path) -> Iterator[tuple[str, bool | None]]:
    """The files of which a sealed object gives digests: whether each is as it was written; None for a lost one."""
    digests = json.loads(path.read_bytes()).get("files")
    for name, digest in digests.items() if isinstance(digests, dict) else ():
        file = path.with_name(PurePosixPath(str(name)).name)
        yield (
            file.name,
            hashlib.sha256(file.read_bytes()).hexdigest() == digest if file.is_file() else None,
        )


def _identities(relative: PurePosixPath) -> set[str]:
    """What the identity of a file at this place may be: the last components of its path, or its folder's name."""
    parts = relative.parts
    return {"/".join(parts[-count:]) for count in range(1, min(len(parts), _MOST_COMPONENTS) + 1)} | set(parts[-2:-1])


def _matches(relative: PurePosixPath, patterns: tuple[str, ...]) -> bool:
    return any(relative.match(pattern) for pattern in patterns)


def _referenced(store: Path, table: str, column: str) -> list[PurePosixPath]:
    """The relative paths in a column of a SQLite file; none if it cannot be read, which is a fault of its own."""
    if not store.is_file():
        return []
    try:
        with closing(sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            rows = connection.execute(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL").fetchall()
    except sqlite3.Error:
        return []
    return [PurePosixPath(str(name)) for (name,) in rows]
