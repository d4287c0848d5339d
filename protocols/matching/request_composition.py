"""How a bank composes its requests: the secret order, the canaries, and the seeds from which both come.

Everything here is a pure function of a sealed secret and the identifiers, so a request that was cut off can be made
again byte for byte. Integers are big-endian; ``x ‖ y`` is concatenation; a *field* is its length in 4 bytes, then its
bytes (``messages.encode_fields``). Names are UTF-8.

**Seeds.** HKDF-SHA-256 (RFC 5869) of the sealed secret without a salt, 32 bytes, with

* ``info = "shulab request v2" 0x00 ‖ F`` for the seed of one request (``request_seed``),
* ``info = "shulab order v1" 0x00 ‖ F`` for the seed of the order of a whole portfolio (``permutation_seed``),

where F is the five fields operation (``match`` or ``count``), engine, contract id, key epoch in decimal digits, and the
SHA-256 of the identifiers' fields: for a request in the order of the request, for an order in that of their bytes.

**Order.** SHAKE-256 (FIPS 202) of ``domain ‖ seed`` gives 16 bytes for each of n items; ``secret_permutation`` sorts
the items by those 16 bytes. For a portfolio the domain is ``"shulab order v1" 0x00`` and the items are its identifiers,
sorted by their bytes. The order is uniform among all n! orders, but for the chance that two 128-bit words are equal.

**Canaries.** A request for n identifiers has m = ``canary_count(n)`` more elements, n + m = t in all. The permutation
of t positions under the domain ``"shulab canary places v1" 0x00`` and the request's seed begins with the positions of
the canaries, that of the first canary first. The identifiers fill the other positions from the front, in the order of
the request. Canary j is r_j·B. The engine makes r_j from piece j of SHAKE-256(``"shulab canary scalars v1" 0x00 ‖
seed``): for ``x25519`` a piece has 32 bytes, clamped; for ``openmined`` 48 bytes, (c mod (n - 1)) + 1.

A bureau that evaluates k of the t elements under another key than the published one goes unnoticed only if no canary is
among the k: with the chance C(t - k, m) / C(t, m) (``undetected_probability``).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from itertools import islice

import numpy as np
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray

from protocols.matching.messages import MatchingOperation, encode_fields

MIN_CANARIES = 64
"""The fewest canaries in a request."""
ELEMENTS_PER_CANARY = 100
"""At least one element in this many is a canary."""
SEED_BYTES = 32
_WORD = 16
_CHUNK = 65_536  # identifiers encoded and hashed together
_REQUEST, _ORDER = b"shulab request v2\x00", b"shulab order v1\x00"
_PLACES, _SCALARS = b"shulab canary places v1\x00", b"shulab canary scalars v1\x00"


def request_seed(
    secret: bytes, operation: MatchingOperation, engine: str, contract: str, epoch: int, identifiers: Sequence[str]
) -> bytes:
    """The seed of one request, 32 bytes. It depends on the order of ``identifiers``."""
    return _seed(_REQUEST, secret, operation, engine, contract, epoch, identifiers)


def permutation_seed(
    secret: bytes, operation: MatchingOperation, engine: str, contract: str, epoch: int, identifiers: Iterable[str]
) -> bytes:
    """The seed of the order of a portfolio, 32 bytes. It does not depend on the order of ``identifiers``."""
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
    digest, names = hashlib.sha256(), iter(identifiers)
    while chunk := [name.encode() for name in islice(names, _CHUNK)]:
        digest.update(encode_fields(*chunk))
    fields = encode_fields(operation.encode(), engine.encode(), contract.encode(), str(epoch).encode(), digest.digest())
    return HKDF(algorithm=SHA256(), length=SEED_BYTES, salt=None, info=domain + fields).derive(secret)


def secret_permutation(seed: bytes, count: int, domain: bytes = _ORDER) -> NDArray[np.int64]:
    """A permutation of ``range(count)``, int64 [count]: the items in the order of ``seed``, the first item first."""
    words = np.frombuffer(hashlib.shake_256(domain + seed).digest(_WORD * count), dtype=">u8").reshape(count, 2)
    return np.lexsort((words[:, 1], words[:, 0])).astype(np.int64)


def canary_count(identifiers: int) -> int:
    """The number of canaries for ``identifiers``: at least 64, and at least one element in a hundred."""
    return max(MIN_CANARIES, -(-identifiers // (ELEMENTS_PER_CANARY - 1))) if identifiers else 0


def max_identifiers(most: int) -> int:
    """How many identifiers fit into a request of at most ``most`` elements; 0 if the canaries leave no room."""
    return max(min(most - MIN_CANARIES, most * (ELEMENTS_PER_CANARY - 1) // ELEMENTS_PER_CANARY), 0)


def request_sizes(identifiers: int, most: int) -> list[int]:
    """The number of identifiers of each request, if they are spread evenly over as few requests as possible.

    ``most``: the most elements of a request. Raises ``ValueError`` if the canaries leave no room.
    """
    if not identifiers:
        return []
    if not max_identifiers(most):
        raise ValueError(f"a request of {most} elements has no room beside its {MIN_CANARIES} canaries")
    parts = -(-identifiers // max_identifiers(most))
    return [identifiers // parts + (number < identifiers % parts) for number in range(parts)]


def element_count(identifiers: int, most: int) -> int:
    """The number of elements, canaries included, of all requests for ``identifiers``; raises as ``request_sizes``."""
    return sum(size + canary_count(size) for size in request_sizes(identifiers, most))


def canary_positions(seed: bytes, identifiers: int) -> NDArray[np.int64]:
    """The positions of the canaries in a request for ``identifiers``, int64 [m], that of the first canary first."""
    count = canary_count(identifiers)
    return secret_permutation(seed, identifiers + count, _PLACES)[:count]


def canary_scalar_material(seed: bytes, count: int, width: int) -> list[bytes]:
    """``count`` pieces of ``width`` uniform bytes, from which an engine makes the canaries' scalars."""
    stream = hashlib.shake_256(_SCALARS + seed).digest(count * width)
    return [stream[start : start + width] for start in range(0, count * width, width)]


def undetected_probability(elements: int, canaries: int, misevaluated: int) -> float:
    """The chance that ``misevaluated`` of ``elements`` elements include no canary: C(t-k, m) / C(t, m)."""
    if misevaluated > elements - canaries:
        return 0.0
    log = sum(math.log1p(-misevaluated / (elements - drawn)) for drawn in range(canaries))
    return math.exp(log)
