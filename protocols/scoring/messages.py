"""The messages of scoring: frames of keys, batches and replies, and the weights that a batch is multiplied by.

A ciphertext holds one column, and its slots hold enterprises: row r of a batch is slot r of every ciphertext in it. A
reply has one ciphertext for each output; ``QuantizedWeights`` says which sum an output is.

Frames (``protocols.wire.frame``), their headers and parts; every part has one possible length, in bytes:

    CONTEXT  {form, parameters}                            key | proof
    BATCH    {context, contract, form, parameters, rows}   tags (16 a row) | column | column | ...
    REPLY    {batch, form, parameters, rows}               scored | output | output | ...

    scored       =  one bit a row: 1 if it was scored             1 for each 8 rows
    key, column  =  seed (32) | polynomial modulo q               122,912 (bgv-8192-a)
    output       =  two polynomials modulo the smallest prime     122,880
    proof        =  see ``key_proof``                             655,400

``form`` is the number 2, in a reply 3. ``scored``: row r is bit r mod 8 of byte r // 8, counted from the lowest; bits
after the last row are 0. A slot whose bit is 0 holds a random number, like the slots after the last row. A *polynomial*
is packed residues (``packing``) in transformed form. A key or column is the ciphertext (c0, a): c0 is the polynomial, a
is expanded from the seed (``rlwe.seed_expansion``). An output is c0 and then c1. Everything else that a ciphertext has
in SEAL (level, form, scale, correction factor) is written by the reader (``seal.binding``) and never taken from the
sender.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from protocols.scoring import packing
from protocols.scoring.parameters import SEED_BYTES, ParameterSet
from protocols.scoring.rlwe.ring import RingElement
from protocols.scoring.rlwe.seed_expansion import expand_seed
from protocols.wire.frame import TAG_BYTES, Frame, FrameKind, MalformedFrame, unpack_frame

FRAME_FORMAT = 2
"""The number of the present form of frames. In form 1 ciphertexts travelled in SEAL's own format."""
REPLY_FORMAT = 3
"""The same for replies. In form 2 a reply did not say which rows were scored."""
MAX_COLUMNS = 4096
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class QuantizedWeights:
    """The weights W of one batch, as integers in quanta: a model applied to the public records of its enterprises.

    Output o of row r is

        base[o, r] + sum over weights k with o in outputs[k] of indicator[columns[k], r] * weights[k, r]

    The bureau makes it from the four arrays of ``models.bureau.score_weights.ScoreWeights``, unchanged and in this
    order. That is the wall between models and protocols: a worker that evaluates a batch loads no code of ``models``.
    """

    columns: NDArray[np.int32]
    """int32 [K]: the column of the batch that weight k multiplies."""
    outputs: tuple[tuple[int, ...], ...]
    """K tuples: the outputs to which the product of weight k is added."""
    weights: NDArray[np.int64]
    """int64 [K, rows]."""
    base: NDArray[np.int64]
    """int64 [outputs, rows]: what each output is without any column."""

    def check(self, params: ParameterSet, *, columns: int, rows: int) -> None:
        """Raise ``ValueError`` unless the weights fit a batch of ``columns`` and ``rows`` under ``params``."""
        count = len(self.columns)
        if self.weights.shape != (count, rows) or len(self.outputs) != count or self.base.shape[1:] != (rows,):
            raise ValueError("columns, outputs, weights and base do not have matching shapes")
        if count and not (int(self.columns.min()) >= 0 and int(self.columns.max()) < columns):
            raise ValueError(f"a weight names a column beyond the {columns} of the batch")
        self._check_outputs(params)
        # A weight may be the difference of two: it is taken modulo t, like the sum, which is what has to fit.
        _check_range("weights", self.weights, 2 * params.value_limit)
        _check_range("base", self.base, params.value_limit)

    def _check_outputs(self, params: ParameterSet) -> None:
        count = len(self.base)
        if not 1 <= count <= params.max_outputs:
            raise ValueError(f"wanted 1 to {params.max_outputs} outputs; found {count}")
        named = [output for outputs in self.outputs for output in outputs]
        if not named:
            return
        if min(named) < 0 or max(named) >= count:
            raise ValueError(f"a weight names an output beyond the {count} of the reply")
        if max(np.bincount(named)) > params.max_weights:
            raise ValueError(f"more than {params.max_weights} weights are added to one output")


