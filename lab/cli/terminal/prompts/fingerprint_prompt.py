"""Asks for a fingerprint. The person types it as it came over another channel; it is never shown to be confirmed."""

from __future__ import annotations

import sys

from lab.cli.terminal.output import prompt_user
from lab.terms.errors import InvalidInput


def prompt_fingerprint(zh: str, en: str) -> str:
    """Ask for the fingerprint of ``zh`` and ``en``'s key; raises ``InvalidInput`` if there is no terminal."""
    if not sys.stdin.isatty():
        raise InvalidInput(
            f"Expected the fingerprint of {en}'s key; there is no terminal to ask on.",
            next_step="ask for it over another channel, then give it with --fingerprint",
        )
    return prompt_user(f"{zh}通过其他渠道告知的密钥指纹 The fingerprint that {en} gave you over another channel")
