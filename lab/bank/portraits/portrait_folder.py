"""Draws the portraits of many enterprises into a folder: a page each, and an index. Nothing is sent.

A page is drawn, written and forgotten, so memory does not grow with their number. The folder gets its name when all of
it is written. Pages are named by number, because a code may hold characters that a file's name cannot.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.bank.portraits.pages.index_page import LINES_PER_PAGE, IndexHeading, IndexLine, index_files, index_page
from lab.bank.portraits.pages.portrait_page import Language, format_percent, portrait_page
from lab.bank.portraits.scored_run import ScoredRun
from lab.disk.output_files import describe_disk_error
from lab.disk.private_files import private_opener, sync_folder
from lab.terms.errors import Conflict, MachineFault, NotFound
from lab.terms.progress import SILENT, Progress
from models.shared.portrait import Portrait

_ROOM_TO_LEAVE = 100_000_000
"""Bytes that must stay free on the disk."""


@dataclass(frozen=True)
class PortraitFolder:
    """What was written: the folder, the number of portraits, the bytes of all pages."""

    folder: Path
    count: int
    bytes: int


def write_portraits(
    run: ScoredRun, rows: Sequence[int], folder: Path, *, lang: Language = "both", progress: Progress = SILENT
) -> PortraitFolder:
    """Draw the portraits of ``rows`` (positions in ``run.codes``) into ``folder``, which must not exist or be empty.

    Raises ``NotFound`` if its parent does not exist or nothing is to be drawn, ``Conflict`` if it holds anything,
    ``MachineFault`` if the disk has no room for the pages, or refuses them.
    """
    if not rows:
        raise NotFound("Expected enterprises to draw; there are none.", next_step="see `lab bank runs`")
    target = folder.absolute()
    with _translate(folder), _draft(target) as draft:
        written = _Pages(run, draft, lang)
        size = written.draw(0, rows[0])
        _check_room(draft, size * len(rows))
        with progress.stage("portrait", len(rows)) as stage:
            stage.advance()
            for number, row in enumerate(rows[1:], start=1):
                size += written.draw(number, row)
                stage.advance()
        size += written.finish(len(rows))
        sync_folder(draft)
        if target.exists():
            target.rmdir()
        os.rename(draft, target)
        sync_folder(target.parent)
    return PortraitFolder(target, len(rows), size)


class _Pages:
    """Writes pages and, every ``LINES_PER_PAGE`` of them, the next page of the index."""

    def __init__(self, run: ScoredRun, draft: Path, lang: Language) -> None:
        self._run, self._draft, self._lang = run, draft, lang
        self._lines: list[list[IndexLine]] = [[]]

    def draw(self, number: int, row: int) -> int:
        """Write the portrait of a row; returns the bytes of its page."""
        drawn = self._run.portrait_at(row)
        page = portrait_page(drawn, self._run.sheet, lang=self._lang, warnings=self._run.warnings)
        file = f"{number + 1:06d}.html"
        if len(self._lines[-1]) == LINES_PER_PAGE:
            self._lines.append([])
        self._lines[-1].append(_line(file, drawn))
        return self._write(file, page)

    def finish(self, count: int) -> int:
        """Write the index; returns its bytes."""
        manifest = self._run.run.manifest
        heading = IndexHeading(self._run.run.folder.name, str(manifest.get("bank", "")), count)
        return sum(
            self._write(file, index_page(heading, number, lines, lang=self._lang))
            for number, (file, lines) in enumerate(zip(index_files(count), self._lines, strict=True), start=1)
        )

    def _write(self, name: str, page: str) -> int:
        content = page.encode()
        with open(self._draft / name, "xb", opener=private_opener) as file:
            file.write(content)
        return len(content)


def _line(file: str, drawn: Portrait) -> IndexLine:
    return IndexLine(file, drawn.enterprise, int(drawn.score), drawn.grade, format_percent(drawn.pd))


@contextmanager
def _draft(target: Path) -> Iterator[Path]:
    """A folder (mode 0700) beside ``target``, which is gone after the block unless it was renamed."""
    if not target.parent.is_dir():
        raise NotFound(f"The folder for {target.name} does not exist.", next_step="create it, or give another --folder")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise Conflict(f"Expected {target.name} as an empty or a new folder.", next_step="give another --folder")
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def _translate(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MachineFault(
            f"Expected to write pages into {folder.name}; the system refused: {describe_disk_error(error)}.",
            next_step="free some space or give another --folder; the run keeps its results",
        ) from None


def _check_room(draft: Path, expected: int) -> None:
    free = shutil.disk_usage(draft).free - _ROOM_TO_LEAVE
    if expected > free:
        raise MachineFault(
            f"Expected room for about {expected / 1e6:,.0f} MB of pages; the disk has {max(free, 0) / 1e6:,.0f} MB.",
            next_step="free some space, give another --folder, or draw fewer enterprises with --list",
        )
