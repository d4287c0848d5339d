"""The bank's side of matching: blinds its identifiers, unblinds the answers, and looks them up in the set-up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from protocols.compute_pool import ComputePool
from protocols.matching.engines import DEFAULT_ENGINE, ENGINES, bank_engine
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
]

_Rows = TypeVar("_Rows", Sequence[str], NDArray[np.uint8])
_CHUNK = 2048  # rows that one process of a crew takes at a time: about a tenth of a second's work


class CanaryMismatch(Exception):
    """An answer in which a canary is not what the published key makes of it. The message says how many."""


def check_public_key(engine: str, public_key: bytes) -> None:
    """Raise ``MalformedFrame`` unless it can be the public key of a bureau under ``engine``."""
    try:
        bank_engine(engine).check_public_key(public_key)
    except ValueError as error:
        raise MalformedFrame(str(error)) from None


class Blinding:
    """The keys of one matching request; they stay in here and can't be printed, pickled or copied.

    Made from the same seed it gives the same request for the same identifiers, byte for byte, so a request that was cut
    off can be sent again. A seed belongs to one list of identifiers (``hiding.request_seed``).
    """

    __slots__ = ("_blinding", "_engine", "_half", "_seed", "_unblinding")

    def __init__(self, engine: str, seed: bytes) -> None:
        """``seed``: 32 uniform bytes. Raises ``UnknownEngine``."""
        self._engine, self._half, self._seed = engine, bank_engine(engine), seed
        self._blinding, self._unblinding = self._half.derive_blinding_keys(seed)

    def build_request(self, identifiers: Sequence[str], crew: ComputePool | None = None) -> bytes:
        """The request frame: one blinded element an identifier, in order, with the canaries at their secret places;
        none by itself says anything, nor which sort it is of.

        Raises ``ValueError`` if an identifier is repeated.
        """
        if len(set(identifiers)) != len(identifiers):
            raise ValueError("wanted unique identifiers; at least one is repeated")
        blinded = _by_chunks(self._half.blind, self._blinding, identifiers, self._half.ELEMENT_BYTES, crew)
        if len(blinded):
            places = canary_positions(self._seed, len(blinded))
            elements = np.empty((len(blinded) + len(places), self._half.ELEMENT_BYTES), dtype=np.uint8)
            elements[_others(places, len(elements))] = blinded
            elements[places] = self._half.canary_elements(self._material(len(places)))
            blinded = elements
        return pack_elements(FrameKind.MATCH_REQUEST, self._engine, blinded)

    def finalize(
        self, response: bytes, count: int, public_key: bytes, crew: ComputePool | None = None, *, counted: bool = False
    ) -> NDArray[np.uint8]:
        """The values F(x) of ``count`` identifiers, uint8 [n, 32], in the order they were asked in; ``counted``: in the
        response's order, which says nothing.

        Raises ``MalformedFrame``, and ``CanaryMismatch`` unless every canary was answered under the key whose public
        key is ``public_key``: then nothing of the answer is to be used.
        """
        evaluated = read_elements(response, FrameKind.MATCH_RESPONSE, self._engine, self._half.ELEMENT_BYTES)
        canaries = canary_count(count)
        if len(evaluated) != count + canaries:
            raise MalformedFrame(f"wanted {count + canaries} evaluated elements; found {len(evaluated)}")
        try:
            self._half.check_elements(evaluated)
            # Canaries are unblinded too, for the look at what is no element of the group: if that came after the look
            # at canaries, the kind of the failure would tell the bureau which of the two a place holds.
            values = _by_chunks(self._half.unblind, self._unblinding, evaluated, EVALUATION_BYTES, crew)
            return values[self._identifiers(evaluated, count, public_key, counted)] if canaries else values
        except ValueError as error:
            raise MalformedFrame(str(error)) from None

    def _identifiers(
        self, evaluated: NDArray[np.uint8], count: int, public_key: bytes, counted: bool
    ) -> NDArray[np.int64]:
        """Where in an answer identifiers stand, int64 [count], after every canary was found in it as it should be."""
        places = canary_positions(self._seed, count)
        wanted = self._half.expected_canaries(self._material(len(places)), public_key)
        shown = self._half.comparable_bytes(evaluated)
        if counted:
            places = np.flatnonzero(np.isin(_whole(shown), _whole(wanted)))
            strayed = len(wanted) - len(places)
        else:
            strayed = int((shown[places] != wanted).any(axis=1).sum())
        if strayed:
            raise CanaryMismatch(f"{strayed} of {len(wanted)} canaries were not answered under the published key")
        return _others(places, len(evaluated))

    def _material(self, count: int) -> list[bytes]:
        return canary_scalar_material(self._seed, count, self._half.SCALAR_MATERIAL_BYTES)

    def __repr__(self) -> str:
        return f"Blinding({self._engine}, hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a blinding cannot be pickled or copied")


def _others(places: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Which of ``range(count)`` are not among ``places``, ascending."""
    free = np.ones(count, dtype=np.bool_)
    free[places] = False
    return np.flatnonzero(free)


def _whole(rows: NDArray[np.uint8]) -> NDArray[np.void]:
    """uint8 [n, 32] as n things to be compared whole."""
    return np.ascontiguousarray(rows).view(np.dtype((np.void, rows.shape[1]))).reshape(-1)


def _by_chunks(
    work: Callable[[bytes, _Rows], NDArray[np.uint8]], key: bytes, rows: _Rows, width: int, crew: ComputePool | None
) -> NDArray[np.uint8]:
    if not len(rows):
        return np.zeros((0, width), dtype=np.uint8)
    if crew is None or len(rows) <= _CHUNK:
        return work(key, rows)
    chunks = ((key, rows[start : start + _CHUNK]) for start in range(0, len(rows), _CHUNK))
    return np.concatenate(list(crew.map(work, chunks)))
