"""The bank's side of matching: it blinds its identifiers, unblinds the response, and looks marks up in the set-up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from protocols.compute_pool import ComputePool
from protocols.matching.arithmetic_time import timed
from protocols.matching.engines import DEFAULT_ENGINE, ENGINES, bank_engine, engine_module
from protocols.matching.golomb_sets import MIN_BITS_PER_ENTRY, BucketGeometry, locate_marks
from protocols.matching.messages import (
    EVALUATION_BYTES,
    MAX_ELEMENTS,
    MIN_COUNT_IDENTIFIERS,
    MatchingOperation,
    derive_counting_marks,
    derive_tags_and_marks,
    matching_operation,
    pack_elements,
    read_elements,
)
from protocols.matching.request_composition import (
    MIN_CANARIES,
    canary_count,
    canary_positions,
    canary_scalar_material,
    element_count,
    max_identifiers,
    permutation_seed,
    request_seed,
    request_sizes,
    secret_permutation,
)
from protocols.matching.setup import (
    MAX_SHARD_BUCKETS,
    SetupManifest,
    SignedMatchingKey,
    apply_delta,
    check_bucket,
    count_bucket,
    decode_bucket,
    read_delta,
    read_setup,
    read_shard,
)
from protocols.wire.frame import TAG_BYTES, FrameKind, MalformedFrame

__all__ = [
    "DEFAULT_ENGINE",
    "ENGINES",
    "EVALUATION_BYTES",
    "MAX_ELEMENTS",
    "MAX_SHARD_BUCKETS",
    "MIN_BITS_PER_ENTRY",
    "MIN_CANARIES",
    "MIN_COUNT_IDENTIFIERS",
    "TAG_BYTES",
    "Blinding",
    "BucketGeometry",
    "CanaryMismatch",
    "MatchingOperation",
    "SetupManifest",
    "SignedMatchingKey",
    "apply_delta",
    "canary_count",
    "check_bucket",
    "check_public_key",
    "count_bucket",
    "decode_bucket",
    "derive_counting_marks",
    "derive_tags_and_marks",
    "element_count",
    "locate_marks",
    "matching_operation",
    "max_identifiers",
    "permutation_seed",
    "read_delta",
    "read_setup",
    "read_shard",
    "request_seed",
    "request_sizes",
    "secret_permutation",
    "worker_modules",
]

_Rows = TypeVar("_Rows", Sequence[str], NDArray[np.uint8])
_CHUNK = 2048  # rows that one process of a pool takes at a time: about a tenth of a second's work


class CanaryMismatch(Exception):
    """A response in which canaries were not evaluated under the published key. The message says how many."""


def worker_modules(engine: str) -> tuple[str, ...]:
    """The modules that blind and unblind under ``engine``, for a pool that loads them; raises ``UnknownEngine``."""
    return __name__, engine_module(engine, "bank")


def check_public_key(engine: str, public_key: bytes) -> None:
    """Raise ``MalformedFrame`` unless it can be the public key of a bureau under ``engine``."""
    try:
        bank_engine(engine).check_public_key(public_key)
    except ValueError as error:
        raise MalformedFrame(str(error)) from None


class Blinding:
    """The keys of one matching request. They stay in here and cannot be printed, pickled or copied.

    The same seed and identifiers give the same request, byte for byte, so a request that was cut off can be sent again.
    A seed belongs to one list of identifiers (``request_composition.request_seed``).
    """

    __slots__ = ("_blinding", "_engine", "_half", "_seed", "_unblinding", "arithmetic_seconds")

    def __init__(self, engine: str, seed: bytes) -> None:
        """``seed``: 32 uniform bytes. Raises ``UnknownEngine``."""
        self._engine, self._half, self._seed = engine, bank_engine(engine), seed
        self._blinding, self._unblinding = self._half.derive_blinding_keys(seed)
        self.arithmetic_seconds = 0.0
        """Processor seconds of the engine's arithmetic so far, of all processes."""

    def build_request(self, identifiers: Sequence[str], pool: ComputePool | None = None) -> bytes:
        """The request frame: a blinded element for each identifier, in order, and canaries at secret positions.

        An element shows neither its identifier nor whether it is a canary. Raises ``ValueError`` if an identifier is
        repeated.
        """
        if len(set(identifiers)) != len(identifiers):
            raise ValueError("wanted unique identifiers; at least one is repeated")
        elements = self._map_chunks(self._half.blind, self._blinding, identifiers, self._half.ELEMENT_BYTES, pool)
        if len(elements):
            elements = self._with_canaries(elements)
        return pack_elements(FrameKind.MATCH_REQUEST, self._engine, elements)

    def _with_canaries(self, blinded: NDArray[np.uint8]) -> NDArray[np.uint8]:
        positions = canary_positions(self._seed, len(blinded))
        elements = np.empty((len(blinded) + len(positions), self._half.ELEMENT_BYTES), dtype=np.uint8)
        elements[_complement(positions, len(elements))] = blinded
        elements[positions] = self._timed(self._half.canary_elements, self._material(len(positions)))
        return elements

    def finalize(
        self, response: bytes, count: int, public_key: bytes, pool: ComputePool | None = None, *, counting: bool = False
    ) -> NDArray[np.uint8]:
        """The evaluations F(x) of ``count`` identifiers, uint8 [n, 32], in the order of the request.

        ``counting``: in the order of the response, which is sorted. Raises ``MalformedFrame``, and ``CanaryMismatch``
        unless every canary was evaluated under the key of ``public_key``; then nothing of the response may be used.
        """
        evaluated = read_elements(response, FrameKind.MATCH_RESPONSE, self._engine, self._half.ELEMENT_BYTES)
        canaries = canary_count(count)
        if len(evaluated) != count + canaries:
            raise MalformedFrame(f"wanted {count + canaries} evaluated elements; found {len(evaluated)}")
        try:
            self._half.check_elements(evaluated)
            # Canaries are unblinded too, because that refuses elements outside the group. If canaries were compared
            # first, the kind of failure would tell the bureau whether a position holds a canary.
            evaluations = self._map_chunks(self._half.unblind, self._unblinding, evaluated, EVALUATION_BYTES, pool)
            if not canaries:
                return evaluations
            return evaluations[self._identifier_positions(evaluated, count, public_key, counting)]
        except ValueError as error:
            raise MalformedFrame(str(error)) from None

    def _identifier_positions(
        self, evaluated: NDArray[np.uint8], count: int, public_key: bytes, counting: bool
    ) -> NDArray[np.int64]:
        """The positions of the identifiers in a response, int64 [count]; raises ``CanaryMismatch``."""
        positions = canary_positions(self._seed, count)
        expected = self._timed(self._half.expected_canaries, self._material(len(positions)), public_key)
        received = self._half.comparable_bytes(evaluated)
        if counting:
            positions = np.flatnonzero(np.isin(_as_items(received), _as_items(expected)))
            mismatches = len(expected) - len(positions)
        else:
            mismatches = int((received[positions] != expected).any(axis=1).sum())
        if mismatches:
            raise CanaryMismatch(f"{mismatches} of {len(expected)} canaries were not answered under the published key")
        return _complement(positions, len(evaluated))

    def _material(self, count: int) -> list[bytes]:
        return canary_scalar_material(self._seed, count, self._half.SCALAR_MATERIAL_BYTES)

    def _timed(self, work: Callable[..., NDArray[np.uint8]], *arguments: Any) -> NDArray[np.uint8]:
        result, seconds = timed(work, *arguments)
        self.arithmetic_seconds += seconds
        return result

    def _map_chunks(
        self,
        work: Callable[[bytes, _Rows], NDArray[np.uint8]],
        key: bytes,
        rows: _Rows,
        width: int,
        pool: ComputePool | None,
    ) -> NDArray[np.uint8]:
        """``work`` over all rows, uint8 [n, width], in chunks over the processes of ``pool`` if there are many."""
        if not len(rows):
            return np.zeros((0, width), dtype=np.uint8)
        if pool is None or len(rows) <= _CHUNK:
            return self._timed(work, key, rows)
        chunks = ((key, rows[start : start + _CHUNK]) for start in range(0, len(rows), _CHUNK))
        parts = list(pool.map(partial(timed, work), chunks))
        self.arithmetic_seconds += sum(seconds for _, seconds in parts)
        return np.concatenate([part for part, _ in parts])

    def __repr__(self) -> str:
        return f"Blinding({self._engine}, hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a blinding cannot be pickled or copied")


def _complement(positions: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The numbers of ``range(count)`` that are not among ``positions``, ascending."""
    free = np.ones(count, dtype=np.bool_)
    free[positions] = False
    return np.flatnonzero(free)


def _as_items(rows: NDArray[np.uint8]) -> NDArray[np.void]:
    """uint8 [n, 32] as n items that compare as wholes."""
    return np.ascontiguousarray(rows).view(np.dtype((np.void, rows.shape[1]))).reshape(-1)
