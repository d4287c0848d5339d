"""A steward's answer to a request: each item granted or refused, by the rules of the catalogue."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from lab.bureau.data.requests.available_items import AvailableItem
from lab.terms.errors import InvalidInput, NotAllowed

EVERY_OTHER = "all"
"""In place of codes: every item that the answer does not name otherwise."""


@dataclass(frozen=True, slots=True)
class RequestAnswer:
    """What a steward says: codes of items to grant and to refuse, and why.

    A domain's code stands for the items of that domain that were asked for, ``all`` for every item not named.
    """

    grant: tuple[str, ...] = ()
    refuse: tuple[str, ...] = ()
    reason: str = ""


def decide_items(asked: Sequence[str], answer: RequestAnswer, known: Mapping[str, AvailableItem]) -> dict[str, bool]:
    """Whether each asked item is granted, in the order asked.

    Raises ``InvalidInput`` for an item that was not asked for, that is granted and refused, or that the answer leaves
    out, and for a refusal without a reason; ``NotAllowed`` for an item that the bureau lacks or may not share.
    """
    granted, refused = _expand(answer.grant, asked), _expand(answer.refuse, asked)
    both = granted & refused
    if both:
        raise InvalidInput(
            f"Expected each item granted or refused; {len(both)} are in both lists.", next_step="say which it is"
        )
    if EVERY_OTHER in answer.grant:
        granted = set(asked) - refused
    elif EVERY_OTHER in answer.refuse:
        refused = set(asked) - granted
    left = set(asked) - granted - refused
    if left:
        raise InvalidInput(
            f"Expected an answer to each of {len(asked)} items; {len(left)} have none.",
            next_step="name them, or say `--refuse all` or `--grant all` for the rest",
        )
    if refused and not answer.reason:
        raise InvalidInput("Expected a reason for what is refused; found none.", next_step="give --reason")
    for code in asked:
        if code in granted:
            _check_may_grant(code, known.get(code))
    return {code: code in granted for code in asked}


def _expand(words: Collection[str], asked: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for word in words:
        if word == EVERY_OTHER:
            continue
        named = {word} if word in asked else {code for code in asked if code.startswith(word + ".")}
        if not named:
            raise InvalidInput(
                "Expected items of the request; another is named.", next_step="see them: `lab steward request show`"
            )
        found |= named
    return found


def _check_may_grant(code: str, about: AvailableItem | None) -> None:
    barred = "the bureau does not hold it" if about is None else about.barred
    if barred:
        raise NotAllowed(
            f"The item {code} cannot be granted: {barred}.", next_step="refuse it, and say why with --reason"
        )