@dataclass(frozen=True)
class ParsedBatch:
    """A parsed batch; parsing runs no native code. ``tags``: uint8 [rows, 16]."""

    sha256: str
    contract: str
    context: str
    column_count: int
    tags: NDArray[np.uint8]
    ciphertexts: tuple[bytes, ...]

    @property
    def rows(self) -> int:
        """Enterprises in the batch."""
        return len(self.tags)

    def seeds(self) -> tuple[bytes, ...]:
        """The seed of each column. Fresh seeds never repeat: a seed that the bureau has seen before, in any batch and
        with any residues, was used twice."""
        return tuple(part[:SEED_BYTES] for part in self.ciphertexts)


@dataclass(frozen=True)
class ParsedReply:
    """A parsed reply: ``places`` int64 [scored], ascending, the rows that were scored; one packed ciphertext for each
    output."""

    places: NDArray[np.int64]
    outputs: tuple[bytes, ...]


def frame_sha256(frame: bytes) -> str:
    """The name of a frame: SHA-256, hexadecimal."""
    return hashlib.sha256(frame).hexdigest()


def pack_seeded_ciphertext(seed: bytes, first: RingElement, params: ParameterSet) -> bytes:
    """A key or a column as bytes: the seed of its second polynomial, and its first, transformed.

    ``first``: uint64 [data primes, N].
    """
    return seed + packing.pack_residues(first, params.data_primes)


def read_seeded_ciphertext(
    part: bytes, params: ParameterSet, out: tuple[RingElement, RingElement] | None = None
) -> tuple[RingElement, RingElement]:
    """Both polynomials of a key or a column, transformed, uint64 [data primes, N]; raises ``MalformedFrame``.

    ``out``: arrays of that shape to fill.
    """
    if len(part) != params.column_bytes:
        raise MalformedFrame(f"a key or a column has {params.column_bytes} bytes; found {len(part)}")
    first, second = out if out is not None else (None, None)
    first = packing.unpack_residues(memoryview(part)[SEED_BYTES:], params.data_primes, params.degree, first)
    return first, expand_seed(part[:SEED_BYTES], params, second)


def pack_output(first: RingElement, second: RingElement, params: ParameterSet) -> bytes:
    """An output of a reply: two polynomials modulo the smallest prime, transformed, uint64 [1, N] each."""
    return packing.pack_residues(first, params.primes[:1]) + packing.pack_residues(second, params.primes[:1])


def read_output(part: bytes, params: ParameterSet) -> tuple[RingElement, RingElement]:
    """The two polynomials of an output; raises ``MalformedFrame``."""
    if len(part) != params.output_bytes:
        raise MalformedFrame(f"an output has {params.output_bytes} bytes; found {len(part)}")
    half, whole = params.output_bytes // 2, memoryview(part)
    first, second = (
        packing.unpack_residues(piece, params.primes[:1], params.degree) for piece in (whole[:half], whole[half:])
    )
    return first, second


def pack_context(params: ParameterSet, key: bytes, proof: bytes) -> bytes:
    """A context frame: a public key and the proof that it is one."""
    return Frame(FrameKind.CONTEXT, {"parameters": params.name, "form": FRAME_FORMAT}, (key, proof)).pack()


def read_context(frame: bytes, params: ParameterSet) -> tuple[bytes, bytes]:
    """Key and proof of a context frame; raises ``MalformedFrame``. Runs no native code."""
    context = unpack_frame(frame, FrameKind.CONTEXT)
    _check_same("parameter set", context.text("parameters"), params.name)
    _check_form(context)
    if len(context.parts) != 2:
        raise MalformedFrame("a context has a public key, its proof, and nothing else")
    if len(context.parts[0]) != params.column_bytes:
        raise MalformedFrame(f"a public key has {params.column_bytes} bytes; found {len(context.parts[0])}")
    return context.parts[0], context.parts[1]


def pack_batch(
    params: ParameterSet, contract: str, context: str, tags: NDArray[np.uint8], ciphertexts: list[bytes]
) -> bytes:
    """A batch frame. ``tags``: uint8 [rows, 16]; ``ciphertexts``: the packed columns."""
    meta = {
        "parameters": params.name,
        "form": FRAME_FORMAT,
        "contract": contract,
        "context": context,
        "rows": len(tags),
    }
    return Frame(FrameKind.BATCH, meta, (tags.astype(np.uint8).tobytes(), *ciphertexts)).pack()


