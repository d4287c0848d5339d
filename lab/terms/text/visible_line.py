"""The rule for one line of text from outside: a name, a department, a reason or a catalogue word.

A person must see all that they agree to (``lab.terms.text.escaping``), so hidden characters are refused wherever a text
enters, by this one rule. Contracts are checked when they are drafted, submitted, approved, signed and read from the
other party. An older document that breaks the rule can still be shown and ended, and nothing else.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from lab.terms.errors import InvalidInput
from lab.terms.fields.bounded_types import LINE_PATTERN
from lab.terms.text.escaping import describe_character, find_hidden


def is_visible_line(text: str) -> bool:
    """Whether ``text`` is one visible line, without spaces at its ends or repeated spaces."""
    return bool(text) and not find_hidden(text)


def check_visible_line(text: str, what: str, *, longest: int = 200, least: int = 1) -> str:
    """Return ``text`` if it is a visible line of ``least`` to ``longest`` characters; raises ``InvalidInput``
    otherwise. The message names ``what`` and the wrong character, which is not a data value.
    """
    if not least <= len(text) <= longest:
        raise InvalidInput(f"Expected {what} of {least} to {longest} characters.", next_step="write it again")
    char = find_hidden(text)
    if char:
        where = " at an end, or two in a row" if char == " " else ""
        raise InvalidInput(
            f"Expected {what} of visible characters; found {describe_character(char)}{where}.",
            next_step="type it again, without copying",
        )
    return text


def _fits(text: str) -> str:
    char = find_hidden(text)
    if char:
        raise ValueError(f"holds {describe_character(char)}, which is hidden")
    return text


VisibleLine = Annotated[str, AfterValidator(_fits), Field(json_schema_extra={"pattern": LINE_PATTERN})]
"""The type of such a text in a form or a file; each field sets its own length."""
VisibleName = Annotated[VisibleLine, Field(min_length=1, max_length=200)]
"""A visible line of up to 200 characters that names somebody or something."""
