"""Bytes made to do harm: a fixed corpus and a fuzzer, for contexts, batches and replies.

Whatever parses natively runs in a worker with limits, as it does at the bureau: a crash would show as a dead worker.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import tenseal.sealapi as seal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.bureau.workers import WorkerPool
from lab.terms.errors import InvalidInput
from protocols.scoring import bank, bureau, envelope, layout, native
from protocols.scoring.params import PARAMETERS
from protocols.wire.frame import Frame, Kind, MalformedFrame, unpack
from tests.protocol.insider import CONTRACT, Insider, frame_of, seeded, terms_of, values_of

PARAMS = PARAMETERS["bgv-4096-a"]
INSIDER = Insider(PARAMS)
CONTEXT = INSIDER.holder.public_context()
TAGS = np.arange(32, dtype=np.uint8).reshape(2, 16)
TERMS = terms_of(np.array([[3, 4]]), np.array([[1, 1]]))
BATCH = INSIDER.holder.encrypt(TAGS, np.array([[1, 0]], dtype=np.uint8), contract=CONTRACT)
REPLY = bureau.evaluate(CONTEXT, BATCH, TERMS, PARAMS, CONTRACT)
COLUMN = unpack(BATCH, Kind.BATCH).parts[1]
SEED = bytes(range(64))
ROWS = np.stack([np.arange(PARAMS.degree, dtype=object)] * len(PARAMS.data_primes))
FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    made = WorkerPool(1, job_seconds=20, memory_mib=2048, modules=(__name__,))
    yield made
    made.close()


def batch_of(*columns: bytes) -> bytes:
    meta = {"parameters": PARAMS.name, "contract": CONTRACT, "context": layout.digest(CONTEXT), "rows": 2}
    return Frame(Kind.BATCH, meta, (TAGS.tobytes(), *columns)).pack()


def reply_of(*parts: bytes) -> bytes:
    return layout.pack_reply(PARAMS, layout.digest(BATCH), 2, list(parts))


def evaluate(pool: WorkerPool, column: bytes) -> bytes:
    return pool.run(bureau.evaluate, CONTEXT, batch_of(column), TERMS, PARAMS, CONTRACT)


def decrypt(secret: bytes, reply: bytes) -> Any:
    """The bank's side, for a worker."""
    return bank.KeyHolder(PARAMS, secret).decrypt(reply, rows=2, batch=BATCH)


def alive(pool: WorkerPool) -> bool:
    """Whether the worker is the one it was: it answers, and nothing is left over of what it refused."""
    return INSIDER.holder.decrypt(evaluate(pool, COLUMN), rows=2, batch=batch_of(COLUMN)).tolist() == [[4, 1]]


# --- the corpus -------------------------------------------------------------------------------------------------------


def blocks(*pieces: tuple[int, int, bytes], declared: int = PARAMS.seeded_bytes, descriptor: int = 0xA0) -> bytes:
    """A Zstandard frame of (kind, size, body) blocks, the last marked as such, under SEAL's header."""
    head = struct.pack("<IBI", 0xFD2FB528, descriptor, declared)
    body = b"".join(
        (size << 3 | kind << 1 | (index == len(pieces) - 1)).to_bytes(3, "little") + data
        for index, (kind, size, data) in enumerate(pieces)
    )
    return struct.pack("<HBBBBHQ", 0xA15E, 16, 4, 3, 2, 0, 16 + len(head) + len(body)) + head + body


def header(**other: int) -> bytes:
    fields = {
        "magic": 0xA15E,
        "size": 16,
        "major": 4,
        "minor": 3,
        "compression": 2,
        "reserved": 0,
        "length": len(COLUMN),
    }
    return struct.pack("<HBBBBHQ", *(fields | other).values()) + COLUMN[16:]


