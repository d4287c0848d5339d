"""SEAL's own format, as far as we write it, take back what SEAL has just saved, and know a secret key from outside.

No byte that came from the other party is ever in this format: frames carry seeds and residues (``layout``), and every
header that SEAL reads is written here or in ``native``. The one exception is a bank's secret key at its own home, saved
by SEAL, sealed by the bank, and judged from outside before it is loaded.
"""

from __future__ import annotations

import struct

import zstandard

from protocols.scoring.parameters import ParameterSet

HEADER = struct.Struct("<HBBBBHQ")
"""Magic, header size, major, minor, compression, reserved, length of all."""
MAGIC, VERSION, UNCOMPRESSED, ZSTD = 0xA15E, (4, 3), 0, 2
CIPHERTEXT = struct.Struct("<4QBQQQdQ")
"""Parms id, transformed or not, size, degree, number of primes, scale, correction factor."""
_PLAINTEXT_FIELDS = struct.calcsize("<4QQd")
_ARRAY_FIELDS = HEADER.size + 8
_ZSTD_FIELDS = struct.Struct("<IBI")
_ZSTD_MAGIC, _SINGLE_SEGMENT_4 = 0xFD2FB528, 0xA0


def object_header(length: int) -> bytes:
    """The header of an object of ``length`` bytes after it, not compressed."""
    return HEADER.pack(MAGIC, HEADER.size, *VERSION, UNCOMPRESSED, 0, HEADER.size + length)


def array_header(count: int) -> bytes:
    """What stands before an array of ``count`` numbers of 8 bytes."""
    return object_header(8 + 8 * count) + struct.pack("<Q", count)


def object_content(saved: bytes) -> bytes:
    """What is in an object that SEAL saved in this process just now: for nobody else's bytes.

    The binding has no way to save without compression, so what it has compressed is undone.
    """
    compression = HEADER.unpack_from(saved)[4]
    body = saved[HEADER.size :]
    return zstandard.ZstdDecompressor().decompress(body) if compression == ZSTD else body


def is_secret_key(data: bytes, params: ParameterSet) -> bool:
    """Whether ``data`` outwardly is a secret key of ``params`` as SEAL saves it; nothing is loaded or inflated."""
    if len(data) < HEADER.size + _ZSTD_FIELDS.size:
        return False
    magic, size, major, _, compression, _, length = HEADER.unpack_from(data)
    if (magic, size, major, length) != (MAGIC, HEADER.size, VERSION[0], len(data)):
        return False
    wanted = _PLAINTEXT_FIELDS + _ARRAY_FIELDS + 8 * params.degree * len(params.primes)
    if compression != ZSTD:
        return compression == UNCOMPRESSED and len(data) == HEADER.size + wanted
    frame, descriptor, declared = _ZSTD_FIELDS.unpack_from(data, HEADER.size)
    return (frame, descriptor, declared) == (_ZSTD_MAGIC, _SINGLE_SEGMENT_4, wanted)
