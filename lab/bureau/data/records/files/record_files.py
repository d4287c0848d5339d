"""The files of records: content-addressed, written once, and checked by hash before rows are read from them.

======================  =====================================================
``records/segments/``   ``SHA256.parquet``, ``SHA256.codes``, ``SHA256.sealed``; ``SHA256.pack``, ``SHA256.packcodes``
``records/manifests/``  ``SHA256.json``: manifests and lists of packs
``records/checks``      which files were found as stored (``file_checks``)
``spool/records/``      segments that are being written: a folder each
======================  =====================================================
"""

from __future__ import annotations

import hashlib
import shutil
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from lab.bureau.data.records.confined_connection import LastingConnection, QueryLimits
from lab.bureau.data.records.files.file_checks import FileChecks, FindKey, Status, file_status
from lab.bureau.data.records.files.remote_files import RemoteFiles
from lab.disk.checked_files import DamagedFile
from lab.disk.locks import HeldLock, exclusive_lock, is_locked
from lab.disk.private_files import move_private, replace_private
from lab.tables.table_reader import hash_file

FOLDER, STAGING = "records", "spool/records"
"""In the bureau's home. What is being written is no part of a backup, as nothing in ``spool/`` is."""
_RECHECK_SECONDS = 60.0
REPAIR_HINT = "bring the file back from a backup; `lab bureau records verify` lists every damaged file"
_SMALL_BYTES = 64 << 20
_FORMER_BYTES, _FORMER_KEPT = 64 << 20, 64
_PACKED = (".pack", ".packcodes")


