"""Set-ups in frames: a manifest that names every bucket by its hash, shards of buckets, and deltas between set-ups.

The manifest's own SHA-256 names the set-up. With the manifest a bank can take buckets from anywhere, in any order and
after any interruption, and it can check the result of a delta.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from protocols.matching.golomb_sets import (
    FALSE_POSITIVE_BITS,
    MAX_BUCKETS,
    MAX_SLOTS,
    BucketGeometry,
    MalformedGolombSet,
    apply_difference,
    count_encoded,
    decode_golomb,
    encode_golomb,
)
from protocols.wire.frame import Frame, FrameKind, MalformedFrame, unpack_frame

MAX_SHARD_BUCKETS = 64
"""The most buckets in one shard frame: about 22 MB."""
MAX_BUCKET_BYTES = 2 * 1024 * 1024
MAX_ENTRIES = MAX_BUCKETS * MAX_SLOTS
_KEY = re.compile(r"([0-9a-f]{64}|[0-9a-f]{66})")
_SIGNATURE = re.compile(r"[0-9a-f]{128}")
_HASH = 32


@dataclass(frozen=True, slots=True)
class SignedMatchingKey:
    """A bureau's signed statement of the matching key of a contract, operation and epoch.

    The signature covers the key and the register's size (``lab.terms.keys.matching_key_statement``).
    """

    public_key: bytes
    """P = s·B in the engine's encoding."""
    register_entries: int
    """The size of the register, rounded up to two digits."""
    signature: bytes
    """Ed25519, 64 bytes."""


@dataclass(frozen=True, slots=True)
class SetupContents:
    """What a manifest says of a set-up.

    It depends on the key, the contract and the marks alone. So a register version that changes nothing for a contract
    changes no byte of its set-up.
    """

    engine: str
    epoch: int
    for_counting: bool
    """Whether the marks belong to one counting job."""
    entries: int
    """How many marks all buckets hold."""
    geometry: BucketGeometry
    bucket_sizes: tuple[int, ...]
    """Bytes of each coded bucket."""
    bucket_hashes: tuple[bytes, ...]
    """SHA-256 of each coded bucket."""
    signed_key: SignedMatchingKey


@dataclass(frozen=True, slots=True)
class SetupManifest(SetupContents):
    """A parsed manifest. ``sha256``, of its frame, names the set-up."""

    sha256: str

    @property
    def false_positive_rate(self) -> float:
        """The chance that one look-up is falsely positive."""
        return self.geometry.false_positive_rate(self.entries)

    @property
    def total_bytes(self) -> int:
        """Bytes of all buckets."""
        return sum(self.bucket_sizes)


def pack_setup(setup: SetupContents) -> bytes:
    """The manifest frame; raises ``ValueError`` unless there is a size and a hash for each bucket."""
    if not len(setup.bucket_sizes) == len(setup.bucket_hashes) == setup.geometry.buckets:
        raise ValueError(f"wanted a size and a hash of each of {setup.geometry.buckets} buckets")
    meta = {
        "engine": setup.engine,
        "epoch": setup.epoch,
        "counting": setup.for_counting,
        "entries": setup.entries,
        "buckets": setup.geometry.buckets,
        "slots": setup.geometry.slots,
        "public_key": setup.signed_key.public_key.hex(),
        "register_entries": setup.signed_key.register_entries,
        "key_signature": setup.signed_key.signature.hex(),
    }
    parts = (np.array(setup.bucket_sizes, dtype="<u4").tobytes(), b"".join(setup.bucket_hashes))
    return Frame(FrameKind.MATCH_SETUP, meta, parts).pack()


def read_setup(data: bytes) -> SetupManifest:
    """Parse a manifest frame; raises ``MalformedFrame``."""
    frame = unpack_frame(data, FrameKind.MATCH_SETUP)
    buckets = frame.number("buckets", low=1, high=MAX_BUCKETS)
    geometry = BucketGeometry(buckets, frame.number("slots", low=1, high=MAX_SLOTS))
    entries = frame.number("entries", low=0, high=geometry.capacity)
    counting = frame.meta.get("counting")
    if not isinstance(counting, bool):
        raise MalformedFrame("a manifest says whether it is for counting")
    key, signature = frame.text("public_key"), frame.text("key_signature")
    if not _KEY.fullmatch(key) or not _SIGNATURE.fullmatch(signature):
        raise MalformedFrame("a manifest has a public key of 32 or 33 bytes and a signature of 64, hexadecimal")
    signed_key = SignedMatchingKey(
        bytes.fromhex(key), frame.number("register_entries", low=0, high=MAX_ENTRIES), bytes.fromhex(signature)
    )
    if len(frame.parts) != 2 or len(frame.parts[0]) != 4 * buckets or len(frame.parts[1]) != _HASH * buckets:
        raise MalformedFrame("a manifest has a size and a hash for each bucket")
    sizes = np.frombuffer(frame.parts[0], dtype="<u4")
    if sizes.max() > MAX_BUCKET_BYTES:
        raise MalformedFrame(f"a bucket has at most {MAX_BUCKET_BYTES} bytes")
    return SetupManifest(
        engine=frame.text("engine"),
        epoch=frame.number("epoch", low=1, high=2**31),
        for_counting=counting,
        entries=entries,
        geometry=geometry,
        bucket_sizes=tuple(sizes.tolist()),
        bucket_hashes=tuple(frame.parts[1][start : start + _HASH] for start in range(0, _HASH * buckets, _HASH)),
        signed_key=signed_key,
        sha256=hashlib.sha256(data).hexdigest(),
    )


