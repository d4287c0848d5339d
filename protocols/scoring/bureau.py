"""The bureau's side of scoring: it multiplies encrypted columns by weights and sees neither column nor score.

Every function takes and returns plain data, so the caller can run it in a worker process with limits. A bank sends
residues and seeds, which are checked in numpy; SEAL loads only what ``seal.binding`` writes. Errors are ``ValueError``s
(``MalformedFrame``, ``SealRejection``) that name a rule.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tenseal.sealapi as seal
from numpy.typing import NDArray

from protocols.scoring import key_proof, mask, messages
from protocols.scoring.messages import ParsedBatch, QuantizedWeights, read_batch
from protocols.scoring.parameters import SEED_BYTES, ParameterSet
from protocols.scoring.rlwe import sampling
from protocols.scoring.rlwe.ring import RingElement
from protocols.scoring.seal import binding, format
from protocols.wire.frame import FrameKind, MalformedFrame, unpack_frame

CONTEXT_RULES_VERSION = 2
"""The version of the rules of ``check_context``. A context that passed an earlier version has to be checked again.

1: SEAL's seeded objects, with the proof. 2: seed and residues, with the proof."""

__all__ = [
    "CONTEXT_RULES_VERSION",
    "ParsedBatch",
    "QuantizedWeights",
    "SecretKeyInContext",
    "check_context",
    "evaluate_batch",
    "read_batch",
]


class SecretKeyInContext(ValueError):
    """A context holds a secret key and was refused; the bank has to make new keys."""


def check_context(frame: bytes, params: ParameterSet) -> str:
    """The SHA-256 of a context frame that holds one public key of ``params``, proven well formed, and nothing else.

    Raises ``SecretKeyInContext`` if the bytes are a secret key, and otherwise ``MalformedFrame``, ``SealRejection`` or
    another ``ValueError``. It takes about half a second, so a context is checked once, before it is kept.
    """
    try:
        key, proof = messages.read_context(frame, params)
        first, second = messages.read_seeded_ciphertext(key, params)
        if not second.all():
            raise MalformedFrame("the key's second polynomial has no inverse; draw another seed")
        pk = binding.ciphertext_coefficients(binding.ciphertext_from_ntt(first, second, params), params)
        key_proof.verify_key_proof(key, pk, proof, params)
    except ValueError:
        if any(format.is_secret_key(part, params) for part in unpack_frame(frame, FrameKind.CONTEXT).parts):
            raise SecretKeyInContext("the context holds a SECRET key; it was refused and not kept") from None
        raise
    return messages.frame_sha256(frame)


def evaluate_batch(
    context: bytes,
    batch: bytes,
    weights: QuantizedWeights,
    params: ParameterSet,
    contract: str,
    *,
    sha256: str = "",
    places: NDArray[np.int64] | None = None,
) -> bytes:
    """The reply frame to ``batch``: for every output its sum (``QuantizedWeights``), masked, flooded, switched down.

    ``context`` is a frame that passed ``check_context``. Each sum starts from a fresh mask (``mask.draw_mask``); the
    products and the base are added; then it is switched down to the smallest modulus, where the reply is shortest.
    ``sha256``: the batch's digest, if the caller has it. ``places``: int64 [scored], ascending, the rows of the batch
    that ``weights`` are of; None: all. The other rows are dropped: their slots get random numbers like the slots after
    the last row, and the reply says which they are. Raises ``MalformedFrame``, and ``ValueError`` for weights or places
    that do not fit the batch.
    """
    parsed = read_batch(batch, params, contract=contract, sha256=sha256)
    if parsed.context != messages.frame_sha256(context):
        raise MalformedFrame("the batch names another context")
    _check_places(places, parsed.rows)
    weights.check(params, columns=parsed.column_count, rows=parsed.rows if places is None else len(places))
    key, _ = messages.read_context(context, params)
    if key[:SEED_BYTES] in parsed.seeds():
        raise MalformedFrame("a column has the public key's seed")
    pk = _public_key(key, params)
    sums = [mask.draw_mask(pk, params) for _ in range(len(weights.base))]
    add_products(sums, parsed, weights, params, places)
    outputs = finalize_sums(sums, weights, params, places)
    return messages.pack_reply(params, parsed.sha256, parsed.rows, outputs, places=places)


