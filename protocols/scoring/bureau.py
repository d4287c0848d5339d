"""The bureau's side of scoring: multiplies the bank's columns by public weights without seeing either score or column.

Every function is plain data in, plain data out, so that the caller can run it in a worker process with limits. What a
bank sends is residues and seeds, judged in numpy; SEAL is handed what is written here (``native``). Errors are
``ValueError``s (``MalformedFrame``, ``NativeRefusal``) that name a rule.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tenseal.sealapi as seal
from numpy.typing import NDArray

from protocols.scoring import key_proof, mask, messages
from protocols.scoring.messages import BatchHead, Terms, read_batch
from protocols.scoring.parameters import SEED_BYTES, ParameterSet
from protocols.scoring.rlwe import sampling
from protocols.scoring.rlwe.sampling import Element
from protocols.scoring.seal import binding, format
from protocols.wire.frame import Kind, MalformedFrame, unpack

RULES = 2
"""The number of the rules by which ``check_context`` judges; what earlier ones let pass has to be judged again.

1: SEAL's seeded objects, with the proof. 2: seed and residues, with the proof."""

__all__ = ["RULES", "BatchHead", "SecretKeyFound", "Terms", "check_context", "evaluate", "read_batch"]


class SecretKeyFound(ValueError):
    """A context that bears a secret key was refused; the bank has to make new keys."""


def check_context(frame: bytes, params: ParameterSet) -> str:
    """The SHA-256 of a context frame that holds one public key of ``params``, proven well formed, and nothing else.

    Raises ``SecretKeyFound`` if the bytes are a secret key, ``MalformedFrame``, ``NativeRefusal`` or another
    ``ValueError`` otherwise. Takes about half a second, so it is done once, when a context is kept.
    """
    try:
        key, proof = messages.read_context(frame, params)
        first, second = messages.read_seeded(key, params)
        if not second.all():
            raise MalformedFrame("the key's second polynomial has no inverse; draw another seed")
        pk = binding.elements(binding.transformed(first, second, params), params)
        key_proof.check(key, pk, proof, params)
    except ValueError:
        if any(format.is_secret_key(part, params) for part in unpack(frame, Kind.CONTEXT).parts):
            raise SecretKeyFound("the context bears a SECRET key; it was refused and not kept") from None
        raise
    return messages.digest(frame)


def evaluate(
    context: bytes, batch: bytes, terms: Terms, params: ParameterSet, contract: str, *, sha256: str = ""
) -> bytes:
    """The reply frame to ``batch``: for every output, its sum over the terms, masked, flooded and switched down.

    ``context`` is a frame that ``check_context`` let pass. Each sum starts from a fresh mask (``mask.draw``), gets the
    products and the base added, and is switched down to the smallest modulus, where the reply is shortest. ``sha256``:
    the batch's digest, if the caller has it.
    """
    head = read_batch(batch, params, contract=contract, sha256=sha256)
    if head.context != messages.digest(context):
        raise MalformedFrame("the batch names another context")
    terms.check(params, columns=head.columns, rows=head.rows)
    key, _ = messages.read_context(context, params)
    if key[:SEED_BYTES] in head.seeds():
        raise MalformedFrame("a column has the public key's seed")
    pk = _public_key(key, params)
    sums = [mask.draw(pk, params) for _ in range(len(terms.base))]
    add_products(sums, head, terms, params)
    return messages.pack_reply(params, head.sha256, head.rows, finish(sums, terms, params))


def add_products(sums: list[Any], head: BatchHead, terms: Terms, params: ParameterSet) -> None:
    """Add every term's product into the sums of its outputs.

    Terms are taken column by column: a ciphertext is read once, whatever the number of outputs it feeds, and a
    product that feeds several outputs is computed once. A product that is added to one mask alone goes nowhere
    unmasked.
    """
    context = binding.context(params.name)
    evaluator, encoder, first = seal.Evaluator(context), seal.BatchEncoder(context), context.first_parms_id()
    weights, transformed, product, current, column = seal.Plaintext(), seal.Plaintext(), seal.Ciphertext(), -1, None
    values, polynomials = _modulo(terms.values, params), _room(params)
    row: NDArray[np.int64] = np.empty(params.slots, dtype=np.int64)
    for term in np.argsort(terms.columns, kind="stable"):
        if int(terms.columns[term]) != current:
            current = int(terms.columns[term])
            messages.read_seeded(head.ciphertexts[current], params, polynomials)
            column = binding.transformed(*polynomials, params)
        _fill(row, values[term], params)
        if not row.any():
            continue  # a product with zero would be "transparent", which SEAL refuses; it adds nothing
        encoder.encode(row.data, weights)  # read in place: a list would make all its integers first
        evaluator.transform_to_ntt(weights, first, transformed)
        evaluator.multiply_plain(column, transformed, product)
        for output in terms.outputs[term]:
            evaluator.add_inplace(sums[output], product)


def finish(sums: list[Any], terms: Terms, params: ParameterSet) -> list[bytes]:
    """Add the base to every sum and switch it down: the ciphertexts of the reply, packed."""
    context = binding.context(params.name)
    evaluator, encoder, plain = seal.Evaluator(context), seal.BatchEncoder(context), seal.Plaintext()
    row: NDArray[np.int64] = np.empty(params.slots, dtype=np.int64)
    replies = []
    for reply, base in zip(sums, _modulo(terms.base, params), strict=True):
        _fill(row, base, params)
        encoder.encode(row.data, plain)
        evaluator.add_plain_inplace(reply, plain)
        evaluator.mod_switch_to_inplace(reply, context.last_parms_id())
        replies.append(messages.pack_output(*binding.residues(reply, params), params))
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
    row[len(values) :] = sampling.modulo(params.plain_modulus, params.slots - len(values))


def _public_key(key: bytes, params: ParameterSet) -> Any:
    return binding.transformed(*messages.read_seeded(key, params), params)


def _room(params: ParameterSet) -> tuple[Element, Element]:
    """Where the polynomials of a column lie until SEAL has them."""
    shape = (len(params.data_primes), params.degree)
    return np.empty(shape, dtype=np.uint64), np.empty(shape, dtype=np.uint64)