def pack_shard(setup: str, first: int, coded: Sequence[bytes]) -> bytes:
    """The frame of the coded buckets ``first``, ``first`` + 1, … of the set-up with this SHA-256."""
    if not 1 <= len(coded) <= MAX_SHARD_BUCKETS:
        raise ValueError(f"wanted 1 to {MAX_SHARD_BUCKETS} buckets; found {len(coded)}")
    return Frame(FrameKind.MATCH_SHARD, {"setup": setup, "first": first}, tuple(coded)).pack()


def read_shard(data: bytes, setup: SetupManifest, first: int, count: int) -> list[bytes]:
    """The ``count`` coded buckets from ``first`` on, each checked against the manifest; raises ``MalformedFrame``."""
    frame = unpack_frame(data, FrameKind.MATCH_SHARD)
    if frame.text("setup") != setup.sha256 or frame.number("first", low=0, high=MAX_BUCKETS) != first:
        raise MalformedFrame("the shard is not the one that was asked for")
    if len(frame.parts) != count:
        raise MalformedFrame(f"wanted {count} buckets; found {len(frame.parts)}")
    for number, coded in enumerate(frame.parts, start=first):
        check_bucket(setup, number, coded)
    return list(frame.parts)


def check_bucket(setup: SetupManifest, number: int, coded: bytes) -> None:
    """Raise ``MalformedFrame`` unless ``coded`` is the set-up's bucket ``number``."""
    if len(coded) != setup.bucket_sizes[number] or hashlib.sha256(coded).digest() != setup.bucket_hashes[number]:
        raise MalformedFrame("a bucket does not have the size and hash that the manifest names")


def encode_bucket(values: NDArray[np.uint64]) -> bytes:
    """The coded bucket of these positions, uint64 [n], sorted."""
    return encode_golomb(values)


def count_bucket(coded: bytes) -> int:
    """How many positions a coded bucket claims to hold, without decoding it; raises ``MalformedFrame``."""
    try:
        return count_encoded(coded)
    except MalformedGolombSet as error:
        raise MalformedFrame(str(error)) from None


def decode_bucket(coded: bytes, geometry: BucketGeometry) -> NDArray[np.uint64]:
    """The sorted positions of a coded bucket, uint64 [n]; raises ``MalformedFrame``."""
    try:
        return decode_golomb(coded, geometry.slots << FALSE_POSITIVE_BITS)
    except MalformedGolombSet as error:
        raise MalformedFrame(str(error)) from None


def pack_delta(old: str, new: str, added: Sequence[bytes], removed: Sequence[bytes]) -> bytes:
    """The frame of the difference between two set-ups: for each bucket the coded positions added and removed.

    ``old``, ``new``: SHA-256 of the manifests.
    """
    parts = [part for pair in zip(added, removed, strict=True) for part in pair]
    return Frame(FrameKind.MATCH_DELTA, {"from": old, "to": new}, tuple(parts)).pack()


def read_delta(data: bytes, old: SetupManifest, new: SetupManifest) -> list[tuple[bytes, bytes]]:
    """The coded positions added and removed, one pair for each bucket; raises ``MalformedFrame``."""
    frame = unpack_frame(data, FrameKind.MATCH_DELTA)
    if frame.text("from") != old.sha256 or frame.text("to") != new.sha256 or old.geometry != new.geometry:
        raise MalformedFrame("the delta is not the difference between these two set-ups")
    if len(frame.parts) != 2 * new.geometry.buckets:
        raise MalformedFrame("a delta has two parts for each bucket")
    return list(zip(frame.parts[::2], frame.parts[1::2], strict=True))


def apply_delta(coded: bytes, added: bytes, removed: bytes, geometry: BucketGeometry) -> bytes:
    """The coded bucket after a delta; raises ``MalformedFrame``. Check the result against the new manifest."""
    if not added and not removed:
        return coded
    parts = [decode_bucket(part, geometry) for part in (coded, added, removed)]
    try:
        return encode_golomb(apply_difference(*parts))
    except MalformedGolombSet as error:
        raise MalformedFrame(str(error)) from None
