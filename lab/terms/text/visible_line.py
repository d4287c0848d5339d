"""A line of text for people: what a name, a department, a reason or a catalogue word may be made of.

What a person is to read and agree to holds nothing that is not seen (``lab.terms.text.escaping``): such a character has
no business in a name, so it is refused where the name comes in, at each edge by this one rule. Contracts are held to it
when they are drafted, submitted, approved, signed and read from the other party; a document that was kept from before
can be shown, and ended, and nothing else.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from lab.terms.errors import InvalidInput
from lab.terms.text.escaping import describe_character, find_hidden


def is_visible_line(text: str) -> bool:
    """Whether ``text`` is one line of which everything is seen, without spaces at its ends or two in a row."""
    return bool(text) and not find_hidden(text)


def check_visible_line(text: str, what: str, *, longest: int = 200, least: int = 1) -> str:
    """``text``; raises ``InvalidInput`` unless it is a line of ``least`` to ``longest`` characters. Names ``what`` and
    the character that has no business in it, which is no data value."""
    if not least <= len(text) <= longest:
        raise InvalidInput(f"Wanted {what} of {least} to {longest} characters.", next_step="write it anew")
    char = find_hidden(text)
    if char:
        where = " at an end, or two in a row" if char == " " else ""
        raise InvalidInput(
            f"Wanted {what} of characters that are seen; found {describe_character(char)}{where}.",
            next_step="type it anew, without copying",
        )
    return text


def _fits(text: str) -> str:
    char = find_hidden(text)
    if char:
        raise ValueError(f"holds {describe_character(char)}, which is not seen")
    return text


VisibleLine = Annotated[str, AfterValidator(_fits)]
"""The type of such a text in a form or a file; its length is for each to say."""
VisibleName = Annotated[VisibleLine, Field(min_length=1, max_length=200)]
"""A line that names somebody or something."""
