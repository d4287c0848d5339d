"""What hides a bank's identifiers in its requests: the secret order, the canaries, and the seeds that both come from.

Everything here is a pure function of a sealed secret and of what is asked, so that a request that was cut off is made
again byte for byte. Integers are big-endian; ``x ‖ y`` is concatenation; a *field* is its length in 4 bytes, then its
bytes (``layout.fields``). Names are UTF-8.

**Seeds.** HKDF-SHA-256 (RFC 5869) of the sealed secret without a salt, 32 bytes, with

* ``info = "shulab request v2" 0x00 ‖ F`` for the seed of one request (``request_seed``),
* ``info = "shulab order v1" 0x00 ‖ F`` for the seed of the order of a whole portfolio (``permutation_seed``),

where F is the five fields operation (``match`` or ``count``), engine, contract id, key epoch in decimal digits, and the
SHA-256 of the identifiers' fields: for a request in the order they are asked in, for an order in that of their bytes.

**Order.** SHAKE-256 (FIPS 202) of ``domain ‖ seed`` gives 16 bytes for each of n things; ``secret_permutation`` sorts
them by those 16 bytes. For a portfolio the domain is ``"shulab order v1" 0x00`` and the things are its identifiers,
sorted by their bytes. It is uniform among all n! orders but for the chance that two of the 128-bit words meet.

**Canaries.** A request for n identifiers has m = ``canary_count(n)`` elements more, n + m = t in all. The order of t
places under the domain ``"shulab canary places v1" 0x00`` and the request's seed begins with the places of the
canaries, the first canary's first; the identifiers fill the other places, from the front, in the order they are asked
in. Canary j is r_j·B, with r_j made by the engine of piece j of SHAKE-256(``"shulab canary scalars v1" 0x00 ‖ seed``),
as many bytes a piece as the engine takes: for ``x25519`` 32, clamped; for ``openmined`` 48, (c mod (n - 1)) + 1.

Who answers k of the t elements under another key than the one published is not noticed only if no canary is among the
k: with the chance C(t - k, m) / C(t, m) (``undetected_probability``).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence

import numpy as np
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray

from protocols.matching.messages import MatchingOperation, encode_fields

MIN_CANARIES = 64
"""The fewest canaries in a request."""
ELEMENTS_PER_CANARY = 100
"""At least one element in so many is a canary."""
SEED_BYTES = 32
_WORD = 16
_REQUEST, _ORDER = b"shulab request v2\x00", b"shulab order v1\x00"
_PLACES, _SCALARS = b"shulab canary places v1\x00", b"shulab canary scalars v1\x00"


def request_seed(
    secret: bytes, operation: MatchingOperation, engine: str, contract: str, epoch: int, identifiers: Sequence[str]
) -> bytes:
    """The seed of one request, 32 bytes; the order of ``identifiers`` counts."""
    return _seed(_REQUEST, secret, operation, engine, contract, epoch, identifiers)


def permutation_seed(
    secret: bytes, operation: MatchingOperation, engine: str, contract: str, epoch: int, identifiers: Iterable[str]
) -> bytes:
    """The seed of the order of a portfolio, 32 bytes; the order of ``identifiers`` plays no part."""
    return _seed(_ORDER, secret, operation, engine, contract, epoch, sorted(identifiers))


def _seed(
    domain: bytes,
    secret: bytes,
    operation: MatchingOperation,
    engine: str,
    contract: str,
    epoch: int,
    identifiers: Iterable[str],
) -> bytes:
    named = hashlib.sha256()
    for identifier in identifiers:
        named.update(encode_fields(identifier.encode()))
    about = encode_fields(operation.encode(), engine.encode(), contract.encode(), str(epoch).encode(), named.digest())
    return HKDF(algorithm=SHA256(), length=SEED_BYTES, salt=None, info=domain + about).derive(secret)


def secret_permutation(seed: bytes, count: int, domain: bytes = _ORDER) -> NDArray[np.int64]:
    """A permutation of ``range(count)``, int64 [count]: who stands first, second, ... in the order of ``seed``."""
    words = np.frombuffer(hashlib.shake_256(domain + seed).digest(_WORD * count), dtype=">u8").reshape(count, 2)
    return np.lexsort((words[:, 1], words[:, 0])).astype(np.int64)


def canary_count(identifiers: int) -> int:
    """How many canaries go with so many identifiers: at least 64, and at least one element in a hundred."""
    return max(MIN_CANARIES, -(-identifiers // (ELEMENTS_PER_CANARY - 1))) if identifiers else 0


def max_identifiers(most: int) -> int:
    """How many identifiers fit into a request of at most ``most`` elements; 0 if none does beside the canaries."""
    return max(min(most - MIN_CANARIES, most * (ELEMENTS_PER_CANARY - 1) // ELEMENTS_PER_CANARY), 0)


def request_sizes(identifiers: int, most: int) -> list[int]:
    """How many identifiers go into each of as few requests of at most ``most`` elements as hold all, evenly.

    Raises ``ValueError`` if a request has no room beside its canaries.
    """
    if not identifiers:
        return []
    if not max_identifiers(most):
        raise ValueError(f"a request of {most} elements has no room beside its {MIN_CANARIES} canaries")
    parts = -(-identifiers // max_identifiers(most))
    return [identifiers // parts + (number < identifiers % parts) for number in range(parts)]


def element_count(identifiers: int, most: int) -> int:
    """How many elements, canaries included, are sent for so many identifiers; raises as ``request_sizes``."""
    return sum(size + canary_count(size) for size in request_sizes(identifiers, most))


def canary_positions(seed: bytes, identifiers: int) -> NDArray[np.int64]:
    """The places of the canaries in a request for so many identifiers, int64 [m], the first canary's first."""
    count = canary_count(identifiers)
    return secret_permutation(seed, identifiers + count, _PLACES)[:count]


def canary_scalar_material(seed: bytes, count: int, width: int) -> list[bytes]:
    """``count`` pieces of ``width`` uniform bytes, of which an engine makes the canaries' scalars."""
    stream = hashlib.shake_256(_SCALARS + seed).digest(count * width)
    return [stream[start : start + width] for start in range(0, count * width, width)]


def undetected_probability(elements: int, canaries: int, strayed: int) -> float:
    """The chance that ``strayed`` of ``elements`` elements hold none of the ``canaries``: C(t-k, m) / C(t, m)."""
    if strayed > elements - canaries:
        return 0.0
    log = sum(math.log1p(-strayed / (elements - place)) for place in range(canaries))
    return math.exp(log)
