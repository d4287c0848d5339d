"""Two banks and a bureau: the product scores what the second implementation encrypts, each judges the other's proof."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import pytest

from protocols.scoring import bureau, key_proof, packing
from protocols.scoring.bank import KeyHolder, generate_secret_key
from protocols.scoring.messages import QuantizedWeights
from protocols.scoring.parameters import DEFAULT_PARAMETERS, PARAMETERS
from tests.vectors.generate import path_of
from tests.vectors.making.scoring import (
    CONTRACT,
    ROWS,
    plain_set,
    second_batch,
    second_context,
    second_indicators,
    second_secret,
)
from tests.vectors.plain import frame, ring, scoring

PARAMS = PARAMETERS[DEFAULT_PARAMETERS]


@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path_of("scoring").read_text(encoding="utf-8"))
    return found


def test_seeds_are_expanded_and_packed_alike(published: dict[str, Any]) -> None:
    assert {each["name"] for each in published["sets"]} == set(PARAMETERS)
    for each in published["sets"]:
        params = scoring.Set(each["name"], each["degree"], tuple(each["primes"]), each["plain_modulus"])
        rows = scoring.expand(bytes.fromhex(each["seed"]), params)
        packed = scoring.pack(rows, params.primes)
        assert [row[:3] for row in rows] == each["first_residues"]
        assert packed[:32].hex() == each["packed_begins"]
        assert hashlib.sha256(packed).hexdigest() == each["packed_sha256"]
        assert scoring.unpack(packed, params.primes, params.degree) == rows
        found = packing.unpack_residues(packed, params.primes, params.degree)
        assert found.tolist() == rows


def test_the_transform_is_what_the_page_says() -> None:
    """Residue i is the value at root^(2 rev(i) + 1), by Horner's rule."""
    prime, row = PARAMS.data_primes[0], list(range(5, 21))
    psi, found = ring.root(16, prime), ring.values(row, prime)
    for i in range(16):
        point, value = pow(psi, 2 * ring.reversed_bits(i, 16) + 1, prime), 0
        for coefficient in reversed(row):
            value = (value * point + coefficient) % prime
        assert value == found[i]
    assert ring.coefficients(found, prime) == row


def test_the_bureau_takes_the_second_banks_key_and_scores_its_batch(published: dict[str, Any]) -> None:
    told = published["bank"]
    key, context = second_context(PARAMS.name)
    batch = second_batch(PARAMS.name)
    assert hashlib.sha256(key).hexdigest() == told["key_sha256"]
    assert bureau.check_context(context, PARAMS) == told["context_sha256"]
    assert hashlib.sha256(batch).hexdigest() == told["batch_sha256"]
    values = np.array([[7, -8, 9], [PARAMS.value_limit - 9, 40, -41]], dtype=np.int64)
    base = np.array([[-3, 4, -5], [0, 1, 2]], dtype=np.int64)
    terms = QuantizedWeights(np.array([0, 1], dtype=np.int32), ((0,), (0, 1)), values, base)
    kind, header, (scored, *outputs) = frame.read(bureau.evaluate_batch(context, batch, terms, PARAMS, CONTRACT))
    assert (kind, header) == (
        "reply",
        {"batch": told["batch_sha256"], "form": 3, "parameters": PARAMS.name, "rows": ROWS},
    )
    assert scored == bytes([0b111])
    one, other = (row * weights for row, weights in zip(np.array(second_indicators()), values, strict=True))
    secret = second_secret(PARAMS.degree)
    for output, wanted in zip(outputs, (base[0] + one + other, base[1] + other), strict=True):
        assert scoring.decrypt(output, secret, plain_set(PARAMS))[:ROWS] == wanted.tolist()


def test_the_second_implementation_judges_the_products_proof() -> None:
    frame_ = KeyHolder(PARAMS, generate_secret_key(PARAMS)).public_context()
    kind, header, (key, proof) = frame.read(frame_)
    assert (kind, header) == ("context", {"form": 2, "parameters": PARAMS.name})
    assert len(proof) == key_proof.proof_bytes(PARAMS)
    assert scoring.verify(key, proof, plain_set(PARAMS))
    wrong = bytearray(proof)
    wrong[-PARAMS.degree] ^= 1
    with pytest.raises(ValueError):
        bureau.check_context(frame.write("context", header, [key, bytes(wrong)]), PARAMS)
    assert not scoring.verify(key, bytes(wrong), plain_set(PARAMS))
