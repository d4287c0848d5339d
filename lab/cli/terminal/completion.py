"""Completion of commands in a shell (bash, zsh, fish), by typer's own scripts.

The script that ``lab --show-completion`` prints calls ``lab`` again at each press of the tabulator, with the words so
far in the environment. Only the group that these words name is loaded, as for any other call.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping

VARIABLE = "_LAB_COMPLETE"
"""Set by the scripts: which shell asks."""


def find_called_group(environment: Mapping[str, str], groups: Collection[str]) -> str | None:
    """The group of ``groups`` that the words to be completed name, if that word is whole; else None."""
    words = environment.get("COMP_WORDS") or environment.get("_TYPER_COMPLETE_ARGS") or ""
    try:
        typed = shlex.split(words)
    except ValueError:  # a quotation mark that is still open
        typed = words.split()
    group = next((word for word in typed[1:] if not word.startswith("-")), None)
    return group if group in groups else None
