"""The second polynomial of a key or a column, from a seed of 32 bytes: nobody chooses it, and it need not travel.

    key     =  the first 32 bytes of SHAKE256("shulab scoring expansion v1" | 0 | name of the parameter set | 0 | seed)
    stream  =  AES-256 in counter mode under that key, the counter block beginning with 16 zero bytes (big-endian)
    words   =  the stream in pieces of 8 bytes, little-endian
    row(p)  =  of each word its low w = (bit length of p) bits; those below p, in turn, until there are N

The rows of the data primes p_1, p_2, .. are made in their order; each row continues with the word after the last one
that the row before it took. They are residues of a *transformed* polynomial (``packing``): uniform before a transform
is uniform after it.

FrodoKEM (specification of 2021, ``Gen`` with AES128) and Kyber-90s (round 3 specification, AES-256 in counter mode)
make their public matrices from a public seed in the same way; rejection is that of FIPS 203, algorithm 7. Here the
sender of a seed may be an attacker, and AES is no random function of a *key* that was chosen (Biryukov, Khovratovich
and Nikolić, CRYPTO 2009). So the key is a hash of the seed: with SHAKE256 as a random oracle the sender can only draw
it, and draw it again. The set's name in the hash keeps parameter sets apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

from protocols.scoring.parameters import SEED_BYTES, ParameterSet
from protocols.scoring.rlwe.ring import RingElement

_DOMAIN = b"shulab scoring expansion v1\0"
_WORD_BYTES = 8


def expand_seed(seed: bytes, params: ParameterSet, out: RingElement | None = None) -> RingElement:
    """The element that ``seed`` expands to, uint64 [data primes, N], transformed. ``out``: an array to fill.

    Raises ``ValueError`` for a seed of another length.
    """
    if len(seed) != SEED_BYTES:
        raise ValueError(f"a seed has {SEED_BYTES} bytes; found {len(seed)}")
    key = hashlib.shake_256(_DOMAIN + params.name.encode() + b"\0" + seed).digest(32)
    encryptor = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()

    def next_words(into: NDArray[np.uint64]) -> None:
        encryptor.update_into(_zeros(_WORD_BYTES * len(into)), into.data.cast("B"))

    element = np.empty((len(params.data_primes), params.degree), dtype=np.uint64) if out is None else out
    for row, prime in zip(element, params.data_primes, strict=True):
        fill_uniform_residues(row, prime, next_words)
    return element


def fill_uniform_residues(
    row: NDArray[np.uint64], prime: int, next_words: Callable[[NDArray[np.uint64]], None]
) -> None:
    """Fill ``row``, uint64 [N] and contiguous, with residues of ``prime`` by rejection.

    ``next_words`` fills an array with the next words of the stream, little-endian. It is called for the words that are
    missing and for no more.
    """
    mask, missing = np.uint64((1 << prime.bit_length()) - 1), row
    while len(missing):
        next_words(missing)
        np.bitwise_and(missing.view("<u8"), mask, out=missing)
        if int(missing.max()) < prime:
            return  # for all but one row in 10^4: of the primes in use at most one word in 10^8 is rejected
        taken = missing[missing < prime]
        missing[: len(taken)] = taken
        missing = missing[len(taken) :]


@lru_cache(maxsize=8)
def _zeros(count: int) -> bytes:
    """Zero bytes, whose encryption is the stream itself; kept, because the same few lengths come again."""
    return bytes(count)
