"""Removing what is past its time: each thing whole or not at all.

A thing leaves its place in one move, into a folder whose content is then deleted. Killed before the move, it is where
it was; killed after it, the next removal deletes the rest.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.bank.home import BankHome
from lab.bank.retention.overdue import RetainedItem, RetainedKind
from lab.bank.runs.store import lock_run
from lab.disk.locks import exclusive_lock
from lab.disk.private_files import check_private, sync_folder
from lab.terms.errors import Conflict
from lab.terms.progress import SILENT, Progress


def remove_expired(
    home: BankHome, due: Iterable[RetainedItem], *, progress: Progress = SILENT
) -> tuple[RetainedItem, ...]:
    """Remove what a survey found to be past its time; what was removed, without a run that is at work by now."""
    things, removed = tuple(due), []
    with _open_trash(home.trash) as leaving, progress.stage("tidy", len(things)) as stage:
        _empty_trash(leaving)
        for kept in things:
            if _remove_item(kept, leaving):
                removed.append(kept)
                _empty_trash(leaving)
            stage.advance()
    return tuple(removed)


def _remove_item(kept: RetainedItem, leaving: Path) -> bool:
    if kept.kind not in (RetainedKind.RUN, RetainedKind.UNFINISHED):
        return _move(kept.paths, leaving)
    try:
        with lock_run(kept.paths[0]):
            return _move(kept.paths, leaving)
    except Conflict:
        return False


def _move(paths: Iterable[Path], leaving: Path) -> bool:
    """Move what makes a thing what it is, then what lies beside it; whether any of it was there."""
    moved = False
    for path in paths:
        try:
            path.rename(leaving / f"{secrets.token_hex(8)}-{path.name}")
        except FileNotFoundError:
            continue  # gone by itself: a journal, or by another removal
        sync_folder(path.parent)
        moved = True
    return moved


def _empty_trash(leaving: Path) -> None:
    for path in leaving.glob("*"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


@contextmanager
def _open_trash(folder: Path) -> Iterator[Path]:
    """The folder of what is being removed, while no other process removes anything."""
    folder.mkdir(mode=0o700, exist_ok=True)
    check_private(folder)
    with exclusive_lock(folder):
        yield folder
