"""What the two parties send each other in matching."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from protocols.matching import bank, bureau, golomb_sets, setup
from protocols.matching.golomb_sets import BucketGeometry, MalformedGolombSet
from protocols.matching.key_derivation import compute_public_key, derive_contract_key
from protocols.wire.frame import Frame, FrameKind, MalformedFrame
from tests.fuzz.target import Target, vectors

_ENGINES = ("x25519", "openmined")
_KEYS = {engine: derive_contract_key(bytes(32), engine, "c-vectors", "match") for engine in _ENGINES}
_PUBLIC = {engine: compute_public_key(engine, _KEYS[engine]) for engine in _ENGINES}
_BLINDINGS = {engine: bank.Blinding(engine, bytes(32)) for engine in _ENGINES}
_ASKED = ["a", "b", "c", "d", "e"]
_CODED = [golomb_sets.encode_golomb(np.array(one, dtype=np.uint64)) for one in ([7, 1 << 30], [9])]
_GEOMETRY = BucketGeometry(2, 3)


def _frame(kind: str) -> bytes:
    return next(bytes.fromhex(each["frame"]) for each in vectors("matching-frames")["frames"] if each["kind"] == kind)


def read_request(data: bytes) -> None:
    """At the bureau: the rules that need no arithmetic, then the key's work, by either engine."""
    engine = _ENGINES[data[0] % 2] if data else _ENGINES[0]
    count = bureau.count_requested_elements(data[1:])
    blinded = bureau.read_request(engine, data[1:], ceiling=100)
    assert len(blinded) == count
    try:
        evaluated = bureau.evaluate_elements(engine, _KEYS[engine], blinded)
    except ValueError:
        return
    assert evaluated.shape == blinded.shape


def requests() -> list[bytes]:
    """A request of each engine."""
    return [bytes([number]) + _BLINDINGS[engine].build_request(_ASKED) for number, engine in enumerate(_ENGINES)]


def read_response(data: bytes) -> None:
    """At the bank: as many elements as were asked for, on the curve, different, every canary under the key named."""
    number = data[0] if data else 0
    engine, counted = _ENGINES[number % 2], bool(number & 2)
    values = _BLINDINGS[engine].finalize(data[1:], len(_ASKED), _PUBLIC[engine], counting=counted)
    assert values.shape == (len(_ASKED), 32)


def responses() -> list[bytes]:
    """Responses of each engine, in order and for a count."""
    found = []
    for number, engine in enumerate(_ENGINES):
        elements = bureau.read_request(engine, _BLINDINGS[engine].build_request(_ASKED), ceiling=100)
        evaluated = bureau.evaluate_elements(engine, _KEYS[engine], elements)
        for counted in (False, True):
            found.append(bytes([number + 2 * counted]) + bureau.pack_response(engine, evaluated, counting=counted))
    return found


def read_shard(data: bytes) -> None:
    """The buckets asked for are those of the manifest, or refused."""
    held = bank.read_setup(_frame("match-setup"))
    assert bank.read_shard(data, held, 0, 2) == _CODED


def read_delta(data: bytes) -> None:
    """What a delta leads to is a set, or refused."""
    new = bank.read_setup(_frame("match-setup"))
    old = replace(new, sha256="00" * 32)
    for coded, (added, removed) in zip(_CODED, bank.read_delta(data, old, new), strict=True):
        bank.decode_bucket(bank.apply_delta(coded, added, removed, _GEOMETRY), _GEOMETRY)


def deltas() -> list[bytes]:
    """Deltas that add and remove."""
    name = hashlib.sha256(_frame("match-setup")).hexdigest()
    more = golomb_sets.encode_golomb(np.array([8, 8, 1 << 40], dtype=np.uint64))
    return [
        _frame("match-delta"),
        setup.pack_delta("00" * 32, name, [more, b""], [_CODED[0], b""]),
        Frame(FrameKind.MATCH_DELTA, {"from": "00" * 32, "to": name}, (b"",) * 4).pack(),
    ]


def read_coded(data: bytes) -> None:
    """What is decoded is sorted and in range, and is the same after it was coded again."""
    below = 3 << golomb_sets.FALSE_POSITIVE_BITS
    values = golomb_sets.decode_golomb(data, below)
    assert (np.diff(values.astype(np.int64)) >= 0).all()
    assert not len(values) or int(values[-1]) < below
    assert (golomb_sets.decode_golomb(golomb_sets.encode_golomb(values), below) == values).all()


TARGETS = (
    Target("match-request", read_request, (MalformedFrame,), requests),
    Target("match-response", read_response, (MalformedFrame, bank.CanaryMismatch), responses),
    Target(
        "match-setup",
        bank.read_setup,
        (MalformedFrame,),
        lambda: [_frame("match-setup")],
    ),
    Target(
        "match-shard",
        read_shard,
        (MalformedFrame,),
        lambda: [_frame("match-shard")],
    ),
    Target("match-delta", read_delta, (MalformedFrame,), deltas),
    Target(
        "coded-set",
        read_coded,
        (MalformedGolombSet,),
        lambda: [bytes.fromhex(each["coded"]) for each in vectors("coded-set")["sets"]],
    ),
)
