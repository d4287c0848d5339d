"""A bank's card: its name and public key, as `lab bank card` writes it and an officer's command reads it."""

from __future__ import annotations

import json
from pathlib import Path

from lab.terms.contract import Party
from lab.terms.errors import InvalidInput, NotFound
from lab.terms.lines import check_line

MAX_BYTES = 16_384


def read_card(path: Path) -> Party:
    """The bank of a card file (JSON with ``name`` and ``public_key``); raises ``NotFound`` or ``InvalidInput``."""
    if not path.is_file():
        raise NotFound(f"Wanted a bank card in file {path.name}; there is no such file.", next_step="check the path")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError
        card = json.loads(path.read_bytes())
        party = Party(name=card["name"], public_key=card["public_key"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InvalidInput(
            f"Wanted {path.name} to be a bank card with name and public_key; it is not.",
            next_step="ask the bank for the output of `lab bank card`",
        ) from None
    check_line(party.name, "a bank's name")
    return party
