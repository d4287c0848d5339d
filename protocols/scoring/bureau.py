"""The bureau's side of scoring: multiplies the bank's columns by public weights without seeing either score or column.

Every function is plain data in, plain data out, so that the caller can run it in a worker process with limits: SEAL
parses bytes from strangers here. Errors are ``ValueError``s (``MalformedFrame``, ``NativeRefusal``) that name a rule.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tenseal.sealapi as seal

from protocols.scoring import layout, native
from protocols.scoring.layout import BatchHead, Terms, read_batch
from protocols.scoring.params import ParameterSet
from protocols.wire.frame import Kind, MalformedFrame, unpack

__all__ = ["BatchHead", "SecretKeyFound", "Terms", "check_context", "evaluate", "read_batch"]


class SecretKeyFound(ValueError):
    """A context that bears a secret key was refused; the bank has to make new keys."""


def check_context(frame: bytes, params: ParameterSet) -> str:
    """The SHA-256 of a context frame that holds one valid public key of ``params`` and nothing else.

    Raises ``SecretKeyFound`` if the bytes are a secret key, ``MalformedFrame`` or ``NativeRefusal`` otherwise.
    """
    _public_key(frame, params)
    return layout.digest(frame)


def evaluate(context: bytes, batch: bytes, terms: Terms, params: ParameterSet, contract: str) -> bytes:
    """The reply frame to ``batch``: for every output, its sum over the terms, re-randomised, flooded and switched down.

    Each sum starts from a fresh encryption of zero under the bank's public key (so it no longer is a function of the
    request's randomness), gets the base added, its noise flooded (``ParameterSet.flood_bits``), and is switched down
    to the smallest modulus, where the reply is shortest.
    """
    head = read_batch(batch, params, contract=contract)
    if head.context != layout.digest(context):
        raise MalformedFrame("the batch names another context")
    terms.check(params, columns=head.columns, rows=head.rows)
    seal_context = native.context(params.name)
    evaluator = seal.Evaluator(seal_context)
    encoder = seal.BatchEncoder(seal_context)
    sums = _zeros(len(terms.base), context, params, evaluator)
    _add_products(sums, head, terms, params, evaluator, encoder)

    replies, plain = [], seal.Plaintext()
    for reply, base in zip(sums, terms.base, strict=True):
        evaluator.transform_from_ntt_inplace(reply)
        encoder.encode((base % params.plain_modulus).tolist(), plain)
        evaluator.add_plain_inplace(reply, plain)
        evaluator.add_inplace(reply, native.noise_ciphertext(params))
        evaluator.mod_switch_to_inplace(reply, seal_context.last_parms_id())
        replies.append(native.dump(reply))
    return layout.pack_reply(params, head.sha256, head.rows, replies)


def _zeros(count: int, context: bytes, params: ParameterSet, evaluator: Any) -> list[Any]:
    """Fresh encryptions of zero under the bank's public key, in NTT form: what every sum starts from."""
    seal_context = native.context(params.name)
    encryptor = seal.Encryptor(seal_context, _public_key(context, params))
    zeros = []
    for _ in range(count):
        zero = seal.Ciphertext(seal_context)
        encryptor.encrypt_zero(zero)
        evaluator.transform_to_ntt_inplace(zero)
        zeros.append(zero)
    return zeros


def _add_products(
    sums: list[Any], head: BatchHead, terms: Terms, params: ParameterSet, evaluator: Any, encoder: Any
) -> None:
    """Add every term's product into the sums of its outputs.

    Terms are taken column by column: a ciphertext is parsed and transformed once, whatever the number of outputs it
    feeds, and a product that feeds several outputs is computed once.
    """
    first = native.context(params.name).first_parms_id()
    current, column = -1, None
    product = seal.Ciphertext()
    for term in np.argsort(terms.columns, kind="stable"):
        values = terms.values[term]
        if int(terms.columns[term]) != current:
            current = int(terms.columns[term])
            column = _column(head.ciphertexts[current], params, first, evaluator)
        if not values.any():
            continue  # a product with zero would be "transparent", which SEAL refuses; it adds nothing
        weights = seal.Plaintext()
        encoder.encode((values % params.plain_modulus).tolist(), weights)
        evaluator.transform_to_ntt_inplace(weights, first)
        evaluator.multiply_plain(column, weights, product)
        for output in terms.outputs[term]:
            evaluator.add_inplace(sums[output], product)


def _column(data: bytes, params: ParameterSet, first: Any, evaluator: Any) -> Any:
    ciphertext = native.load(seal.Ciphertext, data, params)
    fits = ciphertext.size() == 2 and not ciphertext.is_ntt_form() and ciphertext.parms_id() == first
    if not fits or ciphertext.is_transparent():
        raise native.NativeRefusal("a column is no fresh ciphertext: wrong size, form, level, or transparent")
    evaluator.transform_to_ntt_inplace(ciphertext)
    return ciphertext


def _public_key(frame: bytes, params: ParameterSet) -> Any:
    parsed = unpack(frame, Kind.CONTEXT)
    if parsed.text("parameters") != params.name or len(parsed.parts) != 1:
        raise MalformedFrame(f"wanted a context of {params.name} with one public key and nothing else")
    try:
        return native.load(seal.PublicKey, parsed.parts[0], params)
    except native.NativeRefusal:
        if _is_secret_key(parsed.parts[0], params):
            raise SecretKeyFound("the context bears a SECRET key; it was refused and not kept") from None
        raise


def _is_secret_key(data: bytes, params: ParameterSet) -> bool:
    try:
        native.load(seal.SecretKey, data, params)
    except native.NativeRefusal:
        return False
    return True
