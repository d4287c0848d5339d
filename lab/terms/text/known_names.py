"""Refuses names that nobody knows: of settings in a file, of variables in the environment, of entries in a table.

A misspelt name that is passed over leaves its default in force, and nobody notices.
"""

from __future__ import annotations

from collections.abc import Iterable

from lab.terms.errors import InvalidInput
from lab.terms.text.escaping import escape_hidden
from lab.terms.text.nearest_name import nearest_name

_LONGEST_NAME, _MOST_NAMES = 80, 10


def check_known_names(found: Iterable[str], known: Iterable[str], *, where: str, next_step: str) -> None:
    """Raise ``InvalidInput`` unless every name of ``found`` is one of ``known``; each unknown name is shown with the
    nearest known one. ``where``: what holds the names, for the message.
    """
    names = sorted(known)
    unknown = sorted(set(found) - set(names))
    if unknown:
        raise InvalidInput(
            f"Expected only known names in {where}; found {describe_unknown_names(unknown, names)}.",
            next_step=next_step,
        )


def describe_unknown_names(unknown: Iterable[str], known: Iterable[str]) -> str:
    """The unknown names in a row, each with the nearest known name: ``grad (did you mean grade?)``."""
    names, shown = tuple(known), list(unknown)
    words = [describe_unknown_name(name, nearest_name(name, names)) for name in shown[:_MOST_NAMES]]
    if len(shown) > _MOST_NAMES:
        words.append(f"and {len(shown) - _MOST_NAMES} more")
    return ", ".join(words)


def describe_unknown_name(name: str, nearest: str | None) -> str:
    """One unknown name, made visible and cut at a bound, with the name that was perhaps meant."""
    shown = str(escape_hidden(name[:_LONGEST_NAME]))
    return f"{shown} (did you mean {nearest}?)" if nearest else shown
