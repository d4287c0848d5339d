"""Set-ups in frames: a manifest that names every bucket by its hash, shards of buckets, and deltas between two set-ups.

The manifest's own SHA-256 names the set-up. Whoever has the manifest can take buckets from anywhere, in any order and
after any interruption, and can tell whether a delta led where it should.
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
"""Buckets in one shard frame at most: about 22 MB."""
MAX_BUCKET_BYTES = 2 * 1024 * 1024
MAX_ENTRIES = MAX_BUCKETS * MAX_SLOTS
_KEY = re.compile(r"([0-9a-f]{64}|[0-9a-f]{66})")
_SIGNATURE = re.compile(r"[0-9a-f]{128}")
_HASH = 32


@dataclass(frozen=True, slots=True)
class SignedMatchingKey:
    """What a bureau states, signed, of the key of a contract, operation and epoch: its public key P = s·B in the
    engine's encoding, the size of the register (rounded up to two digits), and the Ed25519
    signature of both (``lab.terms.keys.matching_key_statement``), 64 bytes."""

    public_key: bytes
    register_entries: int
    signature: bytes


@dataclass(frozen=True, slots=True)
class SetupManifest:
    """A set-up's manifest. ``counting``: its marks are of one job alone.

    Nothing in it but the key, the contract and the marks decides what it is, so a register version that changes nothing
    for a contract changes no byte of its set-up.
    """

    engine: str
    epoch: int
    for_counting: bool
    entries: int
    geometry: BucketGeometry
    bucket_sizes: tuple[int, ...]
    bucket_hashes: tuple[bytes, ...]
    signed_key: SignedMatchingKey
    sha256: str

    @property
    def false_positive_rate(self) -> float:
        """The chance that one look-up is falsely positive."""
        return self.geometry.false_positive_rate(self.entries)

    @property
    def total_bytes(self) -> int:
        """Bytes of all buckets."""
        return sum(self.bucket_sizes)


def pack_setup(
    engine: str,
    geometry: BucketGeometry,
    entries: int,
    sizes: Sequence[int],
    hashes: Sequence[bytes],
    stated: SignedMatchingKey,
    *,
    epoch: int,
    counting: bool = False,
) -> bytes:
    """The manifest frame: ``sizes`` and SHA-256 ``hashes`` of the coded buckets, in order, and the key's statement."""
    if not len(sizes) == len(hashes) == geometry.buckets:
        raise ValueError(f"wanted size and hash of {geometry.buckets} buckets")
    meta = {
        "engine": engine,
        "epoch": epoch,
        "counting": counting,
        "entries": entries,
        "buckets": geometry.buckets,
        "slots": geometry.slots,
        "public_key": stated.public_key.hex(),
        "register_entries": stated.register_entries,
        "key_signature": stated.signature.hex(),
    }
    return Frame(FrameKind.MATCH_SETUP, meta, (np.array(sizes, dtype="<u4").tobytes(), b"".join(hashes))).pack()


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
    stated = SignedMatchingKey(
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
        signed_key=stated,
        sha256=hashlib.sha256(data).hexdigest(),
    )


def pack_shard(setup: str, first: int, coded: Sequence[bytes]) -> bytes:
    """The frame of coded buckets ``first``, ``first`` + 1, … of the set-up named."""
    if not 1 <= len(coded) <= MAX_SHARD_BUCKETS:
        raise ValueError(f"wanted 1 to {MAX_SHARD_BUCKETS} buckets; found {len(coded)}")
    return Frame(FrameKind.MATCH_SHARD, {"setup": setup, "first": first}, tuple(coded)).pack()


def read_shard(data: bytes, setup: SetupManifest, first: int, count: int) -> list[bytes]:
    """The coded buckets that were asked for, each checked against the manifest; raises ``MalformedFrame``."""
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
        raise MalformedFrame("a bucket is not the one that the manifest names")


def encode_bucket(values: NDArray[np.uint64]) -> bytes:
    """Sorted places of a bucket, coded."""
    return encode_golomb(values)


def count_bucket(coded: bytes) -> int:
    """How many places a coded bucket says that it has, without decoding it; raises ``MalformedFrame``."""
    try:
        return count_encoded(coded)
    except MalformedGolombSet as error:
        raise MalformedFrame(str(error)) from None


def decode_bucket(coded: bytes, geometry: BucketGeometry) -> NDArray[np.uint64]:
    """The sorted places of a coded bucket; raises ``MalformedFrame``."""
    try:
        return decode_golomb(coded, geometry.slots << FALSE_POSITIVE_BITS)
    except MalformedGolombSet as error:
        raise MalformedFrame(str(error)) from None


def pack_delta(old: str, new: str, added: Sequence[bytes], removed: Sequence[bytes]) -> bytes:
    """The frame that leads from set-up ``old`` to ``new``: for each bucket the coded places added and removed."""
    parts = [part for pair in zip(added, removed, strict=True) for part in pair]
    return Frame(FrameKind.MATCH_DELTA, {"from": old, "to": new}, tuple(parts)).pack()


def read_delta(data: bytes, old: SetupManifest, new: SetupManifest) -> list[tuple[bytes, bytes]]:
    """The coded places added and removed, a pair a bucket; raises ``MalformedFrame``."""
    frame = unpack_frame(data, FrameKind.MATCH_DELTA)
    if frame.text("from") != old.sha256 or frame.text("to") != new.sha256 or old.geometry != new.geometry:
        raise MalformedFrame("the delta does not lead from the one set-up to the other")
    if len(frame.parts) != 2 * new.geometry.buckets:
        raise MalformedFrame("a delta has two parts for each bucket")
    return list(zip(frame.parts[::2], frame.parts[1::2], strict=True))


def apply_delta(coded: bytes, added: bytes, removed: bytes, geometry: BucketGeometry) -> bytes:
    """The coded bucket after a delta; raises ``MalformedFrame``. Whether it is the right one the manifest tells."""
    if not added and not removed:
        return coded
    parts = [decode_bucket(part, geometry) for part in (coded, added, removed)]
    try:
        return encode_golomb(apply_difference(*parts))
    except MalformedGolombSet as error:
        raise MalformedFrame(str(error)) from None