def read_batch(frame: bytes, params: ParameterSet, *, contract: str, sha256: str = "") -> ParsedBatch:
    """Parse a batch frame for ``contract``; raises ``MalformedFrame``. Runs no native code.

    Columns are checked by length and seed here, and by their residues when they are read (``read_seeded_ciphertext``).
    ``sha256``: the frame's digest, if the caller has computed it; hashing ten megabytes takes a while.
    """
    batch = unpack_frame(frame, FrameKind.BATCH)
    _check_same("parameter set", batch.text("parameters"), params.name)
    _check_form(batch)
    _check_same("contract", batch.text("contract"), contract)
    rows = batch.number("rows", low=1, high=params.slots)
    columns = len(batch.parts) - 1
    if not 0 <= columns <= MAX_COLUMNS:
        raise MalformedFrame(f"a batch has tags and at most {MAX_COLUMNS} columns")
    if len(batch.parts[0]) != rows * TAG_BYTES:
        raise MalformedFrame(f"a batch of {rows} rows has a tag of {TAG_BYTES} bytes for each row")
    tags = np.frombuffer(batch.parts[0], dtype=np.uint8).reshape(rows, TAG_BYTES)
    if len({batch.parts[0][at : at + TAG_BYTES] for at in range(0, rows * TAG_BYTES, TAG_BYTES)}) != rows:
        raise MalformedFrame("an enterprise is in the batch twice")
    if any(len(column) != params.column_bytes for column in batch.parts[1:]):
        raise MalformedFrame(f"a column has {params.column_bytes} bytes; one of another length was found")
    context = batch.text("context")
    if not _DIGEST.fullmatch(context):
        raise MalformedFrame("a batch names its context by SHA-256, 64 hexadecimal digits")
    parsed = ParsedBatch(sha256 or frame_sha256(frame), contract, context, columns, tags, tuple(batch.parts[1:]))
    if len(set(parsed.seeds())) != columns:
        raise MalformedFrame("a seed is in the batch twice")
    return parsed


def pack_reply(
    params: ParameterSet, batch: str, rows: int, ciphertexts: list[bytes], *, places: NDArray[np.int64] | None = None
) -> bytes:
    """A reply frame to the batch named ``batch``. ``places``: int64 [scored], the rows that were scored; None: all."""
    scored = np.zeros(rows, dtype=np.bool_)
    scored[slice(None) if places is None else places] = True
    marks = np.packbits(scored, bitorder="little").tobytes()
    meta = {"parameters": params.name, "form": REPLY_FORMAT, "batch": batch, "rows": rows}
    return Frame(FrameKind.REPLY, meta, (marks, *ciphertexts)).pack()


def read_reply(frame: bytes, params: ParameterSet, *, batch: str, rows: int) -> ParsedReply:
    """Parse the reply to ``batch``, which has ``rows`` rows; raises ``MalformedFrame``. Runs no native code."""
    reply = unpack_frame(frame, FrameKind.REPLY)
    _check_same("parameter set", reply.text("parameters"), params.name)
    _check_form(reply, REPLY_FORMAT)
    _check_same("batch", reply.text("batch"), batch)
    reply.number("rows", low=rows, high=rows)
    marks, outputs = reply.parts[:1], reply.parts[1:]
    if not 1 <= len(outputs) <= params.max_outputs:
        raise MalformedFrame(f"a reply has 1 to {params.max_outputs} outputs; found {len(outputs)}")
    if any(len(output) != params.output_bytes for output in outputs):
        raise MalformedFrame(f"an output has {params.output_bytes} bytes; one of another length was found")
    return ParsedReply(_read_places(marks[0], rows), tuple(outputs))


def _read_places(marks: bytes, rows: int) -> NDArray[np.int64]:
    """The rows whose bit is set, int64 ascending; raises ``MalformedFrame`` unless there is one bit a row, and 1 in at
    least one."""
    if len(marks) != -(-rows // 8):
        raise MalformedFrame("a reply has one bit for each row of its batch; found another number")
    bits = np.unpackbits(np.frombuffer(marks, dtype=np.uint8), bitorder="little")
    if bits[rows:].any():
        raise MalformedFrame("a reply says that a row was scored which its batch does not have")
    if not bits.any():
        raise MalformedFrame("a reply says that no row was scored")
    return np.flatnonzero(bits).astype(np.int64)


def has_current_format(frame: bytes) -> bool:
    """Whether a kept context frame has the present form. A context of an earlier form has to be made again."""
    try:
        _check_form(unpack_frame(frame, FrameKind.CONTEXT))
    except MalformedFrame:
        return False
    return True


def _check_form(frame: Frame, form: int = FRAME_FORMAT) -> None:
    if "form" not in frame.meta:
        raise MalformedFrame(f"the frame has an earlier form than {form}, with SEAL objects; its sender has to update")
    frame.number("form", low=form, high=form)


def _check_same(what: str, found: str, expected: str) -> None:
    if found != expected:
        raise MalformedFrame(f"the frame belongs to another {what} than the one asked for")


def _check_range(name: str, values: NDArray[np.int64], limit: int) -> None:
    if values.size and int(np.abs(values).max()) > limit:
        raise ValueError(f"{name} go beyond {limit} quanta")
