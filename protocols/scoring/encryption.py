"""Symmetric encryption as the bank does it: (c0, a) with c0 = m - (a s + t e) and a expanded from a fresh seed.

It is the encryption of BGV (ePrint 2011/277, section 3.2), put together out of SEAL's evaluation and errors of
``noise``, as ``mask.draw`` puts together an encryption of zero: SEAL's own encryption expands its seeds otherwise
(decision 0017). The pseudo-random a is in transformed form from the beginning, so nothing but the small t e and the
message is transformed. Two columns share a ciphertext object, one in each half, and what is read back of it is public.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import tenseal.sealapi as seal
from numpy.typing import NDArray

from protocols.scoring import messages as layout
from protocols.scoring.parameters import SEED_BYTES, ParameterSet
from protocols.scoring.rlwe import ring, sampling
from protocols.scoring.rlwe.ring import RingElement
from protocols.scoring.rlwe.seed_expansion import expand_seed
from protocols.scoring.seal import binding

SlotMessage = NDArray[Any] | None
"""Slots, integers from 0 to t / 2; None: zero."""


class SymmetricEncryptor:
    """Encrypts under one secret, which it holds transformed: made for a batch, and dropped after it."""

    __slots__ = ("_context", "_encoder", "_evaluator", "_params", "_second_one", "_secret")

    def __init__(self, secret: NDArray[np.int64], params: ParameterSet) -> None:
        """``secret``: coefficients, -1 to 1, int64 [N]."""
        self._params, self._context = params, binding.seal_context(params.name)
        self._evaluator, self._encoder = seal.Evaluator(self._context), seal.BatchEncoder(self._context)
        self._secret = binding.plaintext_from_coefficients(secret, params)
        self._evaluator.transform_to_ntt_inplace(self._secret, self._context.first_parms_id())
        zeros = np.zeros((len(params.data_primes), params.degree), dtype=np.uint64)
        self._second_one = binding.ciphertext_from_ntt(zeros, zeros + np.uint64(1), params)

    def encrypt_columns(self, one: SlotMessage, other: SlotMessage) -> tuple[bytes, bytes]:
        """Two columns as they travel: seed and residues each."""
        errors = (
            sampling.sample_centred_binomial(self._params.degree),
            sampling.sample_centred_binomial(self._params.degree),
        )
        return self._columns((one, other), errors)

    def make_public_key(self) -> tuple[bytes, NDArray[np.int64]]:
        """A public key as it travels, an encryption of zero, and its error e: pk = (-(a s + t e), a), a invertible.

        One seed in 2^32 or fewer expands to an a without an inverse, which no bureau takes.
        """
        while True:
            error = sampling.sample_centred_binomial(self._params.degree)
            key, _ = self._columns((None, None), (error, sampling.sample_centred_binomial(self._params.degree)))
            if expand_seed(key[:SEED_BYTES], self._params).all():
                return key, error

    def _columns(
        self, messages: tuple[SlotMessage, SlotMessage], errors: tuple[NDArray[np.int64], NDArray[np.int64]]
    ) -> tuple[bytes, bytes]:
        params, evaluator = self._params, self._evaluator
        seeds = [os.urandom(SEED_BYTES) for _ in range(2)]
        product = binding.ciphertext_from_ntt(expand_seed(seeds[0], params), expand_seed(seeds[1], params), params)
        evaluator.multiply_plain_inplace(product, self._secret)
        found = binding.ciphertext_from_coefficients(self._scaled(errors[0]), self._scaled(errors[1]), params)
        evaluator.sub_inplace(found, product)
        for half, message in enumerate(messages):
            if message is not None:
                self._add(found, message, half)
        first, second = binding.ciphertext_residues(found, params)
        return layout.pack_seeded_ciphertext(seeds[0], first, params), layout.pack_seeded_ciphertext(
            seeds[1], second, params
        )

    def _scaled(self, error: NDArray[np.int64]) -> RingElement:
        """-t e as residues."""
        return ring.to_residues(-self._params.plain_modulus * error, self._params)

    def _add(self, found: Any, message: NDArray[Any], half: int) -> None:
        """Add a message to the first or the second half; what is done is the same for every message.

        To the second it goes as (0, 1) times one more in every slot, less (0, 1): SEAL refuses a product that is zero.
        """
        plain = seal.Plaintext()
        if half == 0:
            self._encoder.encode(message.tolist(), plain)
            self._evaluator.add_plain_inplace(found, plain)
            return
        self._encoder.encode((message.astype(np.int64) + 1).tolist(), plain)
        self._evaluator.transform_to_ntt_inplace(plain, self._context.first_parms_id())
        placed = seal.Ciphertext()
        self._evaluator.multiply_plain(self._second_one, plain, placed)
        self._evaluator.add_inplace(found, placed)
        self._evaluator.sub_inplace(found, self._second_one)
