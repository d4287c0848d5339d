"""A password or passphrase: from the environment for a program, or else from the person at the terminal."""

from __future__ import annotations

import os
import sys

from lab.cli.terminal.output import prompt_user
from lab.terms.errors import InvalidInput


def read_password(variable: str, asked: str, *, confirm: bool = False) -> str:
    """The password in ``variable``, or what the person types; raises ``InvalidInput`` if there is neither."""
    missing = InvalidInput(
        f"Expected a password in {variable}; it is not set, and there is no terminal to ask on.",
        next_step=f"set {variable}",
    )
    return read_secret(variable, asked, missing, confirm=confirm)


def read_secret(variable: str, asked: str, missing: InvalidInput, *, confirm: bool = False) -> str:
    """The secret in ``variable``, or what the person types; raises ``missing`` if there is neither."""
    found = os.environ.get(variable)
    if found:
        return found
    if not sys.stdin.isatty():
        raise missing
    return prompt_user(asked, secret=True, confirm=confirm)
