"""The bureau's half of the openmined engine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import private_set_intersection.python as psi
from numpy.typing import NDArray

from protocols.matching.engines.openmined.points import WIDTH, check_form, on_all_cores, to_array, to_list
from protocols.wire.frame import Frame, Kind

__all__ = ["WIDTH", "build_setup", "evaluate_blinded", "evaluate_register", "generate_key"]

RAW_LIMIT = 100_000
"""Up to so many entries the set-up is Raw (33 bytes an entry, exact); beyond, a Golomb-coded set (about 7 bytes)."""
FALSE_POSITIVE_RATE = 2.0**-40
"""Wanted chance that a whole query meets any false match."""
WORST_RATE = 2.0**-20
"""A Golomb-coded set whose range cannot reach this rate is not used; Raw is."""
_RANGE_LIMIT = 2.0**62
"""The library keeps max(entries, announced) * announced / rate in a signed 64-bit number and overflows silently."""


def generate_key() -> bytes:
    """A fresh scalar s of P-256, 32 bytes."""
    key: bytes = psi.server.CreateWithNewKey(True).GetPrivateKeyBytes()
    return key


def evaluate_register(key: bytes, identifiers: Sequence[str]) -> NDArray[np.uint8]:
    """H(x)^s for each identifier, as compressed points [n, 33], in order.

    The library's server sorts what it evaluates; a client made from the server's key evaluates the same function in
    order.
    """

    def chunk(part: Sequence[str]) -> NDArray[np.uint8]:
        return to_array(list(psi.client.CreateFromKey(key, True).CreateRequest(list(part)).encrypted_elements))

    parts = on_all_cores(chunk, identifiers)
    return np.concatenate(parts) if parts else np.empty((0, WIDTH), dtype=np.uint8)


def build_setup(key: bytes, identifiers: Sequence[str], *, announced: int, values: NDArray[np.uint8] | None) -> Frame:
    """A Raw set-up from the evaluated register, sorted so that its order says nothing; a coded set if it is large."""
    entries = len(identifiers)
    rate = max(FALSE_POSITIVE_RATE, max(entries, announced) * announced / _RANGE_LIMIT)
    meta = {"engine": "openmined", "entries": entries, "announced": announced}
    if entries <= RAW_LIMIT or rate > WORST_RATE:
        points = evaluate_register(key, identifiers) if values is None else values
        body = b"".join(sorted(to_list(points)))
        # Raw compares whole points: a false match would be a collision of the hash to the curve.
        return Frame(Kind.MATCH_SETUP, {**meta, "form": "raw", "false_positive_rate": 0.0}, (body,))
    server = psi.server.CreateFromKey(key, True)
    gcs = server.CreateSetupMessage(rate, announced, list(identifiers), psi.DataStructure.GCS).gcs
    if gcs.hash_range < entries or not 1 <= gcs.div <= 62:
        raise ValueError("the library made a Golomb-coded set whose range does not fit 63 bits")
    form = {"form": "gcs", "division": gcs.div, "hash_range": str(gcs.hash_range), "false_positive_rate": rate}
    return Frame(Kind.MATCH_SETUP, {**meta, **form}, (gcs.bits,))


def evaluate_blinded(key: bytes, blinded: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """b^s for each blinded element b, in order; raises ``ValueError`` for what is no point of the curve.

    P-256 has prime order, so a point on the curve is in the group; the library refuses the point at infinity and points
    that are not on the curve, so nothing is evaluated under the key that a bank could learn the key from.
    """
    check_form(blinded)

    def chunk(part: Sequence[bytes]) -> NDArray[np.uint8]:
        request = psi.Request(reveal_intersection=True, encrypted_elements=list(part))
        response = psi.server.CreateFromKey(key, True).ProcessRequest(request)
        return to_array(list(response.encrypted_elements))

    try:
        parts = on_all_cores(chunk, to_list(blinded))
    except RuntimeError:
        raise ValueError("a blinded element is no point of the curve") from None
    return np.concatenate(parts) if parts else np.empty((0, WIDTH), dtype=np.uint8)
