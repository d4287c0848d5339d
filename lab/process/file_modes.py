"""The modes of files and folders that a process makes: the owner's alone, whatever the shell's umask is.

umask(2). Every module asks for its modes anyway (``lab.disk.private_files``); this holds for what libraries make:
databases, temporary files, folders of parents.
"""

from __future__ import annotations

import os

PRIVATE_UMASK = 0o077


def keep_new_files_private() -> None:
    """From now on nobody but the owner may read, write or enter what this process and its children make."""
    os.umask(PRIVATE_UMASK)
