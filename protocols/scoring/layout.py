"""How a scoring job lies in ciphertexts and frames: slots hold enterprises, a ciphertext holds a column.

Row r of a batch is slot r of every ciphertext in it. A batch names its enterprises by their tags (16 bytes each, first
part of the frame) and carries one ciphertext a column. The bureau's weights come as *terms*: column, outputs, one
integer a row. A reply carries one ciphertext an output; output o of row r is

    base[o, r] + sum over terms k that feed o of indicator[column(k), r] * value[k, r]
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from protocols.scoring.envelope import check_seeded
from protocols.scoring.params import ParameterSet
from protocols.wire.frame import Frame, Kind, MalformedFrame, unpack

TAG_BYTES = 16
MAX_COLUMNS = 4096


@dataclass(frozen=True)
class Terms:
    """A model applied to public records, as integers in quanta.

    ``columns``: int32 [T], the column each term multiplies. ``outputs``: for each term, the outputs its product is
    added into. ``values``: int64 [T, rows]. ``base``: int64 [outputs, rows], what each output has without any column.
    """

    columns: NDArray[np.int32]
    outputs: tuple[tuple[int, ...], ...]
    values: NDArray[np.int64]
    base: NDArray[np.int64]

    def check(self, params: ParameterSet, *, columns: int, rows: int) -> None:
        """Raise ``ValueError`` unless the terms fit a batch of ``columns`` and ``rows`` under ``params``."""
        terms = len(self.columns)
        if self.values.shape != (terms, rows) or len(self.outputs) != terms or self.base.shape[1:] != (rows,):
            raise ValueError("terms, their values and the base do not have one shape")
        outputs = len(self.base)
        if not 1 <= outputs <= params.max_outputs:
            raise ValueError(f"wanted 1 to {params.max_outputs} outputs; found {outputs}")
        if terms and not (int(self.columns.min()) >= 0 and int(self.columns.max()) < columns):
            raise ValueError(f"a term names a column beyond the {columns} of the batch")
        fed = [output for group in self.outputs for output in group]
        if fed and not (min(fed) >= 0 and max(fed) < outputs):
            raise ValueError(f"a term names an output beyond the {outputs} of the reply")
        if fed and max(np.bincount(fed)) > params.max_terms:
            raise ValueError(f"more than {params.max_terms} terms feed one output")
        # A value may be a difference of two weights: it is taken modulo t, like the sum, which is what has to fit.
        limits = (2 * params.value_limit, params.value_limit)
        for name, numbers, limit in zip(("values", "base"), (self.values, self.base), limits, strict=True):
            if numbers.size and int(np.abs(numbers).max()) > limit:
                raise ValueError(f"{name} go beyond {limit} quanta")


@dataclass(frozen=True)
class BatchHead:
    """What is read of a batch without native code. ``tags``: uint8 [rows, 16]."""

    sha256: str
    contract: str
    context: str
    columns: int
    tags: NDArray[np.uint8]
    ciphertexts: tuple[bytes, ...]

    @property
    def rows(self) -> int:
        """Enterprises in the batch."""
        return len(self.tags)

    def prints(self) -> tuple[bytes, ...]:
        """SHA-256 of each ciphertext. Fresh ones never repeat, so one that was seen before, in whatever batch, is no
        fresh one: whoever keeps them can tell."""
        return tuple(hashlib.sha256(part).digest() for part in self.ciphertexts)


def digest(frame: bytes) -> str:
    """The name of a frame: SHA-256, hexadecimal."""
    return hashlib.sha256(frame).hexdigest()


def pack_context(params: ParameterSet, key: bytes, proof: bytes) -> bytes:
    """A context frame: a public key and the proof that it is one."""
    return Frame(Kind.CONTEXT, {"parameters": params.name}, (key, proof)).pack()


def read_context(frame: bytes, params: ParameterSet) -> tuple[bytes, bytes]:
    """Key and proof of a context frame; raises ``MalformedFrame``. Runs no native code."""
    context = unpack(frame, Kind.CONTEXT)
    _same("parameter set", context.text("parameters"), params.name)
    if len(context.parts) != 2:
        raise MalformedFrame("a context has a public key, its proof, and nothing else")
    return context.parts[0], context.parts[1]


def pack_batch(
    params: ParameterSet, contract: str, context: str, tags: NDArray[np.uint8], ciphertexts: list[bytes]
) -> bytes:
    """A batch frame."""
    meta = {"parameters": params.name, "contract": contract, "context": context, "rows": len(tags)}
    return Frame(Kind.BATCH, meta, (tags.astype(np.uint8).tobytes(), *ciphertexts)).pack()


def read_batch(frame: bytes, params: ParameterSet, *, contract: str, sha256: str = "") -> BatchHead:
    """Parse a batch frame for ``contract``, its ciphertexts from outside (``envelope``); raises ``MalformedFrame``.

    Runs no native code.

    ``sha256``: the frame's digest, from a caller who computed it already; ten megabytes take a while.
    """
    batch = unpack(frame, Kind.BATCH)
    _same("parameter set", batch.text("parameters"), params.name)
    _same("contract", batch.text("contract"), contract)
    rows = batch.number("rows", low=1, high=params.slots)
    columns = len(batch.parts) - 1
    if not 0 <= columns <= MAX_COLUMNS:
        raise MalformedFrame(f"a batch has tags and up to {MAX_COLUMNS} columns")
    if len(batch.parts[0]) != rows * TAG_BYTES:
        raise MalformedFrame(f"a batch of {rows} rows has {TAG_BYTES} bytes of tag for each")
    tags = np.frombuffer(batch.parts[0], dtype=np.uint8).reshape(rows, TAG_BYTES)
    if len({batch.parts[0][at : at + TAG_BYTES] for at in range(0, rows * TAG_BYTES, TAG_BYTES)}) != rows:
        raise MalformedFrame("an enterprise stands twice in one batch")
    for column in batch.parts[1:]:
        check_seeded(column, params)
    if _repeats(batch.parts[1:]):
        raise MalformedFrame("a ciphertext stands twice in one batch")
    return BatchHead(sha256 or digest(frame), contract, batch.text("context"), columns, tags, tuple(batch.parts[1:]))


def _repeats(parts: Sequence[bytes]) -> bool:
    """Whether a part stands twice. Parts that differ in a short piece need not be read whole."""
    return len({part[64:128] for part in parts}) != len(parts) and len(set(parts)) != len(parts)


def pack_reply(params: ParameterSet, batch: str, rows: int, ciphertexts: list[bytes]) -> bytes:
    """A reply frame to the batch named ``batch``."""
    return Frame(Kind.REPLY, {"parameters": params.name, "batch": batch, "rows": rows}, tuple(ciphertexts)).pack()


def read_reply(frame: bytes, params: ParameterSet, *, batch: str, rows: int) -> tuple[bytes, ...]:
    """The ciphertexts of the reply to ``batch``; raises ``MalformedFrame``."""
    reply = unpack(frame, Kind.REPLY)
    _same("parameter set", reply.text("parameters"), params.name)
    _same("batch", reply.text("batch"), batch)
    reply.number("rows", low=rows, high=rows)
    if not 1 <= len(reply.parts) <= params.max_outputs:
        raise MalformedFrame(f"a reply has 1 to {params.max_outputs} outputs; found {len(reply.parts)}")
    return tuple(reply.parts)


def _same(what: str, found: str, wanted: str) -> None:
    if found != wanted:
        raise MalformedFrame(f"the frame is of another {what} than the one asked for")
