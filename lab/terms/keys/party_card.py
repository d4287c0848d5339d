"""A party's card: its name and public key. `lab bank card` writes a bank's card, which officers read; a bureau's
service gives its card at /v1/bureau, which witnesses read.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from lab.terms.errors import InvalidInput, NotFound
from lab.terms.keys.party import Party
from lab.terms.text.visible_line import check_visible_line

MAX_CARD_BYTES = 16_384

_SOURCES = {
    "bank": "ask the bank for the output of `lab bank card`",
    "bureau": "take it from the bureau's /v1/bureau",
}


def read_party_card(path: Path, *, of: Literal["bank", "bureau"] = "bank") -> Party:
    """The party of a card file (JSON with ``name`` and ``public_key``); raises ``NotFound`` or ``InvalidInput``."""
    if not path.is_file():
        raise NotFound(f"Expected a {of} card in file {path.name}; there is no such file.", next_step="check the path")
    try:
        if path.stat().st_size > MAX_CARD_BYTES:
            raise ValueError
        card = json.loads(path.read_bytes())
        party = Party(name=card["name"], public_key=card["public_key"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InvalidInput(
            f"Expected {path.name} to be a {of} card with name and public_key; it is not.", next_step=_SOURCES[of]
        ) from None
    check_visible_line(party.name, f"a {of}'s name")
    return party
