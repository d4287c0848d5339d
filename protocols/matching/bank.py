"""The bank's side of matching: blinds its identifiers, unblinds the answers, and looks them up in the set-up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from protocols.crew import Crew
from protocols.matching.engines import DEFAULT_ENGINE, ENGINES, bank_engine
from protocols.matching.layout import (
    MAX_ELEMENTS,
    MIN_COUNTED,
    TAG_BYTES,
    VALUE_BYTES,
    count_marks,
    digests,
    pack_elements,
    read_elements,
)
from protocols.matching.marks import BOUND_BITS, Geometry, place
from protocols.matching.setup import (
    MAX_SHARD,
    Setup,
    apply_delta,
    check_bucket,
    decode_bucket,
    read_delta,
    read_setup,
    read_shard,
)
from protocols.wire.frame import Kind, MalformedFrame

__all__ = [
    "BOUND_BITS",
    "DEFAULT_ENGINE",
    "ENGINES",
    "MAX_ELEMENTS",
    "MAX_SHARD",
    "MIN_COUNTED",
    "TAG_BYTES",
    "VALUE_BYTES",
    "Blinding",
    "Geometry",
    "Setup",
    "apply_delta",
    "check_bucket",
    "count_marks",
    "decode_bucket",
    "digests",
    "place",
    "read_delta",
    "read_setup",
    "read_shard",
]

_Rows = TypeVar("_Rows", Sequence[str], NDArray[np.uint8])
_CHUNK = 2048  # rows that one process of a crew takes at a time: about a tenth of a second's work


class Blinding:
    """The keys of one matching request; they stay in here and can't be printed, pickled or copied.

    Made from the same seed it gives the same request for the same identifiers, byte for byte, so a request that was cut
    off can be sent again. A seed belongs to one set of identifiers.
    """

    __slots__ = ("_blinding", "_engine", "_half", "_unblinding")

    def __init__(self, engine: str, seed: bytes) -> None:
        """``seed``: 32 uniform bytes. Raises ``UnknownEngine``."""
        self._engine, self._half = engine, bank_engine(engine)
        self._blinding, self._unblinding = self._half.keys_of(seed)

    def request(self, identifiers: Sequence[str], crew: Crew | None = None) -> bytes:
        """The request frame: one blinded element an identifier, in order; none by itself says anything.

        Raises ``ValueError`` if an identifier is repeated.
        """
        if len(set(identifiers)) != len(identifiers):
            raise ValueError("wanted unique identifiers; at least one is repeated")
        blinded = _by_chunks(self._half.blind, self._blinding, identifiers, self._half.WIDTH, crew)
        return pack_elements(Kind.MATCH_REQUEST, self._engine, blinded)

    def finish(self, response: bytes, count: int, crew: Crew | None = None) -> NDArray[np.uint8]:
        """The values F(x), uint8 [count, 32], in the response's order; raises ``MalformedFrame``."""
        evaluated = read_elements(response, Kind.MATCH_RESPONSE, self._engine, self._half.WIDTH)
        if len(evaluated) != count:
            raise MalformedFrame(f"wanted {count} evaluated elements; found {len(evaluated)}")
        try:
            self._half.check_elements(evaluated)
            return _by_chunks(self._half.unblind, self._unblinding, evaluated, VALUE_BYTES, crew)
        except ValueError as error:
            raise MalformedFrame(str(error)) from None

    def __repr__(self) -> str:
        return f"Blinding({self._engine}, hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a blinding cannot be pickled or copied")


def _by_chunks(
    work: Callable[[bytes, _Rows], NDArray[np.uint8]], key: bytes, rows: _Rows, width: int, crew: Crew | None
) -> NDArray[np.uint8]:
    if not len(rows):
        return np.zeros((0, width), dtype=np.uint8)
    if crew is None or len(rows) <= _CHUNK:
        return work(key, rows)
    chunks = ((key, rows[start : start + _CHUNK]) for start in range(0, len(rows), _CHUNK))
    return np.concatenate(list(crew.map(work, chunks)))
