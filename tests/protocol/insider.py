"""What a bank can compute that knows all it may know: its secret key, its request's randomness, its key's.

Exact, in integers. ``Insider`` sees replies and half-made sums as the polynomials they are.
"""

from __future__ import annotations

import dataclasses
import os
import struct
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import tenseal.sealapi as seal
from numpy.typing import NDArray

from protocols.scoring import bank, native, noise, ring
from protocols.scoring.layout import BatchHead, Terms
from protocols.scoring.noise import Element
from protocols.scoring.params import ParameterSet

BLAKE2XB = 1
CONTRACT = "trial-contract"


def integers(element: Element, params: ParameterSet) -> NDArray[np.object_]:
    """Coefficients between -q/2 and q/2 as Python integers, by the Chinese remainder theorem."""
    q = params.modulus
    total = sum(
        row.astype(object) * (q // p * pow(q // p, -1, p)) for row, p in zip(element, params.data_primes, strict=True)
    )
    values = np.asarray(total) % q
    return np.where(values > q // 2, values - q, values)


def as_element(values: NDArray[Any], params: ParameterSet) -> Element:
    """Integers of any size as residues."""
    return np.stack([np.array([int(v) % p for v in values], dtype=np.uint64) for p in params.data_primes])


def zero(params: ParameterSet) -> Element:
    return np.zeros((len(params.data_primes), params.degree), dtype=np.uint64)


def at_level(params: ParameterSet, count: int) -> ParameterSet:
    """The set when ``count`` data primes are left."""
    return dataclasses.replace(params, primes=(*params.primes[:count], params.primes[-1]))


def polynomials(ciphertext: Any, params: ParameterSet) -> tuple[Element, Element]:
    """Both polynomials at whatever level the ciphertext is."""
    first, second = native.elements(ciphertext, at_level(params, ciphertext.coeff_modulus_size()))
    return first, second


def coefficients(slots: NDArray[np.int64], params: ParameterSet) -> NDArray[np.int64]:
    """The plaintext polynomial whose slots these are, coefficients within t/2."""
    plain = seal.Plaintext()
    seal.BatchEncoder(native.context(params.name)).encode((slots % params.plain_modulus).tolist(), plain)
    found = np.zeros(params.degree, dtype=np.int64)
    count = plain.coeff_count()
    found[:count] = [plain.data(index) for index in range(count)]
    return np.where(found > params.plain_modulus // 2, found - params.plain_modulus, found)


def slots(polynomial: NDArray[np.int64], params: ParameterSet) -> NDArray[np.int64]:
    """The slots of a plaintext polynomial, within t/2."""
    encoder = seal.BatchEncoder(native.context(params.name))
    return np.asarray(encoder.decode_int64(native.plaintext(polynomial, params)), dtype=np.int64)


def transformed(rows: Element, params: ParameterSet) -> Any:
    """A ciphertext whose two halves both *are* these values in transformed form."""
    both = np.stack([rows, rows])
    parms_id = struct.pack("<4Q", *native.context(params.name).first_parms_id())
    body = parms_id + struct.pack("<BQQQdQ", 1, 2, params.degree, len(rows), 1.0, 1) + native._array(both)
    return native.load(seal.Ciphertext, native._seal_header(len(body)) + body, params)


def values_of(ciphertext: Any, half: int, params: ParameterSet) -> NDArray[np.object_]:
    """One half of a ciphertext in transformed form, [primes, N] Python integers."""
    array, size = ciphertext.dyn_array(), ciphertext.coeff_modulus_size() * params.degree
    found = np.array([array.at(half * size + index) for index in range(size)], dtype=object)
    return found.reshape(-1, params.degree)


def frame_of(content: bytes, *, declared: int | None = None) -> bytes:
    """Content as SEAL would save it, in a Zstandard frame (RFC 8878) of raw blocks, without a compressor."""
    size = len(content) if declared is None else declared
    blocks = [content[start : start + 131072] for start in range(0, len(content), 131072)] or [b""]
    head = struct.pack("<IBI", 0xFD2FB528, 0xA0, size)
    body = b"".join(
        (len(b) << 3 | (index == len(blocks) - 1)).to_bytes(3, "little") + b for index, b in enumerate(blocks)
    )
    return struct.pack("<HBBBBHQ", 0xA15E, 16, 4, 3, 2, 0, 16 + len(head) + len(body)) + head + body


def seeded(first: NDArray[np.object_], seed: bytes, params: ParameterSet, **other: Any) -> bytes:
    """A seeded ciphertext with a first polynomial of one's choice (transformed form, [primes, N]) and this seed.

    ``other``: what a liar says of ``ntt``, ``size``, ``degree``, ``count``, ``scale``, ``correction``, ``kind``, level.
    """
    context = native.context(params.name)
    parms_id = struct.pack("<4Q", *other.get("level", context.first_parms_id()))
    members = struct.pack(
        "<BQQQdQ",
        other.get("ntt", 1),
        other.get("size", 2),
        other.get("degree", params.degree),
        other.get("count", len(params.data_primes)),
        other.get("scale", 1.0),
        other.get("correction", 1),
    )
    rows = np.array(
        [[int(v) % p for v in row] for row, p in zip(first, params.data_primes, strict=True)], dtype=np.uint64
    )
    expander = native._seal_header(65) + bytes([other.get("kind", BLAKE2XB)]) + seed
    return frame_of(parms_id + members + native._array(rows) + expander)


@dataclass
class Insider:
    """A bank that looks at everything."""

    params: ParameterSet

    def __post_init__(self) -> None:
        self.secret_bytes = bank.generate_secret(self.params)
        self.holder = bank.KeyHolder(self.params, self.secret_bytes)
        self.context = native.context(self.params.name)
        key = native.load(seal.SecretKey, self.secret_bytes, self.params)
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
        return integers(noise.added(first, ring.product(second, self.secret, level), level), level)

    def noise(self, ciphertext: Any) -> NDArray[np.object_]:
        """The noise alone, in units of t."""
        inside, t = self.inside(ciphertext), self.params.plain_modulus
        message = inside % t
        return (inside - np.where(message > t // 2, message - t, message)) // t

    def craft(self, message: NDArray[np.int64], error: NDArray[np.int64]) -> Any:
        """An encryption of any polynomial with any noise: what a bank may make that keeps to no rule."""
        second = np.stack(
            [
                np.array(
                    [int.from_bytes(os.urandom(8), "little") % p for _ in range(self.params.degree)], dtype=np.uint64
                )
                for p in self.params.data_primes
            ]
        )
        product = ring.product(second, -self.secret, self.params)
        inside = noise.scaled(noise.residues(error, self.params), self.params.plain_modulus, self.params)
        inside = noise.added(inside, noise.residues(message, self.params), self.params)
        return native.ciphertext(noise.added(product, inside, self.params), second, self.params)

    def nothing(self) -> Any:
        """A sum with no mask in it, for what protection is measured against."""
        return native.ciphertext(zero(self.params), zero(self.params), self.params)


def head_of(columns: list[Any], rows: int) -> BatchHead:
    """What the bureau adds up from, for columns that no honest batch could bring."""
    tags = np.zeros((rows, 16), dtype=np.uint8)
    return BatchHead("", CONTRACT, "", len(columns), tags, tuple(native.dump(column) for column in columns))


def terms_of(weights: NDArray[np.int64], base: NDArray[np.int64] | None = None) -> Terms:
    """One output; weights int64 [columns, rows]."""
    count, rows = weights.shape
    base = np.zeros((1, rows), dtype=np.int64) if base is None else base
    return Terms(np.arange(count, dtype=np.int32), ((0,),) * count, weights, base)
