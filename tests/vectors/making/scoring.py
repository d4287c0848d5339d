"""Vectors of scoring: parameter sets, expanded seeds, and the second bank's key and batch, which the bureau takes."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

from protocols.scoring import packing
from protocols.scoring.parameters import DEFAULT_PARAMETERS, PARAMETERS, ParameterSet
from protocols.scoring.rlwe import seed_expansion
from tests.vectors.plain import scoring as plain

CONTRACT, ROWS = "c-vectors", 3


def plain_set(params: ParameterSet) -> plain.Set:
    """A parameter set as the second implementation has it."""
    return plain.Set(params.name, params.degree, params.data_primes, params.plain_modulus)


def scoring() -> dict[str, Any]:
    """For each set an expanded seed as it is packed; for the default set a key with its proof, and a batch."""
    params = PARAMETERS[DEFAULT_PARAMETERS]
    seed = bytes(range(32))
    sets = []
    for each in PARAMETERS.values():
        rows = seed_expansion.expand_seed(seed, each)
        packed = packing.pack_residues(rows, each.data_primes)
        sets.append(
            {
                "name": each.name,
                "degree": each.degree,
                "primes": list(each.data_primes),
                "plain_modulus": each.plain_modulus,
                "seed": seed.hex(),
                "first_residues": [row[:3].tolist() for row in rows],
                "packed_begins": packed[:32].hex(),
                "packed_sha256": hashlib.sha256(packed).hexdigest(),
            }
        )
    key, context = second_context(params.name)
    batch = second_batch(params.name)
    return {
        "sets": sets,
        "bank": {
            "parameters": params.name,
            "contract": CONTRACT,
            "rows": ROWS,
            "key_begins": key[:64].hex(),
            "key_sha256": hashlib.sha256(key).hexdigest(),
            "context_sha256": hashlib.sha256(context).hexdigest(),
            "batch_sha256": hashlib.sha256(batch).hexdigest(),
        },
    }


def draw(label: str, count: int) -> bytes:
    """Where the second bank's secrets come from, so that its bytes are always the same."""
    return hashlib.shake_256(b"shulab vectors: scoring " + label.encode()).digest(count)


def second_secret(degree: int) -> list[int]:
    """Its secret key."""
    return [byte % 3 - 1 for byte in draw("secret", degree)]


def second_error(label: str, degree: int) -> list[int]:
    """The noise of one of its ciphertexts."""
    return [byte % 43 - 21 for byte in draw(f"error {label}", degree)]


@cache
def second_context(name: str) -> tuple[bytes, bytes]:
    """Its public key, and the frame with the key's proof: some seconds."""
    params = plain_set(PARAMETERS[name])
    secret, error = second_secret(params.degree), second_error("key", params.degree)
    key = plain.column(secret, error, None, draw("seed key", 32), params)
    return key, plain.context_frame(key, plain.prove(key, secret, error, draw, params), params)


def second_indicators() -> list[list[int]]:
    """What it encrypts: two columns of three rows."""
    return [[1, 0, 1], [0, 1, 1]]


@cache
def second_batch(name: str) -> bytes:
    """Its batch."""
    params = plain_set(PARAMETERS[name])
    secret, columns = second_secret(params.degree), []
    for number, column in enumerate(second_indicators()):
        message = column + [0] * (params.degree - len(column))
        error = second_error(str(number), params.degree)
        columns.append(plain.column(secret, error, message, draw(f"seed {number}", 32), params))
    tags = [bytes([number]) * 16 for number in range(ROWS)]
    return plain.batch_frame(CONTRACT, second_context(name)[1], tags, columns, params)