ZEROS = 131072
OUTSIDE: dict[str, bytes] = {
    "nothing": b"",
    "a byte": b"\x00",
    "text": b"no ciphertext" * 40,
    "header alone": COLUMN[:16],
    "cut": COLUMN[:-1],
    "longer": COLUMN + b"\x00",
    "twice": COLUMN * 2,
    "wrong magic": header(magic=0),
    "wrong header size": header(size=17),
    "version 3": header(major=3),
    "version 5": header(major=5),
    "not compressed": header(compression=0),
    "zlib": header(compression=1),
    "unknown compression": header(compression=9),
    "reserved bits": header(reserved=1),
    "length of a stream": header(length=2**63),
    "length 0": header(length=0),
    "declares less": frame_of(b"\x00" * 500),
    "declares more": frame_of(b"\x00" * PARAMS.seeded_bytes, declared=PARAMS.seeded_bytes + 1),
    "declares 4 GB": frame_of(b"\x00" * 500, declared=2**32 - 1),
    "inflates to 1 GB": blocks(*[(1, ZEROS, b"\x00")] * 8000),
    "inflates without end": blocks(*[(1, ZEROS, b"\x00")] * 3)[:-4],
    "a block of no kind": blocks((3, 10, b"\x00" * 10)),
    "a block too large": blocks((0, 131073, b"\x00" * 10)),
    "a dictionary": blocks((1, ZEROS, b"\x00"), descriptor=0xA1),
    "a checksum": blocks((1, ZEROS, b"\x00"), descriptor=0xA4),
    "no content size": blocks((1, ZEROS, b"\x00"), descriptor=0x20),
    "a window": blocks((1, ZEROS, b"\x00"), descriptor=0x80),
    "a skippable frame": COLUMN[:16] + struct.pack("<II", 0x184D2A50, len(COLUMN) - 24) + COLUMN[24:],
    "unseeded": native.dump(native.load(seal.Ciphertext, COLUMN, PARAMS)),
    "a secret key": INSIDER.secret_bytes,
    "a reply": unpack(REPLY, Kind.REPLY).parts[0],
}
LIES: dict[str, dict[str, Any]] = {
    **{f"size {n}": {"size": n} for n in (0, 1, 3, 2**16, 2**63)},
    **{f"degree {n}": {"degree": n} for n in (0, 1, 2048, 8192, 2**31, 2**63)},
    **{f"{n} primes": {"count": n} for n in (0, 1, 3, 64, 2**63)},
    **{f"scale {n}": {"scale": n} for n in (0.0, -1.0, float("inf"), float("nan"))},
    **{f"correction {n}": {"correction": n} for n in (0, PARAMS.plain_modulus, 2**63)},
    **{f"generator {n}": {"kind": n} for n in (0, 3, 255)},
    "no level": {"level": [0, 0, 0, 0]},
    "the key's level": {"level": native.context(PARAMS.name).key_parms_id()},
    "the smallest level": {"level": native.context(PARAMS.name).last_parms_id()},
    "another set's level": {"level": native.context("bgv-8192-a").first_parms_id()},
}


@dataclass(frozen=True)
class Inside:
    """Content of the right size, by what is wrong with it."""

    offset: int
    data: bytes

    def applied(self) -> bytes:
        content = bytearray(raw_content())
        content[self.offset : self.offset + len(self.data)] = self.data
        assert len(content) == PARAMS.seeded_bytes
        return frame_of(bytes(content))


def raw_content() -> bytes:
    """What ``seeded`` wraps: one raw block, as 4096 coefficients of two primes are less than 128 KiB."""
    return seeded(ROWS, SEED, PARAMS)[16 + 9 + 3 :]


