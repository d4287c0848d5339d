"""The bank's half of the openmined engine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import private_set_intersection.python as psi
from cryptography.hazmat.primitives.asymmetric import ec
from numpy.typing import NDArray

from protocols.matching.engines.openmined.points import WIDTH, check_form, on_all_cores, to_array, to_list
from protocols.wire.frame import Frame, MalformedFrame

__all__ = ["WIDTH", "open_session"]

_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Order of the P-256 group (FIPS 186-5 / SP 800-186, section 3.2.1.3)."""
_MAX_REGISTER = 1_000_000_000


class Session:
    """One session under a fresh blinding scalar c, which exists in this object alone."""

    __slots__ = ("_key",)

    def __init__(self) -> None:
        self._key: bytes = psi.client.CreateWithNewKey(True).GetPrivateKeyBytes()

    def blind(self, identifiers: Sequence[str]) -> NDArray[np.uint8]:
        """H(x)^c for each identifier, as compressed points [n, 33]."""

        def chunk(part: Sequence[str]) -> NDArray[np.uint8]:
            request = psi.client.CreateFromKey(self._key, True).CreateRequest(list(part))
            return to_array(list(request.encrypted_elements))

        return _stack(on_all_cores(chunk, identifiers))

    def intersect(self, setup: Frame, evaluated: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Indices of evaluated elements whose unblinded value the set-up holds, by the library's own look-up."""
        message = _read_setup(setup)
        _check_evaluated(evaluated)
        if message is None:
            return np.empty(0, dtype=np.int64)

        def chunk(rows: Sequence[int]) -> NDArray[np.int64]:
            part = to_list(evaluated[rows[0] : rows[-1] + 1])
            client = psi.client.CreateFromKey(self._key, True)
            found = client.GetIntersection(message, psi.Response(encrypted_elements=part))
            indices = np.array(found, dtype=np.int64)
            return indices[(indices >= 0) & (indices < len(part))] + rows[0]

        try:
            parts = on_all_cores(chunk, range(len(evaluated)))
        except RuntimeError:
            raise MalformedFrame("the response or set-up holds what is no point of the curve") from None
        return np.sort(np.concatenate(parts)) if parts else np.empty(0, dtype=np.int64)

    def unblind(self, evaluated: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The x-coordinates of H(x)^s, uint8 [n, 32].

        The library gives indices only. An elliptic-curve Diffie-Hellman exchange (SP 800-56A, section 5.7.1.2) between
        c^-1 mod n and the evaluated point returns the x-coordinate of (H(x)^cs)^(1/c), which is what names an
        enterprise.
        """
        _check_evaluated(evaluated)
        inverse = pow(int.from_bytes(self._key, "big"), -1, _ORDER)
        scalar = ec.derive_private_key(inverse, ec.SECP256R1())

        def chunk(part: Sequence[bytes]) -> bytes:
            points = (ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), element) for element in part)
            return b"".join(scalar.exchange(ec.ECDH(), point) for point in points)

        try:
            joined = b"".join(on_all_cores(chunk, to_list(evaluated)))
        except ValueError:
            raise MalformedFrame("the response holds what is no point of the curve") from None
        return np.frombuffer(joined, dtype=np.uint8).reshape(len(evaluated), 32)


def open_session() -> Session:
    """A session under a fresh blinding key."""
    return Session()


def _read_setup(setup: Frame) -> psi.ServerSetup | None:
    """The library's set-up message from a checked frame; None if it has no entry, as when nobody has consented.

    Zero ranges abort the library and huge ones hang it, and a Bloom filter would state another error rate, so only a
    sorted Raw set and a Golomb-coded set within bounds are taken.
    """
    if len(setup.parts) != 1:
        raise MalformedFrame("a set-up has one part")
    form, body = setup.text("form"), setup.parts[0]
    entries = setup.number("entries", low=0 if form == "raw" else 1, high=_MAX_REGISTER)
    if form == "raw":
        if len(body) != entries * WIDTH:
            raise MalformedFrame(f"a raw set-up has {WIDTH} bytes an entry")
        if not entries:
            return None
        elements = np.frombuffer(body, dtype=np.uint8).reshape(entries, WIDTH)
        try:
            check_form(elements)
        except ValueError as error:
            raise MalformedFrame(str(error)) from None
        return psi.ServerSetup(raw=psi.ServerSetup.RawInfo(encrypted_elements=to_list(elements)))
    if form == "gcs":
        division = setup.number("division", low=1, high=62)
        text = setup.text("hash_range")
        if not (text.isascii() and text.isdigit() and 1 <= len(text) <= 19 and entries <= int(text) < 2**63):
            raise MalformedFrame("the Golomb-coded set's range is not a number that its entries fit")
        if not entries * (division + 1) <= 8 * len(body) <= entries * (division + 64) + 64:
            raise MalformedFrame("the Golomb-coded set's length does not fit its entries")
        return psi.ServerSetup(gcs=psi.ServerSetup.GCSInfo(div=division, hash_range=int(text), bits=body))
    raise MalformedFrame("a set-up's form is raw or gcs")


def _check_evaluated(evaluated: NDArray[np.uint8]) -> None:
    try:
        check_form(evaluated)
    except ValueError as error:
        raise MalformedFrame(str(error)) from None


def _stack(parts: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    return np.concatenate(parts) if parts else np.empty((0, WIDTH), dtype=np.uint8)
