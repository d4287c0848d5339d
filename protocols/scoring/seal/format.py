"""SEAL's own format: the headers that this program writes, what SEAL has just saved, and how to recognise a secret key.

No byte from the other party is in this format: frames carry seeds and residues (``messages``), and every header that
SEAL reads is written here or in ``binding``. The one exception is a bank's secret key in its own home: SEAL saved it,
the bank sealed it, and its outer form is checked before it is loaded.
"""

from __future__ import annotations

import struct

import zstandard

from protocols.scoring.parameters import ParameterSet

HEADER = struct.Struct("<HBBBBHQ")
"""Magic, header size, major, minor, compression, reserved, length of all."""
MAGIC, VERSION, UNCOMPRESSED, ZSTD = 0xA15E, (4, 3), 0, 2
CIPHERTEXT = struct.Struct("<4QBQQQdQ")
"""Parameters id, transformed or not, number of polynomials, degree, number of primes, scale, correction factor."""
_PLAINTEXT_FIELDS = struct.calcsize("<4QQd")
_ARRAY_FIELDS = HEADER.size + 8
_ZSTD_FIELDS = struct.Struct("<IBI")
_ZSTD_MAGIC, _SINGLE_SEGMENT_4 = 0xFD2FB528, 0xA0


def object_header(length: int) -> bytes:
    """The header of an object without compression, of ``length`` bytes after the header."""
    return HEADER.pack(MAGIC, HEADER.size, *VERSION, UNCOMPRESSED, 0, HEADER.size + length)


def array_header(count: int) -> bytes:
    """The bytes before an array of ``count`` numbers of 8 bytes."""
    return object_header(8 + 8 * count) + struct.pack("<Q", count)


def object_content(saved: bytes) -> bytes:
    """The content of an object that SEAL has just saved in this process; never use it on bytes from elsewhere.

    The binding cannot save without compression, so the content is decompressed here.
    """
    compression = HEADER.unpack_from(saved)[4]
    body = saved[HEADER.size :]
    return zstandard.ZstdDecompressor().decompress(body) if compression == ZSTD else body


def is_secret_key(data: bytes, params: ParameterSet) -> bool:
    """Whether ``data`` has the outer form of a secret key of ``params`` as saved by SEAL. Nothing is loaded."""
    if len(data) < HEADER.size + _ZSTD_FIELDS.size:
        return False
    magic, size, major, _, compression, _, length = HEADER.unpack_from(data)
    if (magic, size, major, length) != (MAGIC, HEADER.size, VERSION[0], len(data)):
        return False
    expected = _PLAINTEXT_FIELDS + _ARRAY_FIELDS + 8 * params.degree * len(params.primes)
    if compression != ZSTD:
        return compression == UNCOMPRESSED and len(data) == HEADER.size + expected
    frame, descriptor, declared = _ZSTD_FIELDS.unpack_from(data, HEADER.size)
    return (frame, descriptor, declared) == (_ZSTD_MAGIC, _SINGLE_SEGMENT_4, expected)
