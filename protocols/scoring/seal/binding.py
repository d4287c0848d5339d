"""SEAL through ``tenseal.sealapi``: contexts, and polynomials into SEAL's objects and back without touching a disk.

The binding saves to and loads from paths only, so a memory file (memfd_create(2)) stands in; a secret key passed
through it never reaches a file system. SEAL is never handed a byte that another party sent. What it loads is written
here, field by field: level, form, size, scale, correction factor, no compression, and residues that ``packing`` has
judged. What it saves is read back by the process that had it saved.
"""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Sequence
from functools import cache
from typing import Any, TypeVar

import numpy as np
import tenseal.sealapi as seal
from numpy.typing import NDArray

from protocols.scoring.parameters import ParameterSet, find_parameters
from protocols.scoring.rlwe.ring import RingElement
from protocols.scoring.seal import format

_Loaded = TypeVar("_Loaded")
# SEAL has BGV since 4.0; the binding passes the number on but does not name it. ``seal_context`` checks what came of
# it.
BGV = seal.SCHEME_TYPE(3)
_lock = threading.Lock()
_file = -1


class SealRejection(ValueError):
    """SEAL did not accept the bytes; the message says which object, never its content."""


@cache
def seal_context(name: str) -> Any:
    """The SEAL context of a parameter set; raises ``ValueError`` if SEAL finds other primes or too little security."""
    params = find_parameters(name)
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


def save_object(thing: Any) -> bytes:
    """The bytes of a SEAL object, in SEAL's own format, which never leave this process but for a secret key."""
    with _lock:
        path = _memory_file()
        os.ftruncate(_file, 0)
        thing.save(path)
        try:
            return os.pread(_file, os.lseek(_file, 0, os.SEEK_END), 0)  # fstat(2) is no call that a worker has
        finally:
            if isinstance(thing, seal.SecretKey):
                os.ftruncate(_file, 0)


def load_object(kind: type[_Loaded], pieces: Sequence[Any], params: ParameterSet) -> _Loaded:
    """A SEAL object from bytes that we wrote, in pieces (buffers); raises ``SealRejection``."""
    thing = kind()
    with _lock:
        path = _memory_file()
        os.lseek(_file, 0, os.SEEK_SET)
        size = os.writev(_file, pieces)  # pwritev2(2), which pwritev takes, is no call that a confined worker has
        os.ftruncate(_file, size)  # not to nothing first: pages that are kept need no fault
        try:
            thing.load(seal_context(params.name), path)  # type: ignore[attr-defined]
        except (RuntimeError, ValueError, MemoryError, ArithmeticError, LookupError):
            raise SealRejection(f"the bytes are no {kind.__name__} of parameter set {params.name}") from None
        finally:
            if kind is seal.SecretKey:
                os.ftruncate(_file, 0)
    return thing


def load_secret_key(data: bytes, params: ParameterSet) -> Any:
    """A secret key that this party has saved at its own home; raises ``SealRejection`` if it is outwardly none."""
    if not format.is_secret_key(data, params):
        raise SealRejection(f"the bytes are outwardly no secret key of parameter set {params.name}")
    return load_object(seal.SecretKey, (data,), params)


def ciphertext_from_coefficients(first: RingElement, second: RingElement, params: ParameterSet) -> Any:
    """The ciphertext (first, second) of the highest level, given by coefficients; it computes in transformed form."""
    made = load_object(seal.Ciphertext, (_head(params.name, False, False), _rows(first), _rows(second)), params)
    if not made.is_ntt_form():  # SEAL 4.1 and later transform a BGV ciphertext as they load it
        seal.Evaluator(seal_context(params.name)).transform_to_ntt_inplace(made)
    return made


def ciphertext_from_ntt(first: RingElement, second: RingElement, params: ParameterSet) -> Any:
    """The ciphertext (first, second) of the highest level, given by transformed residues, as a fresh one is."""
    return load_object(seal.Ciphertext, (_head(params.name, True, False), _rows(first), _rows(second)), params)


def reply_ciphertext(first: RingElement, second: RingElement, params: ParameterSet) -> Any:
    """The ciphertext of the smallest level, as switching down leaves it, by transformed residues: uint64 [1, N]."""
    return load_object(seal.Ciphertext, (_head(params.name, True, True), _rows(first), _rows(second)), params)


def plaintext_from_coefficients(coefficients: NDArray[np.int64], params: ParameterSet) -> Any:
    """The plaintext with these signed coefficients, taken modulo t."""
    values = np.mod(coefficients, params.plain_modulus).astype(np.uint64)
    body = struct.pack("<4QQd", 0, 0, 0, 0, params.degree, 1.0) + format.array_header(values.size) + _rows(values)
    return load_object(seal.Plaintext, (format.object_header(len(body)), body), params)


def ciphertext_residues(made: Any, params: ParameterSet) -> tuple[RingElement, RingElement]:
    """The two polynomials of a ciphertext as SEAL holds them: transformed, uint64 [primes left, N] each.

    Raises ``SealRejection`` for a ciphertext with a factor or scale that one of its level does not have.
    """
    content = format.object_content(save_object(made))
    *_, size, degree, primes, scale, correction = format.CIPHERTEXT.unpack_from(content)
    start = format.CIPHERTEXT.size + len(format.array_header(0))
    fits = (size, degree, scale, correction) == (2, params.degree, 1.0, params.correction_factor(primes))
    if not fits or len(content) != start + 8 * 2 * primes * degree:
        raise SealRejection("SEAL has made another ciphertext than is sent")
    first, second = np.frombuffer(content, dtype="<u8", offset=start).reshape(2, primes, degree)
    return first, second


def ciphertext_coefficients(made: Any, params: ParameterSet) -> tuple[RingElement, RingElement]:
    """The coefficients of a ciphertext of two polynomials, at whatever level."""
    plain = seal.Ciphertext()
    seal.Evaluator(seal_context(params.name)).transform_from_ntt(made, plain)
    return ciphertext_residues(plain, params)


@cache
def _head(name: str, in_transformed_form: bool, smallest: bool) -> bytes:
    """Every byte of a ciphertext before its residues."""
    params, made = find_parameters(name), seal_context(name)
    primes = 1 if smallest else len(params.data_primes)
    level = made.last_parms_id() if smallest else made.first_parms_id()
    fields = (*level, in_transformed_form, 2, params.degree, primes, 1.0, params.correction_factor(primes))
    count = 2 * primes * params.degree
    body = format.CIPHERTEXT.pack(*fields) + format.array_header(count)
    return format.object_header(len(body) + 8 * count) + body


def _rows(values: NDArray[np.uint64]) -> Any:
    """Numbers as the buffer that SEAL reads, little-endian, in place where they lie so already."""
    return np.ascontiguousarray(values, dtype="<u8").data.cast("B")


def _memory_file() -> str:
    global _file
    if _file < 0:
        _file = os.memfd_create("shulab-scoring", os.MFD_CLOEXEC)
    return f"/proc/self/fd/{_file}"


def _forget_file() -> None:
    global _file, _lock
    _file, _lock = -1, threading.Lock()


os.register_at_fork(after_in_child=_forget_file)  # a fork that wrote into its parent's file would change its objects