def _check_places(places: NDArray[np.int64] | None, rows: int) -> None:
    if places is None:
        return
    if not len(places) or places[0] < 0 or places[-1] >= rows or (np.diff(places) <= 0).any():
        raise ValueError(f"wanted places from 0 to {rows - 1}, ascending, at least one")


def add_products(
    sums: list[Any],
    batch: ParsedBatch,
    weights: QuantizedWeights,
    params: ParameterSet,
    places: NDArray[np.int64] | None = None,
) -> None:
    """Add the product of every weight and its column to the sums of its outputs. ``places`` as in ``evaluate_batch``.

    Weights are taken column by column, so each ciphertext is read once, and a product that belongs to several outputs
    is computed once. A product leaves the bureau only in a sum that began as a mask.
    """
    context = binding.seal_context(params.name)
    evaluator, encoder, level = seal.Evaluator(context), seal.BatchEncoder(context), context.first_parms_id()
    plain, transformed, product, current, column = seal.Plaintext(), seal.Plaintext(), seal.Ciphertext(), -1, None
    residues, polynomials = _modulo(weights.weights, params), _column_buffers(params)
    row: NDArray[np.int64] = np.empty(params.slots, dtype=np.int64)
    for index in np.argsort(weights.columns, kind="stable"):
        if int(weights.columns[index]) != current:
            current = int(weights.columns[index])
            messages.read_seeded_ciphertext(batch.ciphertexts[current], params, polynomials)
            column = binding.ciphertext_from_ntt(*polynomials, params)
        _fill_slots(row, residues[index], params, places)
        if not row.any():
            continue  # SEAL refuses a product with zero as "transparent"; it would add nothing
        encoder.encode(row.data, plain)  # a buffer, since a list would first make all its integers
        evaluator.transform_to_ntt(plain, level, transformed)
        evaluator.multiply_plain(column, transformed, product)
        for output in weights.outputs[index]:
            evaluator.add_inplace(sums[output], product)


def finalize_sums(
    sums: list[Any], weights: QuantizedWeights, params: ParameterSet, places: NDArray[np.int64] | None = None
) -> list[bytes]:
    """Add the base to every sum and switch it down: the ciphertexts of the reply, packed. ``places`` as above."""
    context = binding.seal_context(params.name)
    evaluator, encoder, plain = seal.Evaluator(context), seal.BatchEncoder(context), seal.Plaintext()
    row: NDArray[np.int64] = np.empty(params.slots, dtype=np.int64)
    packed = []
    for total, base in zip(sums, _modulo(weights.base, params), strict=True):
        _fill_slots(row, base, params, places)
        encoder.encode(row.data, plain)
        evaluator.add_plain_inplace(total, plain)
        evaluator.mod_switch_to_inplace(total, context.last_parms_id())
        packed.append(messages.pack_output(*binding.ciphertext_residues(total, params), params))
    return packed


def _modulo(values: NDArray[np.int64], params: ParameterSet) -> NDArray[np.int64]:
    """Residues modulo t of values between -t and t; far cheaper than a division."""
    return np.ascontiguousarray(values + (values < 0) * np.int64(params.plain_modulus))


def _fill_slots(
    row: NDArray[np.int64], values: NDArray[np.int64], params: ParameterSet, places: NDArray[np.int64] | None
) -> None:
    """Set the slots ``places`` of ``row``, int64 [slots], to ``values``, and every other slot to a fresh random number.

    ``places`` None: the first slots. The others are the slots after the last row, and those of dropped rows. With zeros
    there, every coefficient of the encoded polynomial would be a known multiple of the few weights there are. A reply
    shows 26 bits of each of 8,192 coefficients, so a bank that lets its columns wrap around q could read many weights
    from one reply (README, "Slots without an enterprise").
    """
    used = slice(len(values)) if places is None else places
    unused = np.ones(params.slots, dtype=np.bool_)
    unused[used] = False
    row[unused] = sampling.sample_modulo(params.plain_modulus, params.slots - len(values))
    row[used] = values


def _public_key(key: bytes, params: ParameterSet) -> Any:
    return binding.ciphertext_from_ntt(*messages.read_seeded_ciphertext(key, params), params)


def _column_buffers(params: ParameterSet) -> tuple[RingElement, RingElement]:
    """Arrays for the two polynomials of a column, used again for each column."""
    shape = (len(params.data_primes), params.degree)
    return np.empty(shape, dtype=np.uint64), np.empty(shape, dtype=np.uint64)