class RecordFiles:
    """The folder ``records/`` of one bureau. Safe to use from several threads and processes."""

    def __init__(self, folder: Path, staging: Path, lend: FindKey, remote: RemoteFiles | None = None) -> None:
        """``staging``: for what is being written, on the same disk. ``lend``: lends the key under which checks are
        kept. ``remote``: where the files are kept; then the folder is a cache of it."""
        self.folder, self.staging, self.remote = folder, staging, remote
        self.segments, self.manifests = folder / "segments", folder / "manifests"
        for place in (folder, self.segments, self.manifests, self.staging):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.checks = FileChecks(folder / "checks", lend)
        self.small_steps = LastingConnection((self.segments, self.staging), QueryLimits(memory_mib=512, threads=2))
        """For steps of imports of few rows."""
        self._guard = threading.Lock()
        self._small: dict[str, bytes] = {}
        self._checked: dict[str, tuple[Status, float]] = {}

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the lock of all changes; wait while another process or thread holds it."""
        with exclusive_lock(self.folder / "lock"):
            yield

    @contextmanager
    def staged_folder(self) -> Iterator[Path]:
        """An empty private folder that is removed at the end, or swept after a process that died."""
        folder = self.staging / token_hex(8)
        folder.mkdir(mode=0o700)
        held = HeldLock(folder / "lock")
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            held.release()

    def keep(self, staged: Path, name: str) -> None:
        """Give a finished file its place among the segments; one that is there already has the same content."""
        place = self.segments / name
        if place.exists() and hash_file(place) == name.partition(".")[0]:
            staged.unlink()
        else:
            move_private(staged, place)
        if self.remote is not None:
            self.remote.put(place, f"segments/{name}")

    def write_manifest(self, sha256: str, content: bytes) -> None:
        """Write a manifest under its hash."""
        path = self.manifests / f"{sha256}.json"
        replace_private(path, content)
        if self.remote is not None:
            self.remote.put(path, f"manifests/{path.name}")

    def read_manifest(self, sha256: str) -> bytes:
        """The bytes of a manifest; raises ``DamagedFile`` if they are missing or do not have this hash."""
        path = self.manifests / f"{sha256}.json"
        content = self._read(path, sha256)
        if content is None:
            raise DamagedFile(
                path, detail="The manifest of the records is missing or is not the one stored.", next_step=REPAIR_HINT
            )
        return content

    def list_names(self) -> set[str]:
        """The files among the segments, also those that no manifest names."""
        found = {path.name for path in self.segments.iterdir()}
        return found | (self.remote.list_names("segments") if self.remote is not None else set())

    def checked(self, name: str, sha256: str, size: int | None = None, *, again: bool = False) -> Path:
        """The path of a segment's file after its hash was compared: once in this process, and again when its status has
        changed or a minute has passed, or if ``again``. Where the folder is a cache, a file that it lacks is fetched.

        Raises ``DamagedFile``.
        """
        path, now = self.segments / name, time.monotonic()
        status = file_status(path)
        with self._guard:
            known, at = self._checked.get(name, ((), 0.0))
        if status and not again and known == status and now - at < _RECHECK_SECONDS:
            return path
        if not status or (size is not None and status[1] != size) or not _has_hash(path, sha256):
            if not self._fetch(path, sha256):
                raise _damaged(path, name)
            status = file_status(path)
        with self._guard:
            self._checked[name] = (status, now)
        return path

    def looked_at(self, name: str, sha256: str, size: int | None = None) -> Path:
        """The path of a file for a look at a few of its rows: what ``checked`` does, unless the file was found as
        stored within some weeks and its status has not changed since. Raises ``DamagedFile``."""
        path = self.segments / name
        if not self.checks.has(path):
            self.checked(name, sha256, size)
            self.checks.add([path])
        return path

    def is_remote_right(self, name: str, sha256: str) -> bool:
        """Whether the object is in the remote store as it was stored; True without such a store."""
        if self.remote is None:
            return True
        with self.staged_folder() as folder:
            return self.remote.get(f"segments/{name}", folder / name) and hash_file(folder / name) == sha256

    def read_checked(self, name: str, sha256: str) -> bytes:
        """The content of a small file of a segment; some MiB of them stay in memory. Raises ``DamagedFile``."""
        with self._guard:
            kept = self._small.get(name)
        if kept is not None:
            return kept
        content = self._read(self.segments / name, sha256)
        if content is None:
            raise _damaged(self.segments / name, name)
        with self._guard:
            if sum(map(len, self._small.values())) + len(content) <= _SMALL_BYTES:
                self._small[name] = content
        return content

    def remove(self, name: str) -> None:
        """Remove a file from among the segments; nothing happens if there is none."""
        (self.segments / name).unlink(missing_ok=True)
        if self.remote is not None:
            self.remote.remove(f"segments/{name}")

    def sweep(self, kept: Mapping[str, str], manifests: Collection[str], *, spare_seconds: float = 86_400.0) -> int:
        """Remove what an interrupted import left: files that are not ``kept``, and staging folders that no process
        holds. Call it within ``lock``.

        Earlier manifests and lists of packs (all but ``manifests``) go after a day, or when there are too many of them,
        because the newest contains them. Packs that were merged into others go after a day: a long question may still
        read them."""
        horizon = time.time() - spare_seconds
        left = [
            path
            for path in self.segments.iterdir()
            if path.name not in kept and (path.suffix not in _PACKED or path.stat().st_mtime < horizon)
        ]
        left += self._former_manifests(manifests, horizon)
        for path in left:
            path.unlink(missing_ok=True)
        if self.remote is not None:
            spared = {path.name for path in self.segments.iterdir()}
            for name in self.remote.list_names("segments") - set(kept) - spared:
                self.remote.remove(f"segments/{name}")
            for path in left:
                if path.parent == self.manifests:
                    self.remote.remove(f"manifests/{path.name}")
        for folder in self.staging.iterdir():
            # A folder without its lock file is being made just now, or is of a process that died while it made it.
            made = (folder / "lock").exists() or folder.stat().st_mtime < horizon
            if made and not is_locked(folder / "lock"):
                shutil.rmtree(folder, ignore_errors=True)
                left.append(folder)
        return len(left)

    def _former_manifests(self, manifests: Collection[str], horizon: float) -> list[Path]:
        """The manifests that go: old ones, and of the others those beyond some MiB, oldest first."""
        left, young = [], []
        for path in self.manifests.iterdir():
            if path.suffix != ".json":
                left.append(path)
            elif path.stem not in manifests:
                status = path.stat()
                young.append((status.st_mtime, status.st_size, path))
        size = 0
        for place, (made, length, path) in enumerate(sorted(young, reverse=True)):
            size += length
            if made < horizon or (size > _FORMER_BYTES and place >= _FORMER_KEPT):
                left.append(path)
        return left

    def _read(self, path: Path, sha256: str) -> bytes | None:
        """The content with this hash, fetched if the folder is a cache; None if there is none."""
        for _ in range(2):
            with suppress(OSError):
                content = path.read_bytes()
                if hashlib.sha256(content).hexdigest() == sha256:
                    return content
            if not self._fetch(path, sha256):
                break
        return None

    def _fetch(self, path: Path, sha256: str) -> bool:
        """Bring a file from the remote store; False if there is no such store, or not this file in it."""
        if self.remote is None:
            return False
        with self.staged_folder() as folder:
            fetched = folder / path.name
            if not self.remote.get(f"{path.parent.name}/{path.name}", fetched) or hash_file(fetched) != sha256:
                return False
            move_private(fetched, path)
        return True


def _damaged(path: Path, name: str) -> DamagedFile:
    return DamagedFile(
        path,
        detail=f"The file {name} of the records is missing or is not the one stored.",
        next_step=REPAIR_HINT,
    )


def _has_hash(path: Path, sha256: str) -> bool:
    try:
        return hash_file(path) == sha256
    except OSError:
        return False
