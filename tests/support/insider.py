"""What a bank can compute from all it knows: its secret key, and the randomness of its request and of its key.

Exact, in integers. ``Insider`` sees replies and unfinished sums as polynomials.
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import tenseal.sealapi as seal
from numpy.typing import NDArray

from protocols.scoring import bank, messages
from protocols.scoring.messages import ParsedBatch, QuantizedWeights
from protocols.scoring.parameters import SEED_BYTES, ParameterSet
from protocols.scoring.rlwe import ring
from protocols.scoring.rlwe.ring import RingElement
from protocols.scoring.rlwe.seed_expansion import expand_seed
from protocols.scoring.seal import binding

CONTRACT = "trial-contract"


def integers(element: RingElement, params: ParameterSet) -> NDArray[np.object_]:
    """Coefficients between -q/2 and q/2 as Python integers, by the Chinese remainder theorem."""
    q = params.modulus
    total = sum(
        row.astype(object) * (q // p * pow(q // p, -1, p)) for row, p in zip(element, params.data_primes, strict=True)
    )
    values = np.asarray(total) % q
    return np.where(values > q // 2, values - q, values)


def as_element(values: NDArray[Any], params: ParameterSet) -> RingElement:
    """Integers of any size as residues."""
    return np.stack([np.array([int(v) % p for v in values], dtype=np.uint64) for p in params.data_primes])


def zero(params: ParameterSet) -> RingElement:
    return np.zeros((len(params.data_primes), params.degree), dtype=np.uint64)


def at_level(params: ParameterSet, count: int) -> ParameterSet:
    """The set when ``count`` data primes are left."""
    return dataclasses.replace(params, primes=(*params.primes[:count], params.primes[-1]))


def polynomials(ciphertext: Any, params: ParameterSet) -> tuple[RingElement, RingElement]:
    """Both polynomials at whatever level the ciphertext is."""
    first, second = binding.ciphertext_coefficients(ciphertext, params)
    return first, second


def coefficients(slots: NDArray[np.int64], params: ParameterSet) -> NDArray[np.int64]:
    """The plaintext polynomial whose slots these are, coefficients within t/2."""
    plain = seal.Plaintext()
    seal.BatchEncoder(binding.seal_context(params.name)).encode((slots % params.plain_modulus).tolist(), plain)
    found = np.zeros(params.degree, dtype=np.int64)
    count = plain.coeff_count()
    found[:count] = [plain.data(index) for index in range(count)]
    return np.where(found > params.plain_modulus // 2, found - params.plain_modulus, found)


def slots(polynomial: NDArray[np.int64], params: ParameterSet) -> NDArray[np.int64]:
    """The slots of a plaintext polynomial, within t/2."""
    encoder = seal.BatchEncoder(binding.seal_context(params.name))
    return np.asarray(encoder.decode_int64(binding.plaintext_from_coefficients(polynomial, params)), dtype=np.int64)


def transformed(rows: RingElement, params: ParameterSet) -> Any:
    """A ciphertext whose two halves both *are* these values in transformed form."""
    return binding.ciphertext_from_ntt(rows, rows, params)


def column_of(part: bytes, params: ParameterSet) -> Any:
    """The ciphertext of a column or a key, as it travels."""
    return binding.ciphertext_from_ntt(*messages.read_seeded_ciphertext(part, params), params)


def output_of(part: bytes, params: ParameterSet) -> Any:
    """The ciphertext of an output of a reply, as it travels."""
    return binding.reply_ciphertext(*messages.read_output(part, params), params)


def values_of(ciphertext: Any, half: int, params: ParameterSet) -> NDArray[np.object_]:
    """One half of a ciphertext in transformed form, [primes, N] Python integers."""
    array, size = ciphertext.dyn_array(), ciphertext.coeff_modulus_size() * params.degree
    found = np.array([array.at(half * size + index) for index in range(size)], dtype=object)
    return found.reshape(-1, params.degree)


def seeded(first: NDArray[np.object_], seed: bytes, params: ParameterSet) -> bytes:
    """A key or column with a first polynomial of one's choice (transformed form, [primes, N]) and this seed."""
    return messages.pack_seeded_ciphertext(seed, reduced(first, params), params)


def reduced(first: NDArray[np.object_], params: ParameterSet) -> RingElement:
    return np.array([[int(v) % p for v in row] for row, p in zip(first, params.data_primes, strict=True)], np.uint64)


def rubbish(number: int, params: ParameterSet) -> bytes:
    """A part of a column's length with invalid residues, which are noticed only when they are read."""
    return number.to_bytes(SEED_BYTES, "big") + b"\xff" * (params.column_bytes - SEED_BYTES)


@dataclass
class Insider:
    """A bank that decrypts replies without rounding, and sees their noise."""

    params: ParameterSet

    def __post_init__(self) -> None:
        self.secret_bytes = bank.generate_secret_key(self.params)
        self.holder = bank.KeyHolder(self.params, self.secret_bytes)
        self.context = binding.seal_context(self.params.name)
        key = binding.load_secret_key(self.secret_bytes, self.params)
        self.encryptor = seal.Encryptor(self.context, key)
        self.decryptor = seal.Decryptor(self.context, key)
        self.secret = self.holder._secret()

    @cached_property
    def pk(self) -> Any:
        made = seal.Ciphertext()
        self.encryptor.encrypt_zero_symmetric(made)
        return made

    def inside(self, ciphertext: Any) -> NDArray[np.object_]:
        """c0 + c1 s, between -q/2 and q/2: message plus t times noise."""
        level = at_level(self.params, ciphertext.coeff_modulus_size())
        first, second = polynomials(ciphertext, self.params)
        return integers(ring.add_elements(first, ring.multiply_by_small(second, self.secret, level), level), level)

    def noise(self, ciphertext: Any) -> NDArray[np.object_]:
        """The noise alone, in units of t."""
        inside, t = self.inside(ciphertext), self.params.plain_modulus
        message = inside % t
        return (inside - np.where(message > t // 2, message - t, message)) // t

    def craft(self, message: NDArray[np.int64], error: NDArray[np.int64]) -> bytes:
        """An encryption of any polynomial with any noise, as it travels: what a dishonest bank can send."""
        params, seed = self.params, os.urandom(SEED_BYTES)
        second = expand_seed(seed, params)
        product = ring.multiply_by_small(polynomials(transformed(second, params), params)[0], -self.secret, params)
        inside = ring.scale_element(ring.to_residues(error, params), params.plain_modulus, params)
        inside = ring.add_elements(inside, ring.to_residues(message, params), params)
        whole = binding.ciphertext_from_coefficients(ring.add_elements(product, inside, params), second, params)
        return messages.pack_seeded_ciphertext(seed, binding.ciphertext_residues(whole, params)[0], params)

    def nothing(self) -> Any:
        """A sum without a mask, to compare with a masked one."""
        return binding.ciphertext_from_coefficients(zero(self.params), zero(self.params), self.params)


def head_of(columns: list[bytes], rows: int) -> ParsedBatch:
    """The columns as the bureau reads them, even those that no honest batch has."""
    tags = np.zeros((rows, 16), dtype=np.uint8)
    return ParsedBatch("", CONTRACT, "", len(columns), tags, tuple(columns))


def terms_of(weights: NDArray[np.int64], base: NDArray[np.int64] | None = None) -> QuantizedWeights:
    """One output; weights int64 [columns, rows]."""
    count, rows = weights.shape
    base = np.zeros((1, rows), dtype=np.int64) if base is None else base
    return QuantizedWeights(np.arange(count, dtype=np.int32), ((0,),) * count, weights, base)
