"""A hostile bureau sends a set-up that is made to take the bank's memory, disk or answers.

It announces enormous buckets, sends other buckets than the manifest names (to have some firms match that are not in
the register), or a coded bucket whose entries do not end. What stops it: bounds that are held before anything is
kept, and the hash of each bucket.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from lab.bank.matching import setup_store
from lab.bank.matching.job_client import MatchingJobClient
from lab.bank.matching.key_pins import MatchingKeyPins
from lab.terms.errors import ShulabError
from protocols.matching import bank, bureau
from protocols.matching import setup as layout
from protocols.wire.frame import Frame, FrameKind, MalformedFrame
from tests.support.protocol_bureau import CONTRACT, Registry

pytestmark = pytest.mark.threat(
    "Hostile set-up",
    who="the bureau",
    wants="to harm a bank with a set-up of enormous buckets, or of other buckets than it announced",
    stopped_by={
        "bucket bound": "Sizes are compared with limits before anything is stored.",
        "bucket hashes": "Each bucket must have the hash in the manifest.",
    },
    code=["protocols.matching.setup", "lab.bank.matching.setup_store"],
)

BUREAU = Registry([])
"""Who states the key that each manifest names."""
PLACES = np.arange(7, 7 + 500, dtype=np.uint64) << np.uint64(20)
GEOMETRY = bureau.BucketGeometry(2, 300)
ENORMOUS = 32 * 1024 * 1024
"""Sixteen times what a bucket may have; with 32,768 buckets of four gigabytes it would be any disk there is."""


class Hostile(MatchingJobClient):
    """A bureau that answers with what a test tells it to."""

    def __init__(self, manifest: bytes, coded: list[bytes]) -> None:
        self.manifest, self.coded = manifest, coded

    def setup(self, *, counting: bool = False) -> bytes:
        return self.manifest

    def shard(self, sha256: str, first: int, count: int) -> bytes:
        return bureau.pack_shard(sha256, first, self.coded[first : first + count])

    def delta(self, sha256: str, since: str) -> bytes:
        raise AssertionError


def manifest_of(coded: list[bytes], sizes: list[int] | None = None) -> bytes:
    hashes = [hashlib.sha256(one).digest() for one in coded]
    found = sizes or [len(one) for one in coded]
    return bureau.pack_setup("x25519", GEOMETRY, 500, found, hashes, BUREAU.stated(CONTRACT, "match"), epoch=1)


def bring(folder: Path, hostile: Hostile) -> tuple[int, int]:
    """Bytes of disk that the bank's files claim, and how many entries its buckets hold in the end."""
    made = folder / "setup"
    try:
        seen = MatchingKeyPins(folder / "keys", CONTRACT, BUREAU.public_key)
        with setup_store.open_current_setup(made, hostile, seen, engine="x25519", epoch=1) as held:
            entries = sum(len(held.bucket(number)) for number in range(GEOMETRY.buckets))
    except ShulabError:
        entries = 0
    return sum(path.stat().st_size for path in made.iterdir()), entries


def honest() -> list[bytes]:
    return [bureau.encode_bucket(PLACES[:250]), bureau.encode_bucket(PLACES[250:])]


def enormous() -> Hostile:
    return Hostile(manifest_of(honest(), [ENORMOUS, ENORMOUS]), honest())


@pytest.mark.without_control("bucket bound")
def test_without_the_bound_the_disk_is_claimed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "MAX_BUCKET_BYTES", 2**32)
    assert bring(tmp_path, enormous())[0] > 2 * ENORMOUS


@pytest.mark.with_control("bucket bound")
def test_an_enormous_bucket_is_refused_before_anything_is_kept(tmp_path: Path) -> None:
    assert bring(tmp_path, enormous()) == (0, 0)


def exchanged() -> Hostile:
    """Other buckets than the manifest's: full of places that the bureau wants to match."""
    other = bureau.encode_bucket(PLACES[:250] + np.uint64(3))
    assert len(other) == len(honest()[0])
    return Hostile(manifest_of(honest()), [other, honest()[1]])


@pytest.mark.without_control("bucket hashes")
def test_without_the_hashes_the_bank_takes_other_buckets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def anything(setup: bank.SetupManifest, number: int, coded: bytes) -> None:
        if not any(coded):  # nothing was fetched yet
            raise MalformedFrame("no bucket")

    for place in (setup_store, layout):
        monkeypatch.setattr(place, "check_bucket", anything)
    assert bring(tmp_path, exchanged())[1] == 500
    assert bank.decode_bucket(exchanged().coded[0], GEOMETRY)[0] == 3 + int(PLACES[0])


@pytest.mark.with_control("bucket hashes")
def test_other_buckets_are_refused(tmp_path: Path) -> None:
    assert bring(tmp_path, exchanged())[1] == 0


@pytest.mark.with_control("bucket bound")
@pytest.mark.parametrize("buckets", [0, 2**40, True, "2"])
def test_a_manifest_out_of_bounds_is_refused(buckets: object) -> None:
    frame = Frame(FrameKind.MATCH_SETUP, {"buckets": buckets, "counting": False, "engine": "x25519", "entries": 1,
                                     "epoch": 1, "slots": 1}, (b"", b""))  # fmt: skip
    with pytest.raises(MalformedFrame):
        bank.read_setup(frame.pack())
