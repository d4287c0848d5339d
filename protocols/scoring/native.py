"""SEAL through ``tenseal.sealapi``: contexts, and objects to bytes and back without touching a disk.

The binding saves to and loads from paths only, so a memory file (memfd_create(2)) stands in; a secret key passed
through it never reaches a file system. Everything here is native code over bytes: at the bureau it runs in worker
processes whose crash harms nothing. What SEAL's API cannot make (a plaintext or ciphertext of given coefficients) is
written in SEAL's uncompressed format and loaded like any other; what it cannot give out (the coefficients of a
ciphertext) is read one by one, which is slow and only done where a key is made or judged.
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

from protocols.scoring.envelope import HEADER, MAGIC, VERSION
from protocols.scoring.noise import Element
from protocols.scoring.params import PARAMETERS, ParameterSet

_Loaded = TypeVar("_Loaded")
# SEAL has BGV since 4.0; the binding passes the number on but does not name it. ``context`` checks what came of it.
BGV = seal.SCHEME_TYPE(3)
_lock = threading.Lock()
_file = -1


class NativeRefusal(ValueError):
    """SEAL did not accept the bytes; the message says which object, never its content."""


@cache
def context(name: str) -> Any:
    """The SEAL context of a parameter set; raises ``ValueError`` if SEAL finds other primes or too little security."""
    params = PARAMETERS[name]
    parms = seal.EncryptionParameters(BGV)
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
        try:
            return os.pread(_file, os.fstat(_file).st_size, 0)
        finally:
            if isinstance(thing, seal.SecretKey):
                os.ftruncate(_file, 0)


def load(kind: type[_Loaded], data: bytes, params: ParameterSet) -> _Loaded:
    """A SEAL object from bytes, checked against the parameter set; raises ``NativeRefusal``."""
    thing = kind()
    with _lock:
        path = _memory_file()
        os.pwrite(_file, data, 0)
        os.ftruncate(_file, len(data))  # not to nothing first: pages that are kept need no fault
        try:
            thing.load(context(params.name), path)  # type: ignore[attr-defined]
        except (RuntimeError, ValueError, MemoryError, ArithmeticError, LookupError):
            raise NativeRefusal(f"the bytes are no {kind.__name__} of parameter set {params.name}") from None
        finally:
            if kind is seal.SecretKey:
                os.ftruncate(_file, 0)
    return thing


def ciphertext(first: Element, second: Element, params: ParameterSet) -> Any:
    """The ciphertext (first, second) of the highest level, in the transformed form that BGV computes in."""
    parms_id = struct.pack("<4Q", *context(params.name).first_parms_id())
    members = struct.pack("<BQQQdQ", 0, 2, params.degree, len(params.data_primes), 1.0, 1)
    body = parms_id + members + _array(np.stack([first, second]))
    made = load(seal.Ciphertext, _seal_header(len(body)) + body, params)
    if not made.is_ntt_form():  # SEAL 4.1 and later transform a BGV ciphertext as they load it
        seal.Evaluator(context(params.name)).transform_to_ntt_inplace(made)
    return made


def plaintext(coefficients: NDArray[np.int64], params: ParameterSet) -> Any:
    """The plaintext with these signed coefficients, taken modulo t."""
    values = np.mod(coefficients, params.plain_modulus).astype(np.uint64)
    body = struct.pack("<4QQd", 0, 0, 0, 0, params.degree, 1.0) + _array(values)
    return load(seal.Plaintext, _seal_header(len(body)) + body, params)


def elements(made: Any, params: ParameterSet) -> tuple[Element, Element]:
    """The coefficients of a ciphertext of two polynomials at the highest level; slow (50 to 100 ms)."""
    plain = seal.Ciphertext()
    seal.Evaluator(context(params.name)).transform_from_ntt(made, plain)
    array = plain.dyn_array()
    size = len(params.data_primes) * params.degree
    values = np.fromiter((array.at(index) for index in range(2 * size)), dtype=np.uint64, count=2 * size)
    first, second = values.reshape(2, len(params.data_primes), params.degree)
    return first, second


def _array(values: NDArray[np.uint64]) -> bytes:
    data = values.astype("<u8").tobytes()
    return _seal_header(8 + len(data)) + struct.pack("<Q", values.size) + data


def _seal_header(length: int) -> bytes:
    return HEADER.pack(MAGIC, HEADER.size, VERSION, 3, 0, 0, HEADER.size + length)


def _memory_file() -> str:
    global _file
    if _file < 0:
        _file = os.memfd_create("shulab-scoring", os.MFD_CLOEXEC)
    return f"/proc/self/fd/{_file}"


def _forget_file() -> None:
    global _file, _lock
    _file, _lock = -1, threading.Lock()


os.register_at_fork(after_in_child=_forget_file)  # a fork that wrote into its parent's file would change its objects
