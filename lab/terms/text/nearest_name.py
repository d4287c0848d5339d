"""The known name that is nearest to a name nobody knows: what an error suggests."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest_name(found: str, known: Iterable[str]) -> str | None:
    """The one of ``known`` that looks most like ``found``, or None if none does; case does not count."""
    by_folded = {name.casefold(): name for name in known}
    matches = get_close_matches(found.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[matches[0]] if matches else None
