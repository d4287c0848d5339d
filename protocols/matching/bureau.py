"""The bureau's side of matching: evaluates its register once, and blinded identifiers as they come.

Plain data in, plain data out: ``respond`` parses group elements from strangers in native code, so it is meant to run
in a worker process; ``count_request`` runs none and comes first, for the ceiling.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from protocols.matching.engines import DEFAULT_ENGINE, ENGINES, bureau_engine
from protocols.matching.layout import contract_tags, count_elements, pack_elements, read_elements
from protocols.wire.frame import Kind, MalformedFrame

__all__ = [
    "DEFAULT_ENGINE",
    "ENGINES",
    "build_setup",
    "contract_tags",
    "count_request",
    "evaluate_register",
    "generate_key",
    "respond",
]


def generate_key(engine: str) -> bytes:
    """A fresh matching key of ``engine``."""
    return bureau_engine(engine).generate_key()


def evaluate_register(engine: str, key: bytes, identifiers: Sequence[str]) -> NDArray[np.uint8]:
    """The evaluated register, uint8 [n, width >= 32], in the order of ``identifiers``; once a key epoch."""
    return bureau_engine(engine).evaluate_register(key, identifiers)


def build_setup(
    engine: str,
    key: bytes,
    identifiers: Sequence[str],
    *,
    announced: int,
    values: NDArray[np.uint8] | None = None,
) -> bytes:
    """The set-up frame for at most ``announced`` identifiers; ``values``: the evaluated register, if at hand."""
    if announced < 1:
        raise ValueError(f"wanted at least one announced identifier; found {announced}")
    return bureau_engine(engine).build_setup(key, identifiers, announced=announced, values=values).pack()


def count_request(request: bytes) -> int:
    """How many identifiers a request asks for; raises ``MalformedFrame``. Runs no native code."""
    return count_elements(request, Kind.MATCH_REQUEST)


def respond(engine: str, key: bytes, request: bytes, *, ceiling: int) -> bytes:
    """The response frame; raises ``MalformedFrame`` beyond ``ceiling`` and ``ValueError`` for non-elements."""
    half = bureau_engine(engine)
    blinded = read_elements(request, Kind.MATCH_REQUEST, engine, half.WIDTH)
    if len(blinded) > ceiling:
        raise MalformedFrame(f"wanted at most {ceiling} identifiers in a request; found {len(blinded)}")
    return pack_elements(Kind.MATCH_RESPONSE, engine, half.evaluate_blinded(key, blinded))
