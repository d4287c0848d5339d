"""SEAL through ``tenseal.sealapi``: contexts, and objects to bytes and back without touching a disk.

The binding saves to and loads from paths only, so a memory file (memfd_create(2)) stands in; a secret key passed
through it never reaches a file system. Everything here is native code over bytes: at the bureau it runs in worker
processes whose crash harms nothing.
"""

from __future__ import annotations

import os
import struct
import threading
from functools import cache
from typing import Any, TypeVar

import numpy as np
import tenseal.sealapi as seal
from numpy.typing import NDArray

from protocols.scoring.params import PARAMETERS, ParameterSet

_Loaded = TypeVar("_Loaded")
_HEADER = struct.Struct("<HBBBBHQ")
_SEAL_MAGIC = 0xA15E
_lock = threading.Lock()
_file = -1


class NativeRefusal(ValueError):
    """SEAL did not accept the bytes; the message says which object, never its content."""


@cache
def context(name: str) -> Any:
    """The SEAL context of a parameter set; raises ``ValueError`` if SEAL finds other primes or too little security."""
    params = PARAMETERS[name]
    parms = seal.EncryptionParameters(seal.SCHEME_TYPE.BFV)
    parms.set_poly_modulus_degree(params.degree)
    bits = [prime.bit_length() for prime in params.primes]
    moduli = seal.CoeffModulus.Create(params.degree, bits)
    if tuple(m.value() for m in moduli) != params.primes:
        raise ValueError(f"{name}: SEAL's primes differ from those of the parameter set")
    parms.set_coeff_modulus(moduli)
    parms.set_plain_modulus(params.plain_modulus)
    made = seal.SEALContext(parms, True, seal.SEC_LEVEL_TYPE.TC128)
    if not made.parameters_set():
        raise ValueError(f"{name}: {made.parameters_error_message()}")
    return made


def dump(thing: Any) -> bytes:
    """The bytes of a SEAL object, in SEAL's own format."""
    with _lock:
        path = _memory_file()
        os.ftruncate(_file, 0)
        thing.save(path)
        return os.pread(_file, os.fstat(_file).st_size, 0)


def load(kind: type[_Loaded], data: bytes, params: ParameterSet) -> _Loaded:
    """A SEAL object from bytes, checked against the parameter set; raises ``NativeRefusal``."""
    thing = kind()
    with _lock:
        path = _memory_file()
        os.ftruncate(_file, 0)
        os.pwrite(_file, data, 0)
        try:
            thing.load(context(params.name), path)  # type: ignore[attr-defined]
        except (RuntimeError, ValueError, MemoryError):
            raise NativeRefusal(f"the bytes are no {kind.__name__} of parameter set {params.name}") from None
        finally:
            os.ftruncate(_file, 0)
    return thing


def noise_ciphertext(params: ParameterSet) -> Any:
    """A ciphertext (f, 0) whose f is fresh noise, uniform on [-2^flood_bits, 2^flood_bits) in every coefficient.

    It decrypts to zero with noise f. SEAL's API cannot make it, so it is written in SEAL's uncompressed format (header,
    parms id, form, sizes, scale, correction factor, coefficients) and loaded like any other.
    """
    residues = _flood(params)
    data = np.zeros((2, *residues.shape), dtype="<u8")
    data[0] = residues
    body = data.tobytes()
    array = _seal_header(8 + len(body)) + struct.pack("<Q", data.size) + body
    parms_id = struct.pack("<4Q", *context(params.name).first_parms_id())
    members = parms_id + struct.pack("<BQQQdQ", 0, 2, params.degree, len(residues), 1.0, 1) + array
    return load(seal.Ciphertext, _seal_header(len(members)) + members, params)


def _flood(params: ParameterSet) -> NDArray[np.uint64]:
    """Residues [data primes, N] of the flood, from the operating system's randomness.

    A value of flood_bits + 1 random bits, less 2^flood_bits, is reduced limb by limb (Horner): limbs are so short that
    residue * 2^limb + limb stays below 2^64.
    """
    primes = params.primes[:-1]
    limb = 64 - max(prime.bit_length() for prime in primes)
    bits = params.flood_bits + 1
    widths = [bits % limb or limb] + [limb] * ((bits - 1) // limb)
    words = np.frombuffer(os.urandom(8 * params.degree * len(widths)), dtype="<u8").reshape(len(widths), params.degree)
    limbs = [row >> np.uint64(64 - width) for row, width in zip(words, widths, strict=True)]
    residues = np.empty((len(primes), params.degree), dtype=np.uint64)
    for index, prime in enumerate(primes):
        value = limbs[0] % np.uint64(prime)
        for row in limbs[1:]:
            value = ((value << np.uint64(limb)) + row) % np.uint64(prime)
        offset = np.uint64(prime - pow(2, params.flood_bits, prime))
        residues[index] = (value + offset) % np.uint64(prime)
    return residues


def _seal_header(length: int) -> bytes:
    return _HEADER.pack(_SEAL_MAGIC, _HEADER.size, 4, 3, 0, 0, _HEADER.size + length)


def _memory_file() -> str:
    global _file
    if _file < 0:
        _file = os.memfd_create("shulab-scoring", os.MFD_CLOEXEC)
    return f"/proc/self/fd/{_file}"