ARRAY, VALUES = 73, 97  # where the array's header begins, and its values
INSIDE: dict[str, Inside] = {
    "array of no magic": Inside(ARRAY, b"\x00\x00"),
    "array of another length": Inside(ARRAY + 8, struct.pack("<Q", 2**60)),
    "array compressed within": Inside(ARRAY + 5 - 1, b"\x02"),
    "array of no values": Inside(ARRAY + 16, struct.pack("<Q", 0)),
    "array one short": Inside(ARRAY + 16, struct.pack("<Q", PARAMS.degree * 2 - 1)),
    "array of both halves": Inside(ARRAY + 16, struct.pack("<Q", PARAMS.degree * 4)),
    "array beyond memory": Inside(ARRAY + 16, struct.pack("<Q", 2**61)),
    "a coefficient of the prime": Inside(VALUES, struct.pack("<Q", PARAMS.primes[0])),
    "a coefficient of 64 bits": Inside(VALUES + 8, b"\xff" * 8),
    "generator of no magic": Inside(PARAMS.seeded_bytes - 81, b"\x00\x00"),
    "generator longer than the rest": Inside(PARAMS.seeded_bytes - 81 + 8, struct.pack("<Q", 2**40)),
    "noise in place of all": Inside(0, bytes(np.random.default_rng(1).integers(0, 256, PARAMS.seeded_bytes, np.uint8))),
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_what_is_outwardly_no_ciphertext_is_refused_before_native_code(name: str) -> None:
    with pytest.raises(MalformedFrame):
        envelope.check_seeded(OUTSIDE[name], PARAMS)
    with pytest.raises(MalformedFrame):
        bureau.evaluate(CONTEXT, batch_of(OUTSIDE[name]), TERMS, PARAMS, CONTRACT)


def test_what_is_inwardly_no_fresh_ciphertext_is_refused_and_kills_no_worker(pool: WorkerPool) -> None:
    accepted = []
    for name, made in {
        **{name: seeded(ROWS, SEED, PARAMS, **lie) for name, lie in LIES.items()},
        **{name: inside.applied() for name, inside in INSIDE.items()},
    }.items():
        envelope.check_seeded(made, PARAMS)  # only what is within is wrong
        try:
            evaluate(pool, made)
            accepted.append(name)
        except native.NativeRefusal:
            pass
    assert accepted == []
    assert alive(pool)


def test_a_crafted_ciphertext_that_keeps_the_form_is_evaluated_like_any_other(pool: WorkerPool) -> None:
    """Whether it encrypts an answer can't be seen; what it gets is one masked sum.

    A factor other than 1 scales mask, flood and sum together. Coefficients that are not transformed are by SEAL.
    """
    for lie in ({}, {"correction": 5}, {"correction": PARAMS.plain_modulus - 1}, {"ntt": 0}, {"ntt": 7}):
        reply = evaluate(pool, seeded(ROWS, SEED, PARAMS, **lie))
        assert len(unpack(reply, Kind.REPLY).parts) == 1
    assert alive(pool)


def test_keys_and_replies_of_the_corpus_are_refused_too(pool: WorkerPool) -> None:
    key, proof = unpack(CONTEXT, Kind.CONTEXT).parts
    for name, made in OUTSIDE.items():
        wanted = bureau.SecretKeyFound if name == "a secret key" else MalformedFrame
        with pytest.raises(wanted):
            pool.run(bureau.check_context, layout.pack_context(PARAMS, made, proof), PARAMS)
        if name != "a reply":
            with pytest.raises(ValueError):
                pool.run(decrypt, INSIDER.secret_bytes, reply_of(made))
    for lie in LIES.values():
        with pytest.raises(native.NativeRefusal):
            pool.run(
                bureau.check_context, layout.pack_context(PARAMS, seeded(ROWS, SEED, PARAMS, **lie), proof), PARAMS
            )
    for wrong in (b"", proof[:-1], proof + b"\x00", proof * 2, key):
        with pytest.raises(ValueError):
            pool.run(bureau.check_context, layout.pack_context(PARAMS, key, wrong), PARAMS)
    assert pool.run(bureau.check_context, CONTEXT, PARAMS) == layout.digest(CONTEXT)
    assert alive(pool)


def test_repeats_are_refused_within_a_batch_and_known_across_batches() -> None:
    with pytest.raises(MalformedFrame, match="twice"):
        bureau.read_batch(batch_of(COLUMN, COLUMN), PARAMS, contract=CONTRACT)
    one = bureau.read_batch(BATCH, PARAMS, contract=CONTRACT)
    again = bureau.read_batch(batch_of(COLUMN), PARAMS, contract=CONTRACT)
    other = INSIDER.holder.encrypt(TAGS, np.array([[1, 0]], dtype=np.uint8), contract=CONTRACT)
    assert one.prints() == again.prints()
    assert not set(one.prints()) & set(bureau.read_batch(other, PARAMS, contract=CONTRACT).prints())


def test_a_batch_under_another_banks_context_is_refused_or_drowned() -> None:
    stranger = Insider(PARAMS).holder
    with pytest.raises(MalformedFrame, match="context"):
        bureau.evaluate(stranger.public_context(), BATCH, TERMS, PARAMS, CONTRACT)
    renamed = batch_of(COLUMN).replace(
        layout.digest(CONTEXT).encode(), layout.digest(stranger.public_context()).encode()
    )
    reply = bureau.evaluate(stranger.public_context(), renamed, TERMS, PARAMS, CONTRACT)
    for holder in (stranger, INSIDER.holder):
        with pytest.raises(native.NativeRefusal):
            holder.decrypt(reply, rows=2, batch=renamed)


# --- the fuzzer -------------------------------------------------------------------------------------------------------


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """A message with a few bytes changed, cut, doubled, or filled; mostly near its head, where the meaning is."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        limit = max(len(data) - 1, 0)
        place = draw(st.one_of(st.integers(0, min(300, limit)), st.integers(0, limit)))
        span = draw(st.integers(1, 16))
        kind = draw(st.sampled_from(["flip", "cut", "double", "fill", "drop"]))
        if kind == "flip" and data:
            data[place] ^= draw(st.integers(1, 255))
        elif kind == "cut":
            del data[place:]
        elif kind == "double":
            data[place:place] = data[place : place + span]
        elif kind == "fill":
            data[place : place + span] = bytes([draw(st.sampled_from([0, 1, 127, 128, 255]))]) * span
        else:
            del data[place : place + span]
    return bytes(data)


def survived(pool: WorkerPool, function: Callable[..., Any], *arguments: Any, may_die: bool = False) -> None:
    """What is asked ends with an answer or a refusal. A dead worker raises ``InvalidInput``, which is none."""
    try:
        pool.run(function, *arguments)
    except InvalidInput as death:
        if not may_die:
            raise AssertionError("the worker died") from death
    except ValueError:
        pass


@FUZZ
@given(damaged(CONTEXT))
def test_damaged_contexts(pool: WorkerPool, frame: bytes) -> None:
    survived(pool, bureau.check_context, frame, PARAMS)


@FUZZ
@given(damaged(BATCH))
def test_damaged_batches(pool: WorkerPool, frame: bytes) -> None:
    survived(pool, bureau.evaluate, CONTEXT, frame, TERMS, PARAMS, CONTRACT)


@FUZZ
@given(damaged(raw_content()))
def test_damaged_ciphertexts_in_a_proper_envelope(pool: WorkerPool, content: bytes) -> None:
    """SEAL's parser itself is reached here, and can be made to end its process: see the test below."""
    fitted = (content + bytes(PARAMS.seeded_bytes))[: PARAMS.seeded_bytes]
    survived(pool, bureau.evaluate, CONTEXT, batch_of(frame_of(fitted)), TERMS, PARAMS, CONTRACT, may_die=True)


def test_bytes_that_end_seals_process_cost_one_batch(pool: WorkerPool) -> None:
    """Two coefficients less, and SEAL 4.3 ends the process: an exception of the C++ stream goes uncaught."""
    content = raw_content()
    short = content[:100] + content[116:] + bytes(16)
    with pytest.raises((InvalidInput, native.NativeRefusal)):  # the second once SEAL is mended
        evaluate(pool, frame_of(short))
    assert alive(pool)


@FUZZ
@given(damaged(REPLY))
def test_damaged_replies(pool: WorkerPool, frame: bytes) -> None:
    survived(pool, decrypt, INSIDER.secret_bytes, frame)


@FUZZ
@given(st.binary(max_size=400))
def test_any_bytes(pool: WorkerPool, data: bytes) -> None:
    with pytest.raises(MalformedFrame):
        envelope.check_seeded(data, PARAMS)
    for kind in (Kind.CONTEXT, Kind.BATCH, Kind.REPLY):
        with pytest.raises(MalformedFrame):
            unpack(data, kind)


def test_the_crafted_form_is_seals_own(pool: WorkerPool) -> None:
    """What the corpus is made from: SEAL reads a crafted ciphertext as the values and the seed that were put in."""
    made = native.load(seal.Ciphertext, seeded(ROWS, SEED, PARAMS), PARAMS)
    assert (values_of(made, 0, PARAMS) == ROWS).all()
    other = native.load(seal.Ciphertext, seeded(ROWS, SEED[::-1], PARAMS), PARAMS)
    assert (values_of(made, 1, PARAMS) != values_of(other, 1, PARAMS)).mean() > 0.99
    assert alive(pool)
