"""SEAL through ``tenseal.sealapi``: contexts, and polynomials to SEAL's objects and back without touching a disk.

The binding saves to and loads from paths only, so it is given a memory file (memfd_create(2)); a secret key never
reaches a file system. SEAL never loads a byte that another party sent. Everything that it loads is written here, field
by field: level, form, size, scale, correction factor, no compression, and residues that ``packing`` has checked. What
it saves is read back only by the same process.
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
# SEAL has had BGV since 4.0. The binding has no name for it but passes its number on; ``seal_context`` checks the
# result.
BGV = seal.SCHEME_TYPE(3)
_lock = threading.Lock()
_file = -1


class SealRejection(ValueError):
    """SEAL did not accept an object. The message says which, never its content."""


@cache
def seal_context(name: str) -> Any:
    """The SEAL context of a parameter set; raises ``ValueError`` if SEAL has other primes or finds the set too weak."""
    params = find_parameters(name)
    parms = seal.EncryptionParameters(BGV)
    parms.set_poly_modulus_degree(params.degree)
    bits = [prime.bit_length() for prime in params.primes]
    moduli = seal.CoeffModulus.Create(params.degree, bits)
    if tuple(m.value() for m in moduli) != params.primes:
        raise ValueError(f"{name}: SEAL's primes differ from those of the parameter set")
    parms.set_coeff_modulus(moduli)
    parms.set_plain_modulus(params.plain_modulus)
    context = seal.SEALContext(parms, True, seal.SEC_LEVEL_TYPE.TC128)
    if not context.parameters_set():
        raise ValueError(f"{name}: {context.parameters_error_message()}")
    return context


def save_object(item: Any) -> bytes:
    """The bytes of a SEAL object in SEAL's own format. Only those of a secret key leave this process."""
    with _lock:
        path = _memory_file()
        os.ftruncate(_file, 0)
        item.save(path)
        try:
            return os.pread(_file, os.lseek(_file, 0, os.SEEK_END), 0)  # a confined worker may not call fstat(2)
        finally:
            if isinstance(item, seal.SecretKey):
                os.ftruncate(_file, 0)


def load_object(kind: type[_Loaded], pieces: Sequence[Any], params: ParameterSet) -> _Loaded:
    """A SEAL object from bytes that this program wrote, given as buffers; raises ``SealRejection``."""
    item = kind()
    with _lock:
        path = _memory_file()
        os.lseek(_file, 0, os.SEEK_SET)
        size = os.writev(_file, pieces)  # a confined worker may not call pwritev2(2), which os.pwritev uses
        os.ftruncate(_file, size)  # truncating afterwards keeps the file's pages and saves their page faults
        try:
            item.load(seal_context(params.name), path)  # type: ignore[attr-defined]
        except (RuntimeError, ValueError, MemoryError, ArithmeticError, LookupError):
            raise SealRejection(f"the bytes are no {kind.__name__} of parameter set {params.name}") from None
        finally:
            if kind is seal.SecretKey:
                os.ftruncate(_file, 0)
    return item


def load_secret_key(data: bytes, params: ParameterSet) -> Any:
    """A secret key that this party saved in its own home; raises ``SealRejection`` for other bytes."""
    if not format.is_secret_key(data, params):
        raise SealRejection(f"the bytes do not have the form of a secret key of parameter set {params.name}")
    return load_object(seal.SecretKey, (data,), params)


def ciphertext_from_coefficients(first: RingElement, second: RingElement, params: ParameterSet) -> Any:
    """The ciphertext (first, second) at the highest level, in transformed form, from coefficients."""
    header = _ciphertext_header(params.name, False, False)
    ciphertext = load_object(seal.Ciphertext, (header, _buffer(first), _buffer(second)), params)
    if not ciphertext.is_ntt_form():  # SEAL 4.1 and later transform a BGV ciphertext as they load it
        seal.Evaluator(seal_context(params.name)).transform_to_ntt_inplace(ciphertext)
    return ciphertext


