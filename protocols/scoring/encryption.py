"""The bank's symmetric encryption: (c0, a) with c0 = m - (a s + t e), and a expanded from a fresh seed.

This is the encryption of BGV (Brakerski, Gentry and Vaikuntanathan, ePrint 2011/277, section 3.2), computed by SEAL's
evaluator with errors from ``rlwe.sampling``. SEAL's own encryption is not used, because it expands its seeds in another
way (docs/decisions/0017). The polynomial a is in transformed form from the beginning, so only the small t e and the
message are transformed. Two columns share one ciphertext object, one in each half, and only public values are read back
from it.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import tenseal.sealapi as seal
from numpy.typing import NDArray

from protocols.scoring import messages
from protocols.scoring.parameters import SEED_BYTES, ParameterSet
from protocols.scoring.rlwe import ring, sampling
from protocols.scoring.rlwe.ring import RingElement
from protocols.scoring.rlwe.seed_expansion import expand_seed
from protocols.scoring.seal import binding

SlotMessage = NDArray[Any] | None
"""Slots, integers from 0 to t / 2; None: zero."""


class SymmetricEncryptor:
    """Encrypts under one secret, which it holds transformed. It is made for one batch and dropped after it."""

    __slots__ = ("_context", "_encoder", "_evaluator", "_params", "_second_one", "_secret")

    def __init__(self, secret: NDArray[np.int64], params: ParameterSet) -> None:
        """``secret``: coefficients, -1 to 1, int64 [N]."""
        self._params, self._context = params, binding.seal_context(params.name)
        self._evaluator, self._encoder = seal.Evaluator(self._context), seal.BatchEncoder(self._context)
        self._secret = binding.plaintext_from_coefficients(secret, params)
        self._evaluator.transform_to_ntt_inplace(self._secret, self._context.first_parms_id())
        zeros = np.zeros((len(params.data_primes), params.degree), dtype=np.uint64)
        self._second_one = binding.ciphertext_from_ntt(zeros, zeros + np.uint64(1), params)

    def encrypt_columns(self, left: SlotMessage, right: SlotMessage) -> tuple[bytes, bytes]:
        """Two columns as they travel: a seed and residues each (``messages.pack_seeded_ciphertext``)."""
        degree = self._params.degree
        errors = sampling.sample_centred_binomial(degree), sampling.sample_centred_binomial(degree)
        return self._encrypt_pair((left, right), errors)

    def make_public_key(self) -> tuple[bytes, NDArray[np.int64]]:
        """A public key as it travels, and its error e: pk = (-(a s + t e), a), an encryption of zero with a invertible.

        At most one seed in 2^32 expands to an a without an inverse, which a bureau would refuse.
        """
        while True:
            error = sampling.sample_centred_binomial(self._params.degree)
            key, _ = self._encrypt_pair((None, None), (error, sampling.sample_centred_binomial(self._params.degree)))
            if expand_seed(key[:SEED_BYTES], self._params).all():
                return key, error

    def _encrypt_pair(
        self, pair: tuple[SlotMessage, SlotMessage], errors: tuple[NDArray[np.int64], NDArray[np.int64]]
    ) -> tuple[bytes, bytes]:
        params, evaluator = self._params, self._evaluator
        seeds = [os.urandom(SEED_BYTES) for _ in range(2)]
        product = binding.ciphertext_from_ntt(expand_seed(seeds[0], params), expand_seed(seeds[1], params), params)
        evaluator.multiply_plain_inplace(product, self._secret)
        ciphertext = binding.ciphertext_from_coefficients(self._scaled(errors[0]), self._scaled(errors[1]), params)
        evaluator.sub_inplace(ciphertext, product)
        for half, message in enumerate(pair):
            if message is not None:
                self._add_message(ciphertext, message, half)
        first, second = binding.ciphertext_residues(ciphertext, params)
        return (
            messages.pack_seeded_ciphertext(seeds[0], first, params),
            messages.pack_seeded_ciphertext(seeds[1], second, params),
        )

    def _scaled(self, error: NDArray[np.int64]) -> RingElement:
        """-t e as residues."""
        return ring.to_residues(-self._params.plain_modulus * error, self._params)

    def _add_message(self, ciphertext: Any, message: NDArray[Any], half: int) -> None:
        """Add a message to the first or the second half. The steps do not depend on the message.

        To the second half it is added as (0, 1) times the message plus one in every slot, less (0, 1), because SEAL
        refuses a product that is zero.
        """
        plain = seal.Plaintext()
        if half == 0:
            self._encoder.encode(message.tolist(), plain)
            self._evaluator.add_plain_inplace(ciphertext, plain)
            return
        self._encoder.encode((message.astype(np.int64) + 1).tolist(), plain)
        self._evaluator.transform_to_ntt_inplace(plain, self._context.first_parms_id())
        shifted = seal.Ciphertext()
        self._evaluator.multiply_plain(self._second_one, plain, shifted)
        self._evaluator.add_inplace(ciphertext, shifted)
        self._evaluator.sub_inplace(ciphertext, self._second_one)
