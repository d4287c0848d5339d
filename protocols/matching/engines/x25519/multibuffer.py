"""X25519 eight at a time by Intel's multi-buffer library (``mbx_x25519_mb8`` of the package ``ipp-crypto``).

The library needs AVX-512 with IFMA. It is loaded only from the environment's own ``lib`` folder, where the packages of
the extra ``[fast]`` put it together with the compiler run-time libraries that it links to. It is used only after it has
given the results of RFC 7748 and of OpenSSL (``backend``).
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from protocols.matching.engines.x25519.scalars import ELEMENT_BYTES

LANES = 8
_RUNTIME = ("libintlc.so.5", "libimf.so", "libirng.so", "libsvml.so")
_LIBRARY = "libcrypto_mb.so.13"
_POINTER = ctypes.sizeof(ctypes.c_void_p)


class AccelerationUnavailable(Exception):
    """The library cannot be used here. The message says why."""


@cache
def load_library() -> ctypes.CDLL:
    """The library, loaded once.

    Raises ``AccelerationUnavailable`` without the packages, or on a processor without AVX-512 IFMA.
    """
    folder = Path(sys.prefix) / "lib"
    if not (folder / _LIBRARY).is_file():
        raise AccelerationUnavailable("the package ipp-crypto is not installed (extra [fast])")
    try:
        for name in _RUNTIME:
            ctypes.CDLL(str(folder / name), mode=ctypes.RTLD_GLOBAL)
        library = ctypes.CDLL(str(folder / _LIBRARY))
        library.mbx_is_crypto_mb_applicable.restype = ctypes.c_int
        library.mbx_is_crypto_mb_applicable.argtypes = (ctypes.c_uint64,)
        library.mbx_x25519_mb8.restype = ctypes.c_uint32
        library.mbx_x25519_mb8.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
    except (OSError, AttributeError):
        raise AccelerationUnavailable("the libraries of ipp-crypto and intel-cmplr-lib-rt do not load") from None
    # 0 means: ask the processor for its features.
    if not library.mbx_is_crypto_mb_applicable(0):
        raise AccelerationUnavailable("the processor has no AVX-512 IFMA")
    return library


def multiply(scalar: bytes, elements: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """As ``openssl.multiply``: the same results and errors."""
    if len(scalar) != ELEMENT_BYTES:
        raise ValueError(f"a scalar has {ELEMENT_BYTES} bytes; found {len(scalar)}")
    key = np.frombuffer(scalar, dtype=np.uint8)
    # The library takes arrays of eight pointers to keys. Here all eight point to the same key.
    return _multiply(np.full(LANES, key.ctypes.data, dtype=np.uint64), 0, _padded(elements), len(elements))


def multiply_each(scalars: NDArray[np.uint8], element: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """As ``openssl.multiply_each``: the same results and errors."""
    keys = _padded(scalars)
    rows = np.repeat(element.reshape(1, ELEMENT_BYTES), len(keys), axis=0)
    pointers = np.uint64(keys.ctypes.data) + np.arange(len(keys), dtype=np.uint64) * np.uint64(ELEMENT_BYTES)
    return _multiply(pointers, LANES * _POINTER, rows, len(scalars))


def _padded(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The rows and, up to a multiple of eight, repetitions of the first."""
    count = len(rows)
    padded = np.zeros((-(-count // LANES) * LANES, ELEMENT_BYTES), dtype=np.uint8)
    padded[:count] = rows
    padded[count:] = rows[:1]
    return padded


def _multiply(keys: NDArray[np.uint64], step: int, rows: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """The first ``count`` rows under the scalars to which ``keys`` points, ``step`` bytes further in each round."""
    products, kernel = np.empty_like(rows), load_library().mbx_x25519_mb8
    # The library takes arrays of eight pointers. The pointers of all calls are made at once.
    lanes = np.arange(len(rows), dtype=np.uint64) * np.uint64(ELEMENT_BYTES)
    sources, targets = (np.uint64(array.ctypes.data) + lanes for array in (rows, products))
    source, target, key = sources.ctypes.data, targets.ctypes.data, keys.ctypes.data
    status = 0
    for round_, start in enumerate(range(0, len(rows) * _POINTER, LANES * _POINTER)):
        status |= kernel(target + start, key + round_ * step, source + start)
    products = products[:count]
    if status or not products.any(axis=1).all():
        raise ValueError("wanted elements of the prime-order group; at least one is of small order")
    return products
