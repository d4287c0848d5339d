"""Vectors of matching: from identifiers to tags, marks, coded sets and frames."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from lab.terms.keys.matching_key_statement import MatchingKeyStatement
from protocols.matching import bank, bureau, golomb_sets, messages, request_composition, setup
from protocols.matching.engines.x25519 import hash_to_curve as encoding
from protocols.matching.engines.x25519 import openssl, scalars
from protocols.matching.key_derivation import compute_public_key, derive_contract_key
from tests.vectors.making.keys import BUREAU

IDENTIFIERS = ["91110000100000044W", "91310000MA1FL0LQ3Y", "客户-0001", "a", "x" * 200]
KEY = scalars.clamp_scalar(hashlib.sha256(b"shulab vectors: matching key").digest())
BANK_SECRET, EPOCH_SECRET = bytes(range(32)), bytes(range(64, 96))
ENGINE, CONTRACT, EPOCH, JOB = "x25519", "c-vectors", 4, "j-0123456789abcdef"
REGISTER = 51_000
OPERATIONS: tuple[messages.MatchingOperation, ...] = ("match", "count")


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
            for identifier, point in zip(identifiers, rows(encoding.encode_to_curve(identifiers, dst)), strict=True)
        ]
    }


def x25519() -> dict[str, Any]:
    """Products, and pairs of scalars that undo each other."""
    points = encoding.encode_to_curve(IDENTIFIERS)
    pairs = []
    for number in range(4):
        seed = bytes([number]) * 32
        blinding, unblinding = scalars.derive_blinding_pair(seed)
        pairs.append({"seed": seed.hex(), "blinding": blinding.hex(), "unblinding": unblinding.hex()})
    return {
        "products": [
            {"scalar": KEY.hex(), "element": element, "product": product}
            for element, product in zip(rows(points), rows(openssl.multiply(KEY, points)), strict=True)
        ],
        "pairs": pairs,
    }


def oprf() -> dict[str, Any]:
    """Runs of matching and counting: from the secrets and the identifiers to tags and marks."""
    return {
        "bank_secret": BANK_SECRET.hex(),
        "epoch_secret": EPOCH_SECRET.hex(),
        "engine": ENGINE,
        "contract": CONTRACT,
        "epoch": EPOCH,
        "job": JOB,
        "identifiers": IDENTIFIERS,
        "runs": [_run(operation) for operation in OPERATIONS],
        "openmined_keys": {
            one: derive_contract_key(EPOCH_SECRET, "openmined", CONTRACT, one).hex() for one in OPERATIONS
        },
    }


def _run(operation: messages.MatchingOperation) -> dict[str, Any]:
    about = (operation, ENGINE, CONTRACT, EPOCH)
    order = bank.permutation_seed(BANK_SECRET, *about, IDENTIFIERS)
    sorted_ = sorted(IDENTIFIERS)
    asked = [sorted_[place] for place in bank.secret_permutation(order, len(sorted_))]
    seed = bank.request_seed(BANK_SECRET, *about, asked)
    blinding = bank.Blinding(ENGINE, seed)
    request = blinding.build_request(asked)
    key, counting = derive_contract_key(EPOCH_SECRET, ENGINE, CONTRACT, operation), operation == "count"
    public = compute_public_key(ENGINE, key)
    elements = bureau.read_request(ENGINE, request, ceiling=1000)
    response = bureau.pack_response(ENGINE, bureau.evaluate_elements(ENGINE, key, elements), counting=counting)
    values = blinding.finalize(response, len(asked), public, counting=counting)
    statement = MatchingKeyStatement(CONTRACT, operation, ENGINE, EPOCH, public.hex(), REGISTER)
    run = {
        "operation": operation,
        "order_seed": order.hex(),
        "asked": asked,
        "request_seed": seed.hex(),
        "canary_places": request_composition.canary_positions(seed, len(asked)).tolist(),
        "request": request.hex(),
        "key": key.hex(),
        "public_key": public.hex(),
        "statement": statement.as_dict(),
        "statement_signature": BUREAU.sign(statement.signing_input()).hex(),
        "response": response.hex(),
        "values": rows(values),
    }
    if counting:
        return run | {"marks": rows(messages.derive_counting_marks(CONTRACT, JOB, values))}
    digests = messages.derive_tags_and_marks(CONTRACT, asked, values)
    return run | {"tags": rows(digests[:, :16]), "marks": rows(digests[:, 16:])}


def coded_set() -> dict[str, Any]:
    """Places of marks under several geometries, and coded sets of places."""
    drawn = b"".join(hashlib.sha256(b"shulab vectors: mark %d" % number).digest()[:16] for number in range(400))
    some = np.frombuffer(drawn, dtype=np.uint8).reshape(-1, 16)
    places = []
    for geometry in (
        golomb_sets.BucketGeometry(1, 1),
        golomb_sets.BucketGeometry(1, 407),
        golomb_sets.BucketGeometry(103, 66_000),
    ):
        found = zip(
            rows(some[:6]), *(one.tolist() for one in golomb_sets.locate_marks(geometry, some[:6])), strict=True
        )
        places += [
            {"buckets": geometry.buckets, "slots": geometry.slots, "mark": mark, "bucket": bucket, "place": place}
            for mark, bucket, place in found
        ]
    _, dense = golomb_sets.locate_marks(golomb_sets.BucketGeometry(1, 407), some)
    sets = [[], [0], [0, 0, 0], [5, 5, 9, 1 << 20], [1 << 61], sorted(dense.tolist())]
    return {
        "places": places,
        "sets": [
            {"places": one, "coded": golomb_sets.encode_golomb(np.array(one, dtype=np.uint64)).hex()} for one in sets
        ],
    }


def frames() -> dict[str, Any]:
    """The frames of a set-up."""
    run = _run("match")
    geometry = golomb_sets.BucketGeometry(2, 3)
    coded = [golomb_sets.encode_golomb(np.array(one, dtype=np.uint64)) for one in ([7, 1 << 30], [9])]
    stated = setup.SignedMatchingKey(
        bytes.fromhex(run["public_key"]), REGISTER, bytes.fromhex(run["statement_signature"])
    )
    manifest = setup.pack_setup(
        setup.SetupContents(
            engine=ENGINE,
            epoch=EPOCH,
            for_counting=False,
            entries=3,
            geometry=geometry,
            bucket_sizes=tuple(len(one) for one in coded),
            bucket_hashes=tuple(hashlib.sha256(one).digest() for one in coded),
            signed_key=stated,
        )
    )
    name = bank.read_setup(manifest).sha256
    return {
        "frames": [
            _frame("match-setup", manifest),
            _frame("match-shard", setup.pack_shard(name, 0, coded)),
            _frame("match-delta", setup.pack_delta("00" * 32, name, [coded[0], b""], [b"", coded[1]])),
        ]
    }


def _frame(name: str, data: bytes) -> dict[str, str]:
    return {"kind": name, "frame": data.hex()}
