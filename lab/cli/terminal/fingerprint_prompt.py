"""Asking for a fingerprint: it is typed, as it came by another channel, and never offered for a nod."""

from __future__ import annotations

import sys

from lab.cli.terminal.output import prompt_user
from lab.terms.errors import InvalidInput


def prompt_fingerprint(zh: str, en: str) -> str:
    """What the person types; raises ``InvalidInput`` where nobody can be asked."""
    if not sys.stdin.isatty():
        raise InvalidInput(
            f"Wanted the fingerprint of {en}'s key; there is no terminal to ask on.",
            next_step="have it read out to you over another channel, then give it with --fingerprint",
        )
    asked = f"{zh}通过其他渠道告知的密钥指纹 The fingerprint that {en} told you over another channel"
    return prompt_user(asked)
