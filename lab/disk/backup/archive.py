"""The content of a backup: a magic line, the manifest's length, the signed manifest, and the files' bytes in order.

There are no headers between files: the manifest, which is read and verified first, says where each begins and ends. So
the parser has one length to bound, and nothing in the content can name a path, a link or a mode.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from lab.disk.backup.backup_keys import BackupKey, BackupRecipient
from lab.disk.backup.encrypted_file import DecryptingReader, encrypt_pieces
from lab.disk.backup.manifest import (
    BackupFile,
    BackupManifest,
    BackupParty,
    SignedManifest,
    manifest_signing_input,
)
from lab.disk.private_files import create_private, private_opener
from lab.terms.errors import Conflict, InvalidInput, NotAuthentic, NotFound
from lab.terms.progress import SILENT, Progress

_MAGIC = b"SHULAB-BACKUP/1\n"
_LENGTH_BYTES, _MAX_MANIFEST = 4, 256 * 1024 * 1024
_PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class VerifiedBackup:
    """A backup whose every byte was checked: its manifest, and the SHA-256 of the manifest, which names the backup."""

    manifest: BackupManifest
    sha256: str


def write_backup(
    path: Path,
    recipients: Sequence[BackupRecipient],
    manifest: BackupManifest,
    sign: Callable[[bytes], bytes],
    sources: Mapping[str, Path],
    progress: Progress = SILENT,
) -> VerifiedBackup:
    """Encrypt the manifest and the files to the new file ``path`` (mode 0600), which gets its name when it is whole.

    ``sources``: where the bytes of each path are. Raises ``Conflict`` if ``path`` exists, or if a file is no longer as
    the manifest says.
    """
    text = manifest.to_json()
    signature = sign(manifest_signing_input(text)).hex()
    head = SignedManifest(manifest=text.decode(), signature=signature).model_dump_json().encode()
    start = _MAGIC + len(head).to_bytes(_LENGTH_BYTES, "big") + head
    with create_private(path) as file, progress.stage("encrypt-backup", manifest.size) as stage:
        encrypt_pieces(chain((start,), _read_sources(manifest, sources, stage.advance)), file, recipients)
    return VerifiedBackup(manifest, hashlib.sha256(text).hexdigest())


def _read_sources(
    manifest: BackupManifest, sources: Mapping[str, Path], advance: Callable[[int], None]
) -> Iterator[bytes]:
    """The files' bytes in the manifest's order; raises ``Conflict`` for a file that is not as it says."""
    for listed in manifest.files:
        digest, size = hashlib.sha256(), 0
        with sources[listed.path].open("rb") as source:
            while piece := source.read(_PIECE):
                yield piece
                digest.update(piece)
                size += len(piece)
                advance(len(piece))
        if (size, digest.hexdigest()) != (listed.size, listed.sha256):
            raise Conflict(f"The file {listed.path} changed while it was backed up.", next_step="run it again")


def verify_backup(path: Path, key: BackupKey, party: BackupParty, *, progress: Progress = SILENT) -> VerifiedBackup:
    """Read a backup from end to end and check everything in it; writes nothing.

    Raises ``NotFound``, ``InvalidInput`` for another file or another party's backup, ``NotAuthentic`` for a wrong key,
    a manifest that its party did not sign, damage, or a file that is cut off.
    """
    with progress.stage("verify-backup", path.stat().st_size if path.is_file() else 0) as stage:
        reading = _read(path, key, party)
        manifest, _, _ = next(reading)
        for _, _, pieces in reading:
            for piece in pieces:
                stage.advance(len(piece))
    return VerifiedBackup(manifest, hashlib.sha256(manifest.to_json()).hexdigest())


def extract_backup(
    path: Path, key: BackupKey, checked: VerifiedBackup, folder: Path, *, progress: Progress = SILENT
) -> None:
    """Write the files of a backup that ``verify_backup`` has checked into the new, empty ``folder`` (mode 0700).

    Raises ``NotAuthentic`` if the backup is another one by now; the caller then removes the folder.
    """
    with progress.stage("restore", checked.manifest.size) as stage:
        for manifest, listed, pieces in _read(path, key, checked.manifest.party):
            if manifest != checked.manifest:
                raise NotAuthentic("The backup was exchanged while it was restored.", next_step="ask who did it")
            if listed is None:
                continue
            target = folder / listed.path
            _make_folders(folder, listed.path)
            with open(target, "xb", opener=private_opener) as file:
                for piece in pieces:
                    file.write(piece)
                    stage.advance(len(piece))
    os.sync()  # one call for all files; a call each would take minutes for a hundred thousand of them


def _make_folders(folder: Path, path: str) -> None:
    """The folders that a file needs, each with mode 0700: ``mkdir`` gives that mode to the last one only."""
    made = folder
    for name in path.split("/")[:-1]:
        made /= name
        made.mkdir(mode=0o700, exist_ok=True)


def _read(
    path: Path, key: BackupKey, party: BackupParty
) -> Iterator[tuple[BackupManifest, BackupFile | None, Iterator[bytes]]]:
    """The manifest by itself, and then with each file and its bytes, which the caller consumes in turn."""
    if not path.is_file():
        raise NotFound(f"Expected a backup in {path.name}; there is none.", next_step="check the path")
    with path.open("rb") as file, DecryptingReader(file, key) as reader:
        manifest = _read_manifest(reader, party)
        yield manifest, None, iter(())
        for listed in manifest.files:
            yield manifest, listed, _read_file(reader, listed)
        reader.read_end()


def _read_manifest(reader: DecryptingReader, party: BackupParty) -> BackupManifest:
    if reader.read_exactly(len(_MAGIC)) != _MAGIC:
        raise InvalidInput(
            "Expected a backup of Shulab; the encrypted file is another one.", next_step="check the path"
        )
    length = int.from_bytes(reader.read_exactly(_LENGTH_BYTES), "big")
    if length > _MAX_MANIFEST:
        raise InvalidInput(
            f"Expected a manifest of at most {_MAX_MANIFEST} bytes; found a longer one.", next_step="check the file"
        )
    manifest, signature = SignedManifest.parse(reader.read_exactly(length))
    manifest.verify(signature)
    if manifest.party != party:
        raise InvalidInput(
            f"Expected a backup of a {party}; this one is of a {manifest.party}.",
            next_step=f"use `lab {manifest.party} restore`, or another file",
        )
    return manifest


def _read_file(reader: DecryptingReader, listed: BackupFile) -> Iterator[bytes]:
    digest, left = hashlib.sha256(), listed.size
    while left:
        piece = reader.read(min(left, _PIECE))
        if not piece:
            raise NotAuthentic("The backup ends before its last file.", next_step="take another copy of it")
        digest.update(piece)
        left -= len(piece)
        yield piece
    if digest.hexdigest() != listed.sha256:
        raise NotAuthentic(
            f"The file {listed.path} in the backup is not the one that its manifest lists.",
            next_step="take another copy of the backup",
        )
