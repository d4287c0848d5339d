"""The bureau's side of matching: it evaluates its register and a bank's blinded identifiers, and makes set-ups.

Every function takes and returns plain data. The heavy ones (``evaluate_register``, ``evaluate_elements``) are functions
of a key and rows that run on one core, so rows can be split over processes and machines. ``read_request``, which reads
a stranger's bytes, comes first: it checks the ceiling and runs no arithmetic on the curve.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from protocols.matching.arithmetic_time import timed
from protocols.matching.engines import DEFAULT_ENGINE, ENGINES, bureau_engine, engine_module
from protocols.matching.golomb_sets import (
    BUCKET_ENTRIES,
    MIN_BITS_PER_ENTRY,
    BucketGeometry,
    locate_marks,
    multiset_difference,
)
from protocols.matching.key_derivation import compute_public_key, derive_contract_key
from protocols.matching.messages import (
    EVALUATION_BYTES,
    MARK_BYTES,
    MAX_ELEMENTS,
    MIN_COUNT_IDENTIFIERS,
    MatchingOperation,
    count_elements,
    derive_counting_marks,
    derive_tags_and_marks,
    matching_operation,
    pack_elements,
    read_elements,
)
from protocols.matching.request_composition import MIN_CANARIES
from protocols.matching.setup import (
    MAX_SHARD_BUCKETS,
    SetupContents,
    SetupManifest,
    SignedMatchingKey,
    decode_bucket,
    encode_bucket,
    pack_delta,
    pack_setup,
    pack_shard,
    read_setup,
)
from protocols.wire.frame import TAG_BYTES, FrameKind, MalformedFrame

__all__ = [
    "BUCKET_ENTRIES",
    "DEFAULT_ENGINE",
    "ENGINES",
    "EVALUATION_BYTES",
    "MARK_BYTES",
    "MAX_ELEMENTS",
    "MAX_SHARD_BUCKETS",
    "MIN_BITS_PER_ENTRY",
    "MIN_CANARIES",
    "MIN_COUNT_IDENTIFIERS",
    "REGISTER_CHUNK_ROWS",
    "TAG_BYTES",
    "WORKER_MODULES",
    "BucketGeometry",
    "MatchingOperation",
    "SetupContents",
    "SetupManifest",
    "SignedMatchingKey",
    "arithmetic_library",
    "compute_public_key",
    "count_requested_elements",
    "decode_bucket",
    "derive_contract_key",
    "derive_counting_marks",
    "derive_tags_and_marks",
    "encode_bucket",
    "evaluate_elements",
    "evaluate_register",
    "generate_key",
    "locate_marks",
    "matching_operation",
    "multiset_difference",
    "pack_delta",
    "pack_response",
    "pack_setup",
    "pack_shard",
    "read_request",
    "read_setup",
    "timed",
]

REGISTER_CHUNK_ROWS = 8_192
"""Register rows that are evaluated and stored together: less than half a second's work of one core."""
WORKER_MODULES = (__name__, engine_module(DEFAULT_ENGINE, "bureau"))
"""The modules that evaluate under the default engine, for a pool that loads them."""


def generate_key(engine: str) -> bytes:
    """A fresh secret for an epoch and ``engine``, from which the keys of contracts are derived (``key_derivation``)."""
    return bureau_engine(engine).generate_key()


def arithmetic_library(engine: str) -> str:
    """The name of the library that does an engine's arithmetic in this process."""
    return bureau_engine(engine).arithmetic_library()


def evaluate_register(engine: str, key: bytes, identifiers: Sequence[str]) -> NDArray[np.uint8]:
    """The evaluations F(x), uint8 [n, 32], in the order of ``identifiers``; on one core."""
    if not len(identifiers):
        return np.zeros((0, EVALUATION_BYTES), dtype=np.uint8)
    return bureau_engine(engine).evaluate_register(key, identifiers)


def count_requested_elements(request: bytes) -> int:
    """How many elements a request holds; raises ``MalformedFrame``. Runs no native code."""
    return count_elements(request, FrameKind.MATCH_REQUEST)


def read_request(engine: str, request: bytes, *, ceiling: int) -> NDArray[np.uint8]:
    """The blinded elements of a request, uint8 [n, width], checked by the rules that need no arithmetic on the curve.

    Raises ``MalformedFrame`` for more elements than ``ceiling``, and for elements that are not canonical or repeated.
    """
    half = bureau_engine(engine)
    blinded = read_elements(request, FrameKind.MATCH_REQUEST, engine, half.ELEMENT_BYTES)
    if len(blinded) > ceiling:
        raise MalformedFrame(f"wanted at most {ceiling} identifiers in a request; found {len(blinded)}")
    try:
        half.check_elements(blinded)
    except ValueError as error:
        raise MalformedFrame(str(error)) from None
    return blinded


def evaluate_elements(engine: str, key: bytes, elements: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Evaluated elements, uint8 [n, width], in order; on one core. Raises ``ValueError`` for one outside the group."""
    half = bureau_engine(engine)
    if not len(elements):
        return np.zeros((0, half.ELEMENT_BYTES), dtype=np.uint8)
    return half.evaluate_elements(key, elements)


def pack_response(engine: str, evaluated: NDArray[np.uint8], *, counting: bool = False) -> bytes:
    """The response frame over ``evaluated``, uint8 [n, width].

    ``counting``: elements are sorted, so their order does not show which identifier each belongs to (De Cristofaro,
    Gasti, Tsudik 2012: cardinality alone).
    """
    if counting:
        evaluated = evaluated[np.lexsort(evaluated.T[::-1])]
    return pack_elements(FrameKind.MATCH_RESPONSE, engine, evaluated)
