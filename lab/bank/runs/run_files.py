"""The files in the folder of a run, checked when they are read.

What a run keeps to be resumed carries its digest itself (``lab.disk.checked_files``). Results are plain files for other
programs too; their digests are in the manifest, which has one of its own. An identity is the run's name and the file's,
so that the files of two runs are not confused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.disk.checked_files import DamagedFile, file_identity, read_checked, read_sealed_json, seal_json, write_checked
from lab.disk.private_files import replace_private

DIGESTS = "files"
"""The member of a manifest that has the digests of the results."""
_RESTORE_HINT = (
    "restore the run's folder from a backup; if there is none, move it away, and the same command begins again: what "
    "was scored is then charged again"
)
_RESULT_HINT = "restore the run's folder from a backup; if there is none, move it away and score the portfolio again"


def write_run_file(folder: Path, name: str, content: bytes) -> None:
    """Write a file that a run keeps to be resumed."""
    write_checked(folder / name, content, identity=_identity(folder, name))


def read_run_file(folder: Path, name: str) -> bytes | None:
    """The content of a file of ``write_run_file``, or None without one; raises ``DamagedFile``."""
    try:
        return read_checked(folder / name, identity=_identity(folder, name), next_step=_RESTORE_HINT)
    except FileNotFoundError:
        return None


def lost_run_file(folder: Path, name: str) -> DamagedFile:
    """The error for a file that a run must have, and has not."""
    return DamagedFile(folder / name, detail=f"Run {folder.name} has lost its file {name}.", next_step=_RESTORE_HINT)


def write_run_facts(folder: Path, name: str, facts: Mapping[str, Any]) -> None:
    """Write a JSON object with its digest; what JSON does not know (a date) is written as text."""
    sealed = seal_json(facts, _identity(folder, name))
    replace_private(folder / name, json.dumps(sealed, default=str, ensure_ascii=False, indent=1).encode())


def read_run_facts(folder: Path, name: str) -> dict[str, Any]:
    """The facts of ``write_run_facts``; raises ``DamagedFile``, ``FileNotFoundError``."""
    return read_sealed_json(folder / name, identity=_identity(folder, name), next_step=_RESULT_HINT)


def digest_result(content: bytes) -> str:
    """The digest of a result, for the manifest."""
    return hashlib.sha256(content).hexdigest()


def read_result(folder: Path, name: str, digests: Mapping[str, Any]) -> bytes:
    """A result, compared with its digest in the manifest; raises ``DamagedFile`` if it is lost or another."""
    path = folder / name
    content = path.read_bytes() if path.is_file() else b""
    if digest_result(content) != digests.get(name):
        detail = f"The file {name} of run {folder.name} is lost, or not as it was written."
        raise DamagedFile(path, detail=detail, next_step=_RESULT_HINT)
    return content


def _identity(folder: Path, name: str) -> str:
    return file_identity(folder / name, 2)
