"""Vectors of matching: from identifiers to tags, marks, coded sets and frames."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from protocols.matching import bank, bureau, layout, marks, setup
from protocols.matching.engines.x25519 import encoding, multiplication, scalars
from protocols.wire.frame import Kind

IDENTIFIERS = ["91110000100000044W", "91310000MA1FL0LQ3Y", "客户-0001", "a", "x" * 200]
SEED, KEY = bytes(range(32)), scalars.clamp(hashlib.sha256(b"shulab vectors: matching key").digest())
CONTRACT, JOB = "c-vectors", "j-0123456789abcdef"


def rows(elements: np.ndarray) -> list[str]:
    """Rows of bytes in hexadecimal."""
    return [row.tobytes().hex() for row in elements]


def hash_to_curve() -> dict[str, Any]:
    """Identifiers and their points, under Shulab's domain separation tag and under the RFC's."""
    suite = b"QUUX-V01-CS02-with-curve25519_XMD:SHA-512_ELL2_NU_"
    groups = [(encoding.DST, IDENTIFIERS), (suite, ["", "abc", "abcdef0123456789"])]
    return {
        "vectors": [
            {"dst": dst.decode(), "identifier": identifier, "u": point}
            for dst, identifiers in groups
            for identifier, point in zip(identifiers, rows(encoding.encode(identifiers, dst)), strict=True)
        ]
    }


def x25519() -> dict[str, Any]:
    """Products, and pairs of scalars that undo each other."""
    points = encoding.encode(IDENTIFIERS)
    pairs = []
    for number in range(4):
        seed = bytes([number]) * 32
        blinding, unblinding = scalars.pair(seed)
        pairs.append({"seed": seed.hex(), "blinding": blinding.hex(), "unblinding": unblinding.hex()})
    return {
        "products": [
            {"scalar": KEY.hex(), "element": element, "product": product}
            for element, product in zip(rows(points), rows(multiplication.multiply(KEY, points)), strict=True)
        ],
        "pairs": pairs,
    }


def oprf() -> dict[str, Any]:
    """One run: blinded, evaluated, unblinded, and the tags and marks that come of it."""
    evaluated = bureau.evaluate_elements("x25519", KEY, multiplication.multiply(scalars.pair(SEED)[0], _points()))
    values = bureau.evaluate_register("x25519", KEY, IDENTIFIERS)
    digests = layout.digests(CONTRACT, IDENTIFIERS, values)
    return {
        "key": KEY.hex(),
        "seed": SEED.hex(),
        "contract": CONTRACT,
        "job": JOB,
        "identifiers": IDENTIFIERS,
        "blinded": rows(multiplication.multiply(scalars.pair(SEED)[0], _points())),
        "evaluated": rows(evaluated),
        "values": rows(values),
        "tags": rows(digests[:, :16]),
        "marks": rows(digests[:, 16:]),
        "count_marks": rows(layout.count_marks(CONTRACT, JOB, values)),
    }


def coded_set() -> dict[str, Any]:
    """Places of marks under several geometries, and coded sets of places."""
    drawn = b"".join(hashlib.sha256(b"shulab vectors: mark %d" % number).digest()[:16] for number in range(400))
    some = np.frombuffer(drawn, dtype=np.uint8).reshape(-1, 16)
    places = []
    for geometry in (marks.Geometry(1, 1), marks.Geometry(1, 407), marks.Geometry(103, 66_000)):
        found = zip(rows(some[:6]), *(one.tolist() for one in marks.place(geometry, some[:6])), strict=True)
        places += [
            {"buckets": geometry.buckets, "slots": geometry.slots, "mark": mark, "bucket": bucket, "place": place}
            for mark, bucket, place in found
        ]
    _, dense = marks.place(marks.Geometry(1, 407), some)
    sets = [[], [0], [0, 0, 0], [5, 5, 9, 1 << 20], [1 << 61], sorted(dense.tolist())]
    return {
        "places": places,
        "sets": [{"places": one, "coded": marks.encode(np.array(one, dtype=np.uint64)).hex()} for one in sets],
    }


def frames() -> dict[str, Any]:
    """Every frame of matching."""
    run, found = oprf(), []
    for kind, name, elements in (
        (Kind.MATCH_REQUEST, "match-request", run["blinded"]),
        (Kind.MATCH_RESPONSE, "match-response", run["evaluated"]),
    ):
        data = np.frombuffer(bytes.fromhex("".join(elements)), dtype=np.uint8).reshape(-1, 32)
        found.append(_frame(name, layout.pack_elements(kind, "x25519", data)))
    geometry = marks.Geometry(2, 3)
    coded = [marks.encode(np.array(one, dtype=np.uint64)) for one in ([7, 1 << 30], [9])]
    manifest = setup.pack_setup(
        "x25519", geometry, 3, [len(one) for one in coded], [hashlib.sha256(one).digest() for one in coded], epoch=4
    )
    name = bank.read_setup(manifest).sha256
    found += [
        _frame("match-setup", manifest),
        _frame("match-shard", setup.pack_shard(name, 0, coded)),
        _frame("match-delta", setup.pack_delta("00" * 32, name, [coded[0], b""], [b"", coded[1]])),
    ]
    return {"frames": found}


def _frame(name: str, data: bytes) -> dict[str, str]:
    return {"kind": name, "frame": data.hex()}


def _points() -> np.ndarray:
    return encoding.encode(IDENTIFIERS)
