"""What the two parties send each other in scoring.

Frames are read under a set like the default one but of degree 16, so that a whole column is some hundred bytes; nothing
of what reads them depends on the degree. SEAL, which is given only what the bureau writes itself, is not reached.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from protocols.scoring import key_proof, messages, packing
from protocols.scoring.parameters import DEFAULT_PARAMETERS, PARAMETERS
from protocols.scoring.rlwe import ring
from protocols.scoring.rlwe.seed_expansion import expand_seed
from protocols.scoring.seal import format
from protocols.wire.frame import MalformedFrame
from tests.fuzz.target import Target
from tests.support.parameter_sets import NARROW

_SETS = tuple(replace(each, degree=16, max_outputs=4) for each in (*PARAMETERS.values(), NARROW))
_SET = replace(PARAMETERS[DEFAULT_PARAMETERS], degree=16, max_outputs=4)
_CONTRACT, _BATCH = "c-vectors", "ab" * 32


def _rows(number: int) -> np.ndarray:
    return np.array([[(number * 7 + i) ** 5 % prime for i in range(16)] for prime in _SET.data_primes], dtype=np.uint64)


def _column(number: int) -> bytes:
    return messages.pack_seeded_ciphertext(bytes([number]) * 32, _rows(number), _SET)


def read_context(data: bytes) -> None:
    """A key is residues in range and a seed; its proof is right, or refused."""
    assert not format.is_secret_key(data, _SET)
    key, proof = messages.read_context(data, _SET)
    messages.has_current_format(data)
    first, second = messages.read_seeded_ciphertext(key, _SET)
    assert messages.pack_seeded_ciphertext(key[:32], first, _SET) == key
    key_proof.verify_key_proof(key, (first, second), proof, _SET)


def contexts() -> list[bytes]:
    """A key with its proof, and one with a proof of something else."""
    seed, secret = bytes(32), np.array([-1, 0, 1, 1] * 4, dtype=np.int64)
    error, second = np.arange(16, dtype=np.int64) - 8, expand_seed(seed, _SET)
    scaled = ring.scale_element(ring.to_residues(error, _SET), _SET.plain_modulus, _SET)
    whole = ring.add_elements(ring.multiply_by_small(second, secret, _SET), scaled, _SET)
    primes = np.array(_SET.data_primes, dtype=np.uint64)[:, None]
    first = (primes - whole) % primes
    key = messages.pack_seeded_ciphertext(seed, first, _SET)
    proof = key_proof.prove_key(key, (first, second), secret, error, _SET)
    return [messages.pack_context(_SET, key, proof), messages.pack_context(_SET, _column(1), proof)]


def read_batch(data: bytes) -> None:
    """Columns that are taken are of known length, and of residues that are written again as they were."""
    head = messages.read_batch(data, _SET, contract=_CONTRACT)
    assert head.rows == len(head.tags) <= _SET.slots and len(head.seeds()) == head.column_count
    for part in head.ciphertexts:
        first, second = messages.read_seeded_ciphertext(part, _SET)
        assert messages.pack_seeded_ciphertext(part[:32], first, _SET) == part
        assert all(int(row.max()) < prime for row, prime in zip(second, _SET.data_primes, strict=True))


def batches() -> list[bytes]:
    """Batches of two columns and of none."""
    tags = np.arange(48, dtype=np.uint8).reshape(3, 16)
    both = [[_column(1), _column(2)], []]
    return [messages.pack_batch(_SET, _CONTRACT, _BATCH, tags, columns) for columns in both]


def read_reply(data: bytes) -> None:
    """Outputs that are taken are residues in range, and rows that are said to be scored are in the batch."""
    reply = messages.read_reply(data, _SET, batch=_BATCH, rows=3)
    assert 1 <= len(reply.places) <= 3 and set(reply.places.tolist()) <= {0, 1, 2}
    for part in reply.outputs:
        assert messages.pack_output(*messages.read_output(part, _SET), _SET) == part


def replies() -> list[bytes]:
    """Replies of two outputs, to all rows and to some."""
    output = messages.pack_output(_rows(1)[:1], _rows(2)[:1], _SET)
    some = np.array([0, 2], dtype=np.int64)
    return [messages.pack_reply(_SET, _BATCH, 3, [output, output], places=places) for places in (None, some)]


def read_polynomial(data: bytes) -> None:
    """Packed residues of the offered sets, and of one with other widths: one form each."""
    params = _SETS[data[0] % len(_SETS)] if data else _SET
    rows = packing.unpack_residues(data[1:], params.data_primes, params.degree)
    assert packing.pack_residues(rows, params.data_primes) == data[1:]


def polynomials() -> list[bytes]:
    """Zero, and the largest residues."""
    found = []
    for number, params in enumerate(_SETS):
        largest = np.array([[prime - 1] * 16 for prime in params.data_primes], dtype=np.uint64)
        zero = np.zeros_like(largest)
        found += [bytes([number]) + packing.pack_residues(rows, params.data_primes) for rows in (zero, largest)]
    return found


TARGETS = (
    Target("scoring-context", read_context, (MalformedFrame, key_proof.InvalidKeyProof), contexts),
    Target("scoring-batch", read_batch, (MalformedFrame,), batches),
    Target("scoring-reply", read_reply, (MalformedFrame,), replies),
    Target("scoring-polynomial", read_polynomial, (MalformedFrame,), polynomials),
)
