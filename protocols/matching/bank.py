"""The bank's side of matching: blinds its identifiers, learns which of them the register holds, and their tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from protocols.matching.engines import bank_engine
from protocols.matching.layout import contract_tags, pack_elements, read_elements
from protocols.wire.frame import Kind, MalformedFrame, unpack


@dataclass(frozen=True)
class Matched:
    """The intersection: ``indices`` int64 [m], ascending, into the identifiers asked; ``tags`` uint8 [m, 16].

    ``false_positive_rate`` is the set-up's own bound for the whole query.
    """

    indices: NDArray[np.int64]
    tags: NDArray[np.uint8]
    false_positive_rate: float


class Matcher:
    """One matching session. Its blinding key is fresh, never leaves, and can't be printed or pickled."""

    __slots__ = ("_count", "_engine", "_request", "_session", "_width")

    def __init__(self, engine: str, identifiers: Sequence[str]) -> None:
        """``identifiers``: unique and normalised; raises ``ValueError`` if one is repeated."""
        if len(set(identifiers)) != len(identifiers):
            raise ValueError("wanted unique identifiers; at least one is repeated")
        half = bank_engine(engine)
        self._engine, self._width, self._count = engine, half.WIDTH, len(identifiers)
        self._session = half.open_session()
        self._request = pack_elements(Kind.MATCH_REQUEST, engine, self._session.blind(identifiers))

    def request(self) -> bytes:
        """The request frame: one blinded element an identifier, uniform in the group, in order."""
        return self._request

    def finish(self, setup: bytes, response: bytes, *, contract: str) -> Matched:
        """The intersection, from the set-up and the response to ``request``; raises ``MalformedFrame``."""
        frame = unpack(setup, Kind.MATCH_SETUP)
        if frame.text("engine") != self._engine:
            raise MalformedFrame(f"the set-up is not one of engine {self._engine}")
        if frame.number("announced", low=1, high=2**40) < self._count:
            raise MalformedFrame("the set-up was made for fewer identifiers: its false-positive rate would be wrong")
        evaluated = read_elements(response, Kind.MATCH_RESPONSE, self._engine, self._width)
        if len(evaluated) != self._count:
            raise MalformedFrame(f"wanted {self._count} evaluated elements; found {len(evaluated)}")
        found = self._session.intersect(frame, evaluated)
        indices = np.unique(found[(found >= 0) & (found < self._count)])
        values = self._session.unblind(evaluated[indices])
        rate = frame.meta.get("false_positive_rate")
        if not isinstance(rate, (int, float)) or not 0 <= rate < 1:
            raise MalformedFrame("the set-up does not state its false-positive rate")
        return Matched(indices, contract_tags(contract, values), float(rate))

    def __repr__(self) -> str:
        return f"Matcher({self._engine}, {self._count} identifiers, hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a matching session cannot be pickled or copied")
