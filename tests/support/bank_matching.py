"""A bank's part in matching, in one call, for tests of something else."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lab.bureau.bureau import Bureau
from protocols.matching import bank

ENGINE = bank.DEFAULT_ENGINE


class MatchingClient(Protocol):
    """The bureau as a bank reaches it: over HTTP (``BureauClient``), or in this process (``InProcessClient``)."""

    def matching_setup(self, contract: str, job: str, /) -> bytes: ...

    def matching_shard(self, contract: str, job: str, sha256: str, first: int, count: int, /) -> bytes: ...

    def match(self, contract: str, job: str, frame: bytes, /) -> tuple[bytes, object]: ...


class CountingClient(Protocol):
    """The bureau as a bank reaches it to count."""

    def matching_setup(self, contract: str, job: str, /, *, counting: bool = False) -> bytes: ...

    def matching_shard(self, contract: str, job: str, sha256: str, first: int, count: int, /) -> bytes: ...

    def count_matches(self, contract: str, job: str, frame: bytes, /) -> tuple[bytes, object]: ...


@dataclass(frozen=True)
class InProcessClient:
    """A bureau in this process, with the methods of a bank's client."""

    bureau: Bureau

    def matching_setup(self, contract: str, job: str, /, *, counting: bool = False) -> bytes:
        """See ``BureauClient``."""
        return self.bureau.matching.setup(contract, job, counting=counting)

    def matching_shard(self, contract: str, job: str, sha256: str, first: int, count: int, /) -> bytes:
        """See ``BureauClient``."""
        return self.bureau.matching.shard(contract, job, sha256, first, count)

    def match(self, contract: str, job: str, frame: bytes, /) -> tuple[bytes, object]:
        """See ``BureauClient``."""
        return self.bureau.matching.match(contract, job, frame)

    def count_matches(self, contract: str, job: str, frame: bytes, /) -> tuple[bytes, object]:
        """See ``BureauClient``."""
        return self.bureau.matching.count(contract, job, frame)


@dataclass(frozen=True)
class Matched:
    """``indices`` into the codes asked, ascending; ``tags`` uint8 [m, 16]; ``digests`` uint8 [n, 32] of all asked."""

    indices: NDArray[np.int64]
    tags: NDArray[np.uint8]
    digests: NDArray[np.uint8]


def request(codes: Sequence[str], engine: str = ENGINE) -> bytes:
    """A matching request under fresh keys."""
    return bank.Blinding(engine, os.urandom(32)).build_request(codes)


def _as_client(bureau: MatchingClient | CountingClient | Bureau) -> Any:
    return InProcessClient(bureau) if isinstance(bureau, Bureau) else bureau


def places(bureau: MatchingClient | Bureau, contract: str, job: str) -> tuple[bank.SetupManifest, list[set[int]]]:
    """The set-up, fetched bucket by bucket."""
    client = _as_client(bureau)
    setup = bank.read_setup(client.matching_setup(contract, job))
    positions = []
    for number in range(setup.geometry.buckets):
        (coded,) = bank.read_shard(client.matching_shard(contract, job, setup.sha256, number, 1), setup, number, 1)
        positions.append(set(bank.decode_bucket(coded, setup.geometry).tolist()))
    return setup, positions


def match(
    bureau: MatchingClient | Bureau, contract: str, job: str, codes: Sequence[str], engine: str = ENGINE
) -> Matched:
    """Which of ``codes`` are in the register, found by the bank's half of the protocol."""
    client = _as_client(bureau)
    setup, positions = places(client, contract, job)
    blinding = bank.Blinding(engine, os.urandom(32))
    response, _ = client.match(contract, job, blinding.build_request(codes))
    digests = bank.derive_tags_and_marks(
        contract, codes, blinding.finalize(response, len(codes), setup.signed_key.public_key)
    )
    buckets, found = bank.locate_marks(setup.geometry, digests[:, bank.TAG_BYTES :])
    inside = [int(place) in positions[bucket] for bucket, place in zip(buckets, found, strict=True)]
    indices = np.flatnonzero(np.array(inside, dtype=bool))
    return Matched(indices, digests[indices, : bank.TAG_BYTES], digests)


def count(
    bureau: CountingClient | Bureau,
    contract: str,
    job: str,
    codes: Sequence[str],
    engine: str = ENGINE,
    seed: bytes = b"",
) -> int:
    """How many of ``codes`` are in the register; the same ``seed`` makes the same request."""
    client = _as_client(bureau)
    setup = bank.read_setup(client.matching_setup(contract, job, counting=True))
    buckets = setup.geometry.buckets
    coded = bank.read_shard(client.matching_shard(contract, job, setup.sha256, 0, buckets), setup, 0, buckets)
    positions = [set(bank.decode_bucket(one, setup.geometry).tolist()) for one in coded]
    blinding = bank.Blinding(engine, seed or os.urandom(32))
    response, _ = client.count_matches(contract, job, blinding.build_request(codes))
    values = blinding.finalize(response, len(codes), setup.signed_key.public_key, counting=True)
    found = bank.locate_marks(setup.geometry, bank.derive_counting_marks(contract, job, values))
    return sum(int(place) in positions[bucket] for bucket, place in zip(*found, strict=True))
