"""Removes what is past its time: each item completely or not at all.

An item is moved in one step into a folder whose content is then deleted. If the process is killed before the move, the
item is unchanged; if it is killed after the move, the next removal deletes the rest.
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
    """Remove what is past its time; returns what was removed, without the runs that are running by now."""
    items, removed = tuple(due), []
    with _open_trash(home.trash) as trash, progress.stage("tidy", len(items)) as stage:
        _empty_trash(trash)
        for item in items:
            if _remove_item(item, trash):
                removed.append(item)
                _empty_trash(trash)
            stage.advance()
    return tuple(removed)


def _remove_item(item: RetainedItem, trash: Path) -> bool:
    if item.kind not in (RetainedKind.RUN, RetainedKind.UNFINISHED):
        return _move(item.paths, trash)
    try:
        with lock_run(item.paths[0]):
            return _move(item.paths, trash)
    except Conflict:
        return False


def _move(paths: Iterable[Path], trash: Path) -> bool:
    """Move the defining path of an item, then the others; returns whether any of them existed."""
    moved = False
    for path in paths:
        try:
            path.rename(trash / f"{secrets.token_hex(8)}-{path.name}")
        except FileNotFoundError:
            continue  # removed already: a journal by its owner, or by another removal
        sync_folder(path.parent)
        moved = True
    return moved


def _empty_trash(trash: Path) -> None:
    for path in trash.glob("*"):
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
