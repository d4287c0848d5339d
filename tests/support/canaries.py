"""Canary values and the search for them: every encoding of a value, and every place to look."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import io
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

TEXT_ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be", "gb18030")
SHORTEST = 6
"""Bytes of the shortest form looked for; shorter ones would be seen by chance."""
CHUNK = 1 << 20


@dataclass(frozen=True)
class Canary:
    """A value planted at one party: ``what`` it is, and the forms of its bytes that nobody else may hold."""

    what: str
    forms: tuple[bytes, ...]


def text_canary(what: str, value: str) -> Canary:
    """A text (code, name, category): in every encoding, in hexadecimal and base64, and hashed without a secret."""
    plain = {value.encode(encoding) for encoding in TEXT_ENCODINGS}
    plain |= {value.lower().encode(), value.upper().encode()}
    hashed: set[bytes] = set()
    for name in ("md5", "sha1", "sha256", "sha512", "blake2b", "sm3"):
        with contextlib.suppress(ValueError):  # sm3 is not in every OpenSSL
            digest = hashlib.new(name, value.encode()).digest()
            hashed |= {digest, digest[:16], digest.hex().encode(), base64.b64encode(digest)[:-4]}
    return Canary(what, tuple(_dressed(plain) | hashed))


def number_canary(what: str, value: float) -> Canary:
    """A number with enough digits to be unique: as text, and as IEEE 754 in both byte orders."""
    plain = {repr(value).encode(), struct.pack("<d", value), struct.pack(">d", value)}
    return Canary(what, tuple(_dressed(plain)))


def secret_canary(what: str, secret: bytes) -> Canary:
    """Secret bytes: whole, their middle third (in case only a part leaks), each encoded in every way."""
    third = len(secret) // 3
    return Canary(what, tuple(_dressed({secret, secret[third : 2 * third]})))


def _dressed(plain: Iterable[bytes]) -> set[bytes]:
    """The bytes as they are, in hexadecimal, and in base64 at each of the three alignments."""
    forms: set[bytes] = set()
    for value in plain:
        forms |= {value, value.hex().encode(), value.hex().upper().encode()}
        for pad in range(3):
            # Characters that the neighbours of the value would change are cut off at both ends.
            cut = base64.b64encode(b"\0" * pad + value + b"\0\0\0")[(pad * 8 + 5) // 6 :][: (len(value) * 8 - 5) // 6]
            if len(cut) >= SHORTEST:
                forms |= {cut, cut.replace(b"+", b"-").replace(b"/", b"_")}
    return {form for form in forms if len(form) >= SHORTEST}


def unfold(data: bytes, depth: int = 2) -> Iterator[bytes]:
    """The bytes, and what is inside if they are compressed or a table."""
    yield data
    if depth and data[:4] == b"PAR1":
        yield pl.read_parquet(io.BytesIO(data)).cast(pl.String, strict=False).write_csv().encode()
    if depth and data[:2] == b"PK":
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            for name in arrays:
                yield arrays[name].tobytes()
    for inflate in (gzip.decompress, zlib.decompress):
        with contextlib.suppress(OSError, EOFError, zlib.error):
            if depth:
                yield from unfold(inflate(data), depth - 1)


def sightings(canaries: Iterable[Canary], places: Iterable[tuple[str, bytes]]) -> list[str]:
    """``what @ where`` for each canary seen in a place; places are (name, bytes)."""
    by_start: dict[int, list[tuple[bytes, str]]] = {}
    for canary in canaries:
        for form in canary.forms:
            by_start.setdefault(int.from_bytes(form[:SHORTEST], "little"), []).append((form, canary.what))
    starts = np.array(sorted(by_start), dtype=np.uint64)
    found = set()
    for name, data in places:
        for layer in unfold(data):
            for position in _candidates(layer, starts):
                start = int.from_bytes(layer[position : position + SHORTEST], "little")
                found |= {f"{what} @ {name}" for form, what in by_start[start] if layer.startswith(form, position)}
    return sorted(found)


def _candidates(data: bytes, starts: np.ndarray) -> list[int]:
    """Positions in ``data`` where any of the sorted six-byte ``starts`` begins."""
    found: list[int] = []
    for offset in range(0, len(data), CHUNK):
        part = np.frombuffer(data[offset : offset + CHUNK + SHORTEST - 1], dtype=np.uint8).astype(np.uint64)
        count = len(part) - SHORTEST + 1
        if count <= 0 or not len(starts):
            continue
        windows = np.zeros(count, dtype=np.uint64)
        for byte in range(SHORTEST):
            windows |= part[byte : byte + count] << np.uint64(8 * byte)
        places = np.minimum(np.searchsorted(starts, windows), len(starts) - 1)
        found += (np.flatnonzero(starts[places] == windows) + offset).tolist()
    return found


def files_below(folder: Path) -> list[tuple[str, bytes]]:
    """Every file below a folder, including hidden ones, databases and their journals; file names count as content."""
    found = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return [(str(path.relative_to(folder)), str(path).encode() + b"\n" + path.read_bytes()) for path in found] + [
        (f"{path.relative_to(folder)} (content)", path.read_bytes())
        for path in found
        if path.suffix in (".parquet", ".npz", ".gz")
    ]
