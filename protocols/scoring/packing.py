"""Residues as bytes: the only form in which polynomials travel between the parties. Pure; no native code.

A *polynomial* modulo primes p_1 .. p_k is k rows of N residues, each row in the order in which SEAL holds a transformed
polynomial. As bytes it is its rows one after another, and nothing else:

    polynomial  =  row(p_1) | row(p_2) | ... | row(p_k)
    row(p)      =  N residues of w = (bit length of p) bits each, N * w / 8 bytes

A row's bytes, read as one little-endian number, are  r_0 + r_1 2^w + r_2 2^(2w) + ... + r_(N-1) 2^((N-1)w). N is a
multiple of 8, so a row fills its bytes. Bytes of another length, or with a residue that is not below its prime, are
refused. So a polynomial has exactly one form as bytes.

    set         primes (w)   a row, bytes      modulo q   modulo the smallest prime
    bgv-8192-a  60, 60       61,440, 61,440    122,880    61,440

With psi the smallest primitive 2N-th root of unity modulo p, residue i of a transformed row is the polynomial's value
at psi^(2 rev(i) + 1), where rev reverses the log2(N) bits of i. This is the order of SEAL's ``ntt.h``, after Longa and
Naehrig, "Speeding up the Number Theoretic Transform", CANS 2016, ePrint 2016/504, algorithm 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from protocols.wire.frame import MalformedFrame

_WORD = 64
_WORD_BYTES = 8


def packed_size(primes: Sequence[int], degree: int) -> int:
    """The length in bytes of a polynomial of ``degree`` coefficients modulo these primes."""
    return sum(prime.bit_length() * degree // 8 for prime in primes)


def pack_residues(rows: NDArray[np.uint64], primes: Sequence[int]) -> bytes:
    """The bytes of residues, uint64 [primes, N], each below its prime, N a multiple of 8; or raises ``ValueError``."""
    if rows.shape[0] != len(primes) or rows.shape[1] % 8:
        raise ValueError("wanted one row for each prime, of a multiple of 8 residues")
    if any(int(row.max()) >= prime for row, prime in zip(rows, primes, strict=True)):
        raise ValueError("a residue is not below its prime")
    return b"".join(_pack_row(row, prime.bit_length()) for row, prime in zip(rows, primes, strict=True))


def unpack_residues(
    data: bytes | memoryview, primes: Sequence[int], degree: int, out: NDArray[np.uint64] | None = None
) -> NDArray[np.uint64]:
    """The residues in ``data``, uint64 [primes, N]; raises ``MalformedFrame``.

    ``out``: an array of that shape to fill.
    """
    size = packed_size(primes, degree)
    if len(data) != size:
        raise MalformedFrame(f"a polynomial has {size} bytes here; found {len(data)}")
    rows = np.empty((len(primes), degree), dtype=np.uint64) if out is None else out
    start = 0
    for row, prime in zip(rows, primes, strict=True):
        width = prime.bit_length()
        _unpack_row(data, start, width, row)
        start += width * degree // 8
        if int(row.max()) >= prime:
            raise MalformedFrame("a residue is not below its prime")
    return rows


def _group_size(width: int) -> int:
    """The fewest residues that fill whole bytes and at least one word: bit positions repeat from group to group."""
    least = 8 // math.gcd(width, 8)
    return least * -(-_WORD_BYTES * 8 // (least * width))


def _unpack_row(data: bytes | memoryview, start: int, width: int, row: NDArray[np.uint64]) -> None:
    """For each k, residue k of all groups at once: the word that holds it, shifted and masked."""
    group = _group_size(width)
    stride = group * width // 8
    residues, mask = row.reshape(-1, group), np.uint64((1 << width) - 1)
    for k in range(group):
        byte = min(k * width // 8, stride - _WORD_BYTES)  # within the group, so never beyond the row
        words, below = np.ndarray(len(residues), "<u8", data, start + byte, (stride,)), k * width - 8 * byte
        above = _WORD - width - below
        if above and below:
            np.bitwise_and(words >> np.uint64(below), mask, out=residues[:, k])
        elif above:
            np.bitwise_and(words, mask, out=residues[:, k])
        else:
            np.right_shift(words, np.uint64(below), out=residues[:, k])


def _pack_row(row: NDArray[np.uint64], width: int) -> bytes:
    """For each k, residue k of all groups at once: its bits, put into one or two words."""
    group = _group_size(width)
    stride = group * width // 8
    padded = -(-stride // _WORD_BYTES)
    groups = row.reshape(-1, group)
    words = np.zeros((len(groups), padded), dtype="<u8")
    for k in range(group):
        word, shift = divmod(k * width, _WORD)
        words[:, word] |= groups[:, k] << np.uint64(shift)
        if shift + width > _WORD:
            words[:, word + 1] |= groups[:, k] >> np.uint64(_WORD - shift)
    return words.view(np.uint8).reshape(len(groups), -1)[:, :stride].tobytes()
