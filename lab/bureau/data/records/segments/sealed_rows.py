r"""Personal items at rest: a file of their own beside a segment, row for row, sealed in blocks (AES-256-GCM).

Layout: ``b"SHROWS1\n"`` | salt (16) | blocks | index (canonical JSON) | length of the index (4 bytes, little-endian).
Each file has a key of its own: HKDF-SHA-256 of the bureau's records key, with the salt. A block is the Parquet bytes of
``block_rows`` rows, encrypted under the block's number as nonce, and bound to the hash of its segment: neither a block
nor a whole file can be put in another's place. The index has no values: rows, columns and lengths.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import rfc8785
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from polars.exceptions import PolarsError

from lab.disk.checked_files import DamagedFile
from lab.disk.private_files import private_opener

_MAGIC, _SALT = b"SHROWS1\n", 16
BLOCK_ROWS = 4_096
LendKey = Callable[[int, Callable[[bytes], bytes]], bytes]
"""Lends the bureau's records key of a number to a function that derives a file's key (``BureauKeys``)."""
_DAMAGED = "The sealed file of personal items is not as it was written."


def write_sealed_rows(path: Path, frames: Iterable[pl.DataFrame], segment: str, lend: LendKey, key_number: int) -> None:
    """Write the personal items of the segment with hash ``segment`` to the new file ``path``, in the order of its rows.

    Each of ``frames`` but the last has a multiple of ``BLOCK_ROWS`` rows.
    """
    salt = os.urandom(_SALT)
    cipher = AESGCM(lend(key_number, lambda key: _derive(key, salt)))
    lengths, rows, columns = list[int](), 0, list[str]()
    with open(path, "xb", opener=private_opener) as file:
        file.write(_MAGIC + salt)
        for frame in frames:
            rows, columns = rows + frame.height, frame.columns
            for block in frame.iter_slices(BLOCK_ROWS):
                buffer = io.BytesIO()
                block.write_parquet(buffer, compression="zstd", statistics=False)
                sealed = cipher.encrypt(_nonce(len(lengths)), buffer.getvalue(), _bound_to(segment, len(lengths)))
                lengths.append(len(sealed))
                file.write(sealed)
        index = rfc8785.dumps(
            {"key": key_number, "rows": rows, "block_rows": BLOCK_ROWS, "columns": columns, "lengths": lengths}
        )
        file.write(index + len(index).to_bytes(4, "little"))


def read_sealed_rows(path: Path, rows: Sequence[int], segment: str, lend: LendKey) -> pl.DataFrame:
    """The personal items of these rows (numbers from 0, in ascending order) of the segment's file; opens only their
    blocks. Raises ``DamagedFile``, and what opening the key raises."""
    with path.open("rb") as file:
        index = _read_index(path, file.read, file.seek)
        file.seek(len(_MAGIC))
        salt = file.read(_SALT)
        cipher = AESGCM(lend(int(index["key"]), lambda key: _derive(key, salt)))
        size, parts = int(index["block_rows"]), []
        offsets = [len(_MAGIC) + _SALT]
        for length in index["lengths"]:
            offsets.append(offsets[-1] + int(length))
        for number in sorted({row // size for row in rows}):
            file.seek(offsets[number])
            try:
                plain = cipher.decrypt(
                    _nonce(number), file.read(offsets[number + 1] - offsets[number]), _bound_to(segment, number)
                )
                block = pl.read_parquet(io.BytesIO(plain))
            except (InvalidTag, PolarsError):
                raise DamagedFile(path, detail=_DAMAGED) from None
            parts.append(block[[row - number * size for row in rows if row // size == number]])
    return pl.concat(parts) if parts else pl.DataFrame(schema=dict.fromkeys(index["columns"], pl.String))


def _read_index(path: Path, read: Callable[[int], bytes], seek: Callable[[int, int], int]) -> Mapping[str, Any]:
    try:
        size = path.stat().st_size
        seek(-4, os.SEEK_END)
        length = int.from_bytes(read(4), "little")
        if length + 4 + len(_MAGIC) + _SALT > size:
            raise ValueError
        seek(-4 - length, os.SEEK_END)
        index = json.loads(read(length))
        if set(index) != {"key", "rows", "block_rows", "columns", "lengths"}:
            raise ValueError
    except (OSError, ValueError):
        raise DamagedFile(path, detail=_DAMAGED) from None
    return dict(index)


def _derive(key: bytes, salt: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=b"shulab records personal items").derive(key)


def _nonce(block: int) -> bytes:
    return block.to_bytes(12, "big")


def _bound_to(segment: str, block: int) -> bytes:
    return f"shulab records {segment} {block}".encode()
