"""The bureau's side of scoring: multiplies the bank's columns by public weights without seeing either score or column.

Every function is plain data in, plain data out, so that the caller can run it in a worker process with limits. What a
bank sends is residues and seeds, judged in numpy; SEAL is handed what is written here (``native``). Errors are
``ValueError``s (``MalformedFrame``, ``SealRejection``) that name a rule.
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
"""The number of the rules by which ``check_context`` judges; what earlier ones let pass has to be judged again.

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
    """A context that bears a secret key was refused; the bank has to make new keys."""


def check_context(frame: bytes, params: ParameterSet) -> str:
    """The SHA-256 of a context frame that holds one public key of ``params``, proven well formed, and nothing else.

    Raises ``SecretKeyInContext`` if the bytes are a secret key, ``MalformedFrame``, ``SealRejection`` or another
    ``ValueError`` otherwise. Takes about half a second, so it is done once, when a context is kept.
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
            raise SecretKeyInContext("the context bears a SECRET key; it was refused and not kept") from None
        raise
    return messages.frame_sha256(frame)


def evaluate_batch(
    context: bytes, batch: bytes, terms: QuantizedWeights, params: ParameterSet, contract: str, *, sha256: str = ""
) -> bytes:
    """The reply frame to ``batch``: for every output, its sum over the terms, masked, flooded and switched down.

    ``context`` is a frame that ``check_context`` let pass. Each sum starts from a fresh mask (``mask.draw``), gets the
    products and the base added, and is switched down to the smallest modulus, where the reply is shortest. ``sha256``:
    the batch's digest, if the caller has it.
    """
    head = read_batch(batch, params, contract=contract, sha256=sha256)
    if head.context != messages.frame_sha256(context):
        raise MalformedFrame("the batch names another context")
    terms.check(params, columns=head.column_count, rows=head.rows)
    key, _ = messages.read_context(context, params)
    if key[:SEED_BYTES] in head.seeds():
        raise MalformedFrame("a column has the public key's seed")
    pk = _public_key(key, params)
    sums = [mask.draw_mask(pk, params) for _ in range(len(terms.base))]
    add_products(sums, head, terms, params)
    return messages.pack_reply(params, head.sha256, head.rows, finalize_sums(sums, terms, params))


def add_products(sums: list[Any], head: ParsedBatch, terms: QuantizedWeights, params: ParameterSet) -> None:
    """Add every term's product into the sums of its outputs.

    Terms are taken column by column: a ciphertext is read once, whatever the number of outputs it feeds, and a
    product that feeds several outputs is computed once. A product that is added to one mask alone goes nowhere
    unmasked.
    """
    context = binding.seal_context(params.name)
    evaluator, encoder, first = seal.Evaluator(context), seal.BatchEncoder(context), context.first_parms_id()
    weights, transformed, product, current, column = seal.Plaintext(), seal.Plaintext(), seal.Ciphertext(), -1, None
    values, polynomials = _modulo(terms.weights, params), _room(params)
    row: NDArray[np.int64] = np.empty(params.slots, dtype=np.int64)
    for term in np.argsort(terms.columns, kind="stable"):
        if int(terms.columns[term]) != current:
            current = int(terms.columns[term])
            messages.read_seeded_ciphertext(head.ciphertexts[current], params, polynomials)
            column = binding.ciphertext_from_ntt(*polynomials, params)
        _fill(row, values[term], params)
        if not row.any():
            continue  # a product with zero would be "transparent", which SEAL refuses; it adds nothing
        encoder.encode(row.data, weights)  # read in place: a list would make all its integers first
        evaluator.transform_to_ntt(weights, first, transformed)
        evaluator.multiply_plain(column, transformed, product)
        for output in terms.outputs[term]:
            evaluator.add_inplace(sums[output], product)


def finalize_sums(sums: list[Any], terms: QuantizedWeights, params: ParameterSet) -> list[bytes]:
    """Add the base to every sum and switch it down: the ciphertexts of the reply, packed."""
    context = binding.seal_context(params.name)
    evaluator, encoder, plain = seal.Evaluator(context), seal.BatchEncoder(context), seal.Plaintext()
    row: NDArray[np.int64] = np.empty(params.slots, dtype=np.int64)
    replies = []
    for reply, base in zip(sums, _modulo(terms.base, params), strict=True):
        _fill(row, base, params)
        encoder.encode(row.data, plain)
        evaluator.add_plain_inplace(reply, plain)
        evaluator.mod_switch_to_inplace(reply, context.last_parms_id())
        replies.append(messages.pack_output(*binding.ciphertext_residues(reply, params), params))
    return replies


def _modulo(values: NDArray[np.int64], params: ParameterSet) -> NDArray[np.int64]:
    """Values of less than t on either side of 0 as residues of t; far cheaper than a division."""
    return np.ascontiguousarray(values + (values < 0) * np.int64(params.plain_modulus))


def _fill(row: NDArray[np.int64], values: NDArray[np.int64], params: ParameterSet) -> None:
    """Set ``row``, int64 [slots], to ``values`` and, in slots that no enterprise of the batch has, random numbers.

    Fresh for each term and base. With nothing in those slots every coefficient of a term's polynomial would be a known
    multiple of the few weights there are, and the 26 bits that a reply shows of each of 8,192 coefficients would say
    many terms' weights at once, to a bank that lets its columns wrap around q. So they say one polynomial's at most.
    """
    row[: len(values)] = values
    row[len(values) :] = sampling.sample_modulo(params.plain_modulus, params.slots - len(values))


def _public_key(key: bytes, params: ParameterSet) -> Any:
    return binding.ciphertext_from_ntt(*messages.read_seeded_ciphertext(key, params), params)


def _room(params: ParameterSet) -> tuple[RingElement, RingElement]:
    """Where the polynomials of a column lie until SEAL has them."""
    shape = (len(params.data_primes), params.degree)
    return np.empty(shape, dtype=np.uint64), np.empty(shape, dtype=np.uint64)