def ciphertext_from_ntt(first: RingElement, second: RingElement, params: ParameterSet) -> Any:
    """The ciphertext (first, second) at the highest level from transformed residues, uint64 [data primes, N] each."""
    header = _ciphertext_header(params.name, True, False)
    return load_object(seal.Ciphertext, (header, _buffer(first), _buffer(second)), params)


def reply_ciphertext(first: RingElement, second: RingElement, params: ParameterSet) -> Any:
    """The ciphertext (first, second) at the lowest level, after switching down, from transformed residues [1, N]."""
    header = _ciphertext_header(params.name, True, True)
    return load_object(seal.Ciphertext, (header, _buffer(first), _buffer(second)), params)


def plaintext_from_coefficients(coefficients: NDArray[np.int64], params: ParameterSet) -> Any:
    """The plaintext with these signed coefficients, int64 [N], taken modulo t."""
    values = np.mod(coefficients, params.plain_modulus).astype(np.uint64)
    body = struct.pack("<4QQd", 0, 0, 0, 0, params.degree, 1.0) + format.array_header(values.size) + _buffer(values)
    return load_object(seal.Plaintext, (format.object_header(len(body)), body), params)


def ciphertext_residues(ciphertext: Any, params: ParameterSet) -> tuple[RingElement, RingElement]:
    """The two polynomials of a ciphertext as SEAL holds them: transformed, uint64 [primes left, N] each.

    Raises ``SealRejection`` for a correction factor or scale that a ciphertext of this level does not have.
    """
    content = format.object_content(save_object(ciphertext))
    *_, size, degree, primes, scale, correction = format.CIPHERTEXT.unpack_from(content)
    start = format.CIPHERTEXT.size + len(format.array_header(0))
    fits = (size, degree, scale, correction) == (2, params.degree, 1.0, params.correction_factor(primes))
    if not fits or len(content) != start + 8 * 2 * primes * degree:
        raise SealRejection("SEAL made a ciphertext of another form than the protocol sends")
    first, second = np.frombuffer(content, dtype="<u8", offset=start).reshape(2, primes, degree)
    return first, second


def ciphertext_coefficients(ciphertext: Any, params: ParameterSet) -> tuple[RingElement, RingElement]:
    """The coefficients of a ciphertext of two polynomials, at any level: uint64 [primes left, N] each."""
    plain = seal.Ciphertext()
    seal.Evaluator(seal_context(params.name)).transform_from_ntt(ciphertext, plain)
    return ciphertext_residues(plain, params)


@cache
def _ciphertext_header(name: str, transformed: bool, lowest: bool) -> bytes:
    """Every byte of a ciphertext before its residues, at the lowest or the highest level."""
    params, context = find_parameters(name), seal_context(name)
    primes = 1 if lowest else len(params.data_primes)
    level = context.last_parms_id() if lowest else context.first_parms_id()
    fields = (*level, transformed, 2, params.degree, primes, 1.0, params.correction_factor(primes))
    count = 2 * primes * params.degree
    body = format.CIPHERTEXT.pack(*fields) + format.array_header(count)
    return format.object_header(len(body) + 8 * count) + body


def _buffer(values: NDArray[np.uint64]) -> Any:
    """Numbers as a little-endian buffer that SEAL reads; not copied if they are stored that way already."""
    return np.ascontiguousarray(values, dtype="<u8").data.cast("B")


def _memory_file() -> str:
    global _file
    if _file < 0:
        _file = os.memfd_create("shulab-scoring", os.MFD_CLOEXEC)
    return f"/proc/self/fd/{_file}"


def _forget_file() -> None:
    global _file, _lock
    _file, _lock = -1, threading.Lock()


os.register_at_fork(after_in_child=_forget_file)  # a fork that writes into its parent's file would change its objects
