"""What a command makes is its owner's, whatever the shell's umask is."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path


def lab(*words: str | Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lab.cli", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: os.umask(0),
    )
    assert done.returncode == 0, done.stderr


def test_under_umask_000_no_file_and_no_folder_is_open_to_others(tmp_path: Path) -> None:
    """Folders of parents, databases and their journals too: without the command's own umask they had mode 0777."""
    lab("bureau", "init", "--name", "x", "--home", tmp_path / "deep" / "down" / "bureau")
    lab("bank", "init", "--name", "x", "--home", tmp_path / "above" / "bank", "--key-file", tmp_path / "bank.key")
    modes = {str(path): stat.S_IMODE(path.lstat().st_mode) for path in tmp_path.rglob("*")}
    assert {path: oct(mode) for path, mode in modes.items() if mode & 0o077} == {}
    assert str(tmp_path / "deep") in modes and str(tmp_path / "deep" / "down" / "bureau" / "bureau.db") in modes
