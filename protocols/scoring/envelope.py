"""The outside of a ciphertext, judged before SEAL reads a byte of it.

SEAL writes a header of 16 bytes and one Zstandard frame (RFC 8878). Only that form is taken, and only with the content
size that the ciphertext wanted has, declared in the frame and reachable by its blocks. This caps what a decompressor
may be made to write. Of a bank's ciphertexts, which are seeded, it also makes a promise that privacy leans on: a
ciphertext of two polynomials in those bytes can only be one polynomial and a *seed* of the other, so the other is
SEAL's pseudo-random output and not what a bank chose.
"""

from __future__ import annotations

import struct

from protocols.scoring.params import ParameterSet
from protocols.wire.frame import MalformedFrame

HEADER = struct.Struct("<HBBBBHQ")
MAGIC, ZSTD, VERSION = 0xA15E, 2, 4
_FRAME_MAGIC = 0xFD2FB528
_BLOCK = 128 * 1024
"""Largest content of a block (RFC 8878, section 3.1.1.2.3)."""


class Unfit(MalformedFrame):
    """Bytes that are not outwardly the ciphertext that is wanted. Names the rule, never the content."""


def check_seeded(data: bytes, params: ParameterSet) -> None:
    """Raise ``Unfit`` unless ``data`` outwardly is one seeded ciphertext of ``params``, as a bank sends it."""
    _check(data, params.seeded_bytes)


def check_reply(data: bytes, params: ParameterSet) -> None:
    """Raise ``Unfit`` unless ``data`` outwardly is one ciphertext modulo the smallest modulus, as a bureau answers."""
    _check(data, params.reply_bytes)


def _check(data: bytes, wanted: int) -> None:
    if not HEADER.size + 9 <= len(data) <= wanted + 64:
        raise Unfit(f"a ciphertext has at most {wanted + 64} bytes; found {len(data)}")
    magic, size, major, _, compression, reserved, length = HEADER.unpack_from(data)
    if (magic, size, major, compression, reserved, length) != (MAGIC, HEADER.size, VERSION, ZSTD, 0, len(data)):
        raise Unfit("a ciphertext begins with SEAL's header, for its own length, compressed by Zstandard")
    offset, content = _frame_header(data, HEADER.size)
    if content != wanted:
        raise Unfit(f"the ciphertext wanted holds {wanted} bytes; the frame declares {content}")
    if _walk(data, offset) > -(-wanted // _BLOCK) + 1:
        raise Unfit("the frame has more blocks than its content needs")


def _frame_header(data: bytes, start: int) -> tuple[int, int]:
    """Where the blocks begin, and the declared content size (RFC 8878, section 3.1.1.1)."""
    magic, descriptor = struct.unpack_from("<IB", data, start)
    flag, single, checksum, dictionary = descriptor >> 6, descriptor >> 5 & 1, descriptor >> 2 & 1, descriptor & 3
    if magic != _FRAME_MAGIC or not single or checksum or dictionary or descriptor & 0x18 or flag == 0:
        raise Unfit("a ciphertext holds one Zstandard frame that declares its content size, without extras")
    width = (0, 2, 4, 8)[flag]
    content = int.from_bytes(data[start + 5 : start + 5 + width], "little") + (256 if flag == 1 else 0)
    return start + 5 + width, content


def _walk(data: bytes, offset: int) -> int:
    """The number of blocks (RFC 8878, section 3.1.1.2), which must end where the data end."""
    blocks, last = 0, False
    while not last:
        if offset + 3 > len(data):
            raise Unfit("the frame ends before its last block")
        head = int.from_bytes(data[offset : offset + 3], "little")
        last, kind, size = bool(head & 1), head >> 1 & 3, head >> 3
        if kind == 3 or size > _BLOCK:
            raise Unfit("the frame has a block of no known kind or size")
        offset += 3 + (1 if kind == 1 else size)
        blocks += 1
    if offset != len(data):
        raise Unfit("the frame does not end where the ciphertext does")
    return blocks
