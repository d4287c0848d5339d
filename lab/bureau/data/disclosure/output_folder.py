"""Writing files into a folder that is not there yet, all of them or none."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from lab.disk.output_files import translate_output_errors, write_output_file
from lab.terms.errors import Conflict, NotFound


def check_output_folder(folder: Path) -> None:
    """Raise ``Conflict`` unless ``folder`` is absent or empty, ``NotFound`` if the folder around it is not there."""
    place = folder.absolute()
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise Conflict(
            f"Expected a new folder to write into; {place.name} has files, or is one.",
            next_step="choose a folder that is not there yet",
        )
    if not place.parent.is_dir():
        raise NotFound(f"Expected a folder around {place.name}; there is none.", next_step="make it, or check --out")


def write_output_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files beside ``folder`` and move them there at once; a crash leaves nothing in ``folder``.

    Raises what ``check_output_folder`` raises, and ``MachineFault`` where the system refuses.
    """
    check_output_folder(folder)
    place = folder.absolute()
    with translate_output_errors(place):
        staged = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
        try:
            for name, content in files.items():
                write_output_file(staged / name, content)
            staged.rename(place)
        except BaseException:
            shutil.rmtree(staged, ignore_errors=True)
            raise
