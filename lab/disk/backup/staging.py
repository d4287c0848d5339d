"""A party's folder as it is at one moment, beside the folder's own files: what a backup is then written from.

Files here are written whole and renamed, and never changed afterwards, so a hard link keeps a large one as it is, at no
cost. A small one is copied: secrets are overwritten in place when they are destroyed, and so are locks.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from lab.disk.backup.manifest import BackupFile, LeftOut
from lab.disk.locks import lock_or_refuse
from lab.disk.private_files import private_opener
from lab.terms.errors import Conflict, InvalidInput, NotFound

STAGING_PREFIX = ".backup-"
_LOCK = ".backup.lock"
_LINK_FROM = 1024 * 1024
_TRIES, _FIRST_PAUSE, _LONGEST_PAUSE = 40, 0.02, 0.5
_PIECE = 1024 * 1024
_SQLITE = (".sqlite",)
_SQLITE_COMPANIONS = ("-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True)
class FolderRules:
    """What of a folder is not copied.

    ``left_out``: folders and files at its top, by name (a file's may end in ``*``), with a word for the reason;
    ``transient``: whether a file of this name, anywhere, says nothing after the process that made it has ended.
    """

    left_out: Mapping[str, str]
    transient: Callable[[str], bool] = lambda name: name == "lock" or name.endswith((".lock", ".partial", ".part"))

    def reason(self, top: str) -> str | None:
        """Why everything below ``top`` is left out; None if it is not."""
        for name, reason in self.left_out.items():
            if top == name or (name.endswith("*") and top.startswith(name[:-1])):
                return reason
        return None


@dataclass(slots=True)
class StagedFolder:
    """Copies of files, by their path in the party's folder; and what was left out, by reason."""

    folder: Path
    files: dict[str, Path] = field(default_factory=dict)
    left_out: dict[str, LeftOut] = field(default_factory=dict)

    def add(self, path: str, source: Path) -> None:
        """Take in a file that lies in the staging folder already."""
        self.files[path] = source

    def hashed(self, on_bytes: Callable[[int], None] = lambda _: None) -> tuple[BackupFile, ...]:
        """Every file with its size and hash, by path."""
        return tuple(_hash(path, self.files[path], on_bytes) for path in sorted(self.files))


@contextmanager
def staging(home: Path) -> Iterator[StagedFolder]:
    """An empty staging folder in ``home`` (mode 0700), which is gone after the block, as are those of killed backups.

    Raises ``Conflict`` while another process makes a backup.
    """
    with lock_or_refuse(home / _LOCK, what="a backup of this folder", next_step="wait for it"):
        for old in home.glob(f"{STAGING_PREFIX}*"):
            if old.is_dir() and not old.is_symlink():
                shutil.rmtree(old)
        folder = Path(tempfile.mkdtemp(dir=home, prefix=STAGING_PREFIX))
        try:
            yield StagedFolder(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def stage_files(staged: StagedFolder, home: Path, rules: FolderRules, *, quiet: bool) -> None:
    """Copy or link every file of ``home`` that ``rules`` do not leave out.

    ``quiet``: each folder is taken at a moment at which nothing in it changed, again if need be. Raises ``Conflict`` if
    one never rests, ``InvalidInput`` for a link or a special file.
    """
    counts: dict[str, list[int]] = {}
    groups: dict[str, None] = {}
    for top in sorted(os.scandir(home), key=lambda entry: entry.name):
        if top.name.startswith(".backup"):
            continue
        reason = rules.reason(top.name)
        if reason is not None:
            counted = counts.setdefault(reason, [0, 0])
            for size in _sizes(Path(top.path)):
                counted[0] += 1
                counted[1] += size
        else:
            groups.update(dict.fromkeys(_groups(home, top.name)))
    staged.left_out = {reason: LeftOut(files=files, size=size) for reason, (files, size) in counts.items()}
    for group in groups:
        _stage_group(staged, home, group, rules, quiet=quiet)


def _groups(home: Path, top: str) -> list[str]:
    """What is taken at one moment: a file at the top, a folder of the second level, the other files of the first."""
    path = home / top
    if path.is_symlink() or not path.is_dir():
        return [top]
    return [
        f"{top}/",
        *(
            f"{top}/{entry.name}"
            for entry in sorted(os.scandir(path), key=lambda one: one.name)
            if entry.is_dir(follow_symlinks=False)
        ),
    ]


def _stage_group(staged: StagedFolder, home: Path, group: str, rules: FolderRules, *, quiet: bool) -> None:
    pause = _FIRST_PAUSE
    for _ in range(_TRIES):
        before = _listing(home, group, rules)
        taken = {path: target for path in before if (target := _take(staged.folder, home, path)) is not None}
        if not quiet or before == _listing(home, group, rules):
            staged.files |= taken
            return
        for target in taken.values():
            target.unlink()
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
    raise Conflict(
        f"Files in {group} changed all the time, so that they could not be copied as of one moment.",
        next_step="run the backup again when no job is under way",
    )


def _listing(home: Path, group: str, rules: FolderRules) -> dict[str, tuple[int, int, int]]:
    """The files of a group, each with its size, time and number on the disk."""
    found: dict[str, tuple[int, int, int]] = {}
    root, flat = home / group.rstrip("/"), group.endswith("/")
    pending = [root]
    while pending:
        path = pending.pop()
        with suppress(FileNotFoundError):
            status = path.lstat()
            name = path.relative_to(home).as_posix()
            if stat.S_ISDIR(status.st_mode):
                inside = [Path(entry.path) for entry in os.scandir(path)]
                pending += [one for one in inside if not (flat and one.is_dir() and not one.is_symlink())]
            elif rules.transient(path.name) or path.name.endswith(_SQLITE_COMPANIONS):
                continue
            elif not stat.S_ISREG(status.st_mode):
                raise InvalidInput(
                    f"Expected files and folders to back up; {name} is a link or another kind of file.",
                    next_step="put the file itself there, or move it out of the folder",
                )
            else:
                found[name] = (status.st_size, status.st_mtime_ns, status.st_ino)
    return found


def _take(staging_folder: Path, home: Path, path: str) -> Path | None:
    """A copy of a file, or another name for it; None if it is gone."""
    source, target = home / path, staging_folder / "files" / path
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        if path.endswith(_SQLITE):
            copy_sqlite(source, target)
        elif source.stat().st_size < _LINK_FROM or not _link(source, target):
            with source.open("rb") as read, open(target, "xb", opener=private_opener) as written:
                shutil.copyfileobj(read, written, _PIECE)
    except FileNotFoundError:
        return None
    return target


def _link(source: Path, target: Path) -> bool:
    try:
        os.link(source, target, follow_symlinks=False)
    except FileNotFoundError:
        raise
    except OSError:  # a file system without links
        return False
    return True


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy an SQLite database as of one moment while others write to it, by SQLite's backup interface, in one step.

    Readers do not stop writers in the write-ahead log; in the other mode the copy waits for them. Raises ``NotFound``
    without a database, ``Conflict`` if it does not let itself be read, ``InvalidInput`` for a damaged one.
    """
    if not source.is_file():
        raise NotFound(f"Expected the database {source.name}; there is none.", next_step="check the folder")
    os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, timeout=60)) as read,
            closing(sqlite3.connect(target)) as written,
        ):
            read.backup(written)
            written.execute("PRAGMA journal_mode = DELETE")
            (found,) = written.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise Conflict(
                f"The database {source.name} could not be copied: it is in use, or the disk is full.",
                next_step="look at the free space, and run the backup again",
            ) from None
        found = "damaged"
    if found != "ok":
        raise InvalidInput(
            f"The database {source.name} is damaged, as SQLite's own check says.",
            next_step="restore it from the last good backup; do not replace that backup by this state",
        )


def _sizes(path: Path) -> Iterator[int]:
    for found in (path, *path.rglob("*")) if path.is_dir() else (path,):
        with suppress(FileNotFoundError):
            status = found.lstat()
            if stat.S_ISREG(status.st_mode):
                yield status.st_size


def _hash(path: str, source: Path, on_bytes: Callable[[int], None]) -> BackupFile:
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            size += len(piece)
            on_bytes(len(piece))
    return BackupFile(path=path, size=size, sha256=digest.hexdigest())
