"""Bytes made to do harm: a fixed corpus and a fuzzer, for contexts, batches and replies; and what reaches SEAL.

Whatever parses runs in a worker with limits, as it does at the bureau: a crash would show as a dead worker.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tenseal.sealapi as seal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.bureau.workers.pool import WorkerPool
from lab.terms.errors import InvalidInput
from protocols.scoring import bank, bureau, encryption, mask, messages
from protocols.scoring.parameters import DEFAULT_PARAMETERS, PARAMETERS, SEED_BYTES, ParameterSet
from protocols.scoring.rlwe import seed_expansion
from protocols.scoring.seal import binding
from protocols.wire.frame import Frame, FrameKind, MalformedFrame, unpack_frame
from tests.support.insider import CONTRACT, Insider, column_of, rubbish, seeded, terms_of
from tests.support.parameter_sets import NARROW

PARAMS = PARAMETERS[DEFAULT_PARAMETERS]
INSIDER = Insider(PARAMS)
CONTEXT = INSIDER.holder.public_context()
TAGS = np.arange(32, dtype=np.uint8).reshape(2, 16)
TERMS = terms_of(np.array([[3, 4]]), np.array([[1, 1]]))
BATCH = INSIDER.holder.encrypt(TAGS, np.array([[1, 0]], dtype=np.uint8), contract=CONTRACT)
REPLY = bureau.evaluate_batch(CONTEXT, BATCH, TERMS, PARAMS, CONTRACT)
COLUMN = unpack_frame(BATCH, FrameKind.BATCH).parts[1]
OUTPUT = unpack_frame(REPLY, FrameKind.REPLY).parts[1]
SEED = bytes(range(SEED_BYTES))
ROWS = np.stack([np.arange(PARAMS.degree, dtype=object)] * len(PARAMS.data_primes))
ROW_BYTES = [prime.bit_length() * PARAMS.degree // 8 for prime in PARAMS.data_primes]
FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    made = WorkerPool(1, job_seconds=20, memory_mib=2048, modules=(__name__,))
    yield made
    made.close()


def batch_of(*columns: bytes, **meta: object) -> bytes:
    told = {
        "parameters": PARAMS.name,
        "form": 2,
        "contract": CONTRACT,
        "context": messages.frame_sha256(CONTEXT),
        "rows": 2,
    }
    return Frame(FrameKind.BATCH, told | meta, (TAGS.tobytes(), *columns)).pack()


def reply_of(*parts: bytes, batch: bytes = BATCH) -> bytes:
    return messages.pack_reply(PARAMS, messages.frame_sha256(batch), 2, list(parts))


def context_of(key: bytes) -> bytes:
    return messages.pack_context(PARAMS, key, unpack_frame(CONTEXT, FrameKind.CONTEXT).parts[1])


def evaluate(pool: WorkerPool, column: bytes) -> bytes:
    return pool.run(bureau.evaluate_batch, CONTEXT, batch_of(column), TERMS, PARAMS, CONTRACT)


def decrypt(secret: bytes, reply: bytes) -> Any:
    """The bank's side, for a worker."""
    return bank.KeyHolder(PARAMS, secret).decrypt(reply, rows=2, batch=BATCH)


def alive(pool: WorkerPool) -> bool:
    """Whether the worker is the one it was: it answers, and nothing is left over of what it refused."""
    return INSIDER.holder.decrypt(evaluate(pool, COLUMN), rows=2, batch=batch_of(COLUMN)).tolist() == [[4, 1]]


# --- the corpus -------------------------------------------------------------------------------------------------------


def residue(value: int, place: int, prime: int) -> int:
    """What a residue at a place of a row adds to the number that the row is."""
    return value << (place * PARAMS.data_primes[prime].bit_length())


def with_residue(part: bytes, value: int, place: int, prime: int) -> bytes:
    """The column with one residue in place of what stood there."""
    start = SEED_BYTES + sum(ROW_BYTES[:prime])
    row = int.from_bytes(part[start : start + ROW_BYTES[prime]], "little")
    width = PARAMS.data_primes[prime].bit_length()
    row += residue(value - (row >> (place * width) & ((1 << width) - 1)), place, prime)
    return part[:start] + row.to_bytes(ROW_BYTES[prime], "little") + part[start + ROW_BYTES[prime] :]


SEALS_OWN = binding.save_object(column_of(COLUMN, PARAMS))
OTHER_LENGTH: dict[str, bytes] = {
    "nothing": b"",
    "a byte": b"\x00",
    "text": b"no ciphertext" * 40,
    "the seed alone": COLUMN[:SEED_BYTES],
    "the residues alone": COLUMN[SEED_BYTES:],
    "a byte short": COLUMN[:-1],
    "a byte long": COLUMN + b"\x00",
    "a residue short": COLUMN[:-6],
    "a row short": COLUMN[: SEED_BYTES + ROW_BYTES[0]],
    "both polynomials": COLUMN + COLUMN[SEED_BYTES:],
    "twice": COLUMN * 2,
    "another set's": bytes(NARROW.column_bytes),
    "SEAL's own form": SEALS_OWN,
    "SEAL's own form, cut": SEALS_OWN[: PARAMS.column_bytes - 1],
    "a secret key": INSIDER.secret_bytes,
    "an output": OUTPUT,
}
NO_RESIDUES: dict[str, bytes] = {
    **{
        f"the prime {prime} at {place}": with_residue(COLUMN, PARAMS.data_primes[prime], place, prime)
        for prime in (0, 1)
        for place in (0, 1, 7, PARAMS.degree // 2, PARAMS.degree - 1)
    },
    "one more than the prime": with_residue(COLUMN, PARAMS.data_primes[0] + 1, 3, 0),
    "every bit of a residue": with_residue(COLUMN, (1 << 60) - 1, 0, 0),
    "every bit of the last": with_residue(COLUMN, (1 << 60) - 1, PARAMS.degree - 1, 1),
    "every bit": COLUMN[:SEED_BYTES] + b"\xff" * (PARAMS.column_bytes - SEED_BYTES),
    "rubbish": rubbish(7, PARAMS),
}
ODD_BUT_RESIDUES: dict[str, bytes] = {
    "zero": SEED + bytes(PARAMS.column_bytes - SEED_BYTES),
    "the seed of zeros": bytes(PARAMS.column_bytes),
    "one less than the prime": with_residue(COLUMN, PARAMS.data_primes[0] - 1, 0, 0),
    "one less than every prime": seeded(ROWS * 0 - 1, SEED, PARAMS),
    "small numbers": seeded(ROWS, SEED, PARAMS),
    # Nearly all bytes are residues, and mean nothing but those.
    "SEAL's own form in a column's length": (SEALS_OWN * 2)[: PARAMS.column_bytes],
}


@pytest.mark.parametrize("name", OTHER_LENGTH)
def test_what_has_another_length_is_refused_wherever_it_stands(name: str) -> None:
    made = OTHER_LENGTH[name]
    with pytest.raises(MalformedFrame):
        bureau.read_batch(batch_of(made), PARAMS, contract=CONTRACT)
    with pytest.raises(MalformedFrame):
        bureau.evaluate_batch(CONTEXT, batch_of(made), TERMS, PARAMS, CONTRACT)
    with pytest.raises(MalformedFrame):
        messages.read_seeded_ciphertext(made, PARAMS)
    with pytest.raises(bureau.SecretKeyInContext if name == "a secret key" else MalformedFrame):
        bureau.check_context(context_of(made), PARAMS)
    if name != "an output":
        # With two primes of one width a column's residues are as long as an output, and decrypt to nothing.
        with pytest.raises(binding.SealRejection if len(made) == PARAMS.output_bytes else MalformedFrame):
            INSIDER.holder.decrypt(reply_of(made), rows=2, batch=BATCH)


@pytest.mark.parametrize("name", NO_RESIDUES)
def test_residues_that_are_none_are_refused_before_native_code(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = NO_RESIDUES[name]
    assert len(made) == PARAMS.column_bytes
    assert bureau.read_batch(batch_of(made), PARAMS, contract=CONTRACT).column_count == 1
    monkeypatch.setattr(binding, "ciphertext_from_ntt", lambda *_: pytest.fail("it reached native code"))
    monkeypatch.setattr(mask, "draw_mask", lambda *_: None)
    monkeypatch.setattr(bureau, "_public_key", lambda *_: None)
    with pytest.raises(MalformedFrame, match="residue"):
        bureau.evaluate_batch(CONTEXT, batch_of(made), TERMS, PARAMS, CONTRACT)
    monkeypatch.undo()
    with pytest.raises(MalformedFrame, match="residue"):
        bureau.check_context(context_of(made), PARAMS)


def test_outputs_with_residues_that_are_none_are_refused_before_native_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binding, "reply_ciphertext", lambda *_: pytest.fail("it reached native code"))
    prime, half = PARAMS.primes[0], PARAMS.output_bytes // 2
    for start in (0, half - 1, half, PARAMS.output_bytes - 8):
        made = OUTPUT[:start] + b"\xff" * 8 + OUTPUT[start + 8 :]
        if start != half - 1:
            with pytest.raises(MalformedFrame, match="residue"):
                INSIDER.holder.decrypt(reply_of(made), rows=2, batch=BATCH)
    row = prime.to_bytes(ROW_BYTES[0], "little")
    for made in (row + OUTPUT[half:], OUTPUT[:half] + row):
        with pytest.raises(MalformedFrame, match="residue"):
            INSIDER.holder.decrypt(reply_of(made), rows=2, batch=BATCH)


def test_outputs_that_hide_nothing_are_refused() -> None:
    """With a second polynomial of zeros anybody can read the first, and anybody could have written it."""
    half = PARAMS.output_bytes // 2
    for made in (bytes(2 * half), OUTPUT[:half] + bytes(half)):
        with pytest.raises(binding.SealRejection):
            INSIDER.holder.decrypt(reply_of(made), rows=2, batch=BATCH)
    with pytest.raises(binding.SealRejection):  # nothing in the first makes noise of the second
        INSIDER.holder.decrypt(reply_of(bytes(half) + OUTPUT[half:]), rows=2, batch=BATCH)


def test_a_crafted_column_that_keeps_the_form_is_evaluated_like_any_other(pool: WorkerPool) -> None:
    """Whether it encrypts an answer can't be seen; what it gets is one masked sum."""
    for made in ODD_BUT_RESIDUES.values():
        assert len(unpack_frame(evaluate(pool, made), FrameKind.REPLY).parts) == 2
    assert alive(pool)


def test_keys_that_keep_the_form_and_are_none_are_refused(pool: WorkerPool) -> None:
    _, proof = unpack_frame(CONTEXT, FrameKind.CONTEXT).parts
    for made in ODD_BUT_RESIDUES.values():
        with pytest.raises(ValueError, match="proof"):
            pool.run(bureau.check_context, context_of(made), PARAMS)
    key = unpack_frame(CONTEXT, FrameKind.CONTEXT).parts[0]
    for wrong in (b"", proof[:-1], proof + b"\x00", proof * 2, key):
        with pytest.raises(ValueError):
            pool.run(bureau.check_context, messages.pack_context(PARAMS, key, wrong), PARAMS)
    other_seed = SEED + key[SEED_BYTES:]  # the proof is for the seed too
    with pytest.raises(ValueError, match="proof"):
        pool.run(bureau.check_context, messages.pack_context(PARAMS, other_seed, proof), PARAMS)
    assert pool.run(bureau.check_context, CONTEXT, PARAMS) == messages.frame_sha256(CONTEXT)
    assert alive(pool)


def test_a_key_without_an_inverse_is_neither_taken_nor_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who draws 2^46 seeds for it finds one that expands to a polynomial which is 0 at one place."""
    key = unpack_frame(CONTEXT, FrameKind.CONTEXT).parts[0]
    expand, drawn, weak = seed_expansion.expand_seed, list[bytes](), {key[:SEED_BYTES]}

    def with_a_zero(seed: bytes, params: ParameterSet, out: Any = None) -> Any:
        made = expand(seed, params, out)
        if not drawn:
            weak.add(seed)
        if seed in weak:
            made[1, 17] = 0
        drawn.append(seed)
        return made

    monkeypatch.setattr(messages, "expand_seed", with_a_zero)
    with pytest.raises(MalformedFrame, match="inverse"):
        bureau.check_context(CONTEXT, PARAMS)
    drawn.clear()
    monkeypatch.setattr(encryption, "expand_seed", with_a_zero)
    made, _ = encryption.SymmetricEncryptor(INSIDER.secret, PARAMS).make_public_key()
    assert len(drawn) == 6 and expand(made[:SEED_BYTES], PARAMS).all()  # two a pair and one to look, twice


def test_frames_of_the_earlier_form_are_refused_by_name() -> None:
    key, proof = unpack_frame(CONTEXT, FrameKind.CONTEXT).parts
    earlier = Frame(FrameKind.CONTEXT, {"parameters": PARAMS.name}, (key, proof)).pack()
    assert (
        messages.has_current_format(CONTEXT)
        and not messages.has_current_format(earlier)
        and not messages.has_current_format(b"context")
    )
    meta = {name: value for name, value in unpack_frame(BATCH, FrameKind.BATCH).meta.items() if name != "form"}
    reply = {name: value for name, value in unpack_frame(REPLY, FrameKind.REPLY).meta.items() if name != "form"}
    with pytest.raises(MalformedFrame, match="earlier form"):
        bureau.check_context(earlier, PARAMS)
    with pytest.raises(MalformedFrame, match="earlier form"):
        bureau.read_batch(Frame(FrameKind.BATCH, meta, (TAGS.tobytes(), COLUMN)).pack(), PARAMS, contract=CONTRACT)
    with pytest.raises(MalformedFrame, match="earlier form"):
        INSIDER.holder.decrypt(Frame(FrameKind.REPLY, reply, (OUTPUT,)).pack(), rows=2, batch=BATCH)
    for form in (0, 1, 3, "2", True, 2.5, None):
        with pytest.raises(MalformedFrame, match="form"):
            bureau.read_batch(batch_of(COLUMN, form=form), PARAMS, contract=CONTRACT)


def test_a_seed_is_taken_once_whatever_stands_beside_it() -> None:
    other = COLUMN[:SEED_BYTES] + OUTPUT[:0] + seeded(ROWS, SEED, PARAMS)[SEED_BYTES:]
    for columns in ((COLUMN, COLUMN), (COLUMN, other), (other, seeded(ROWS, SEED, PARAMS), COLUMN)):
        with pytest.raises(MalformedFrame, match="seed is in the batch twice"):
            bureau.read_batch(batch_of(*columns), PARAMS, contract=CONTRACT)
    one = bureau.read_batch(BATCH, PARAMS, contract=CONTRACT)
    again = bureau.read_batch(batch_of(other), PARAMS, contract=CONTRACT)
    fresh = INSIDER.holder.encrypt(TAGS, np.array([[1, 0]], dtype=np.uint8), contract=CONTRACT)
    assert one.seeds() == again.seeds() == (COLUMN[:SEED_BYTES],)
    assert not set(one.seeds()) & set(bureau.read_batch(fresh, PARAMS, contract=CONTRACT).seeds())
    with pytest.raises(MalformedFrame, match="key's seed"):
        key = unpack_frame(CONTEXT, FrameKind.CONTEXT).parts[0]
        bureau.evaluate_batch(CONTEXT, batch_of(key), TERMS, PARAMS, CONTRACT)


def test_a_batch_under_another_banks_context_is_refused_or_drowned() -> None:
    stranger = Insider(PARAMS).holder
    with pytest.raises(MalformedFrame, match="context"):
        bureau.evaluate_batch(stranger.public_context(), BATCH, TERMS, PARAMS, CONTRACT)
    renamed = batch_of(COLUMN, context=messages.frame_sha256(stranger.public_context()))
    reply = bureau.evaluate_batch(stranger.public_context(), renamed, TERMS, PARAMS, CONTRACT)
    for holder in (stranger, INSIDER.holder):
        with pytest.raises(binding.SealRejection):
            holder.decrypt(reply, rows=2, batch=renamed)


# --- what reaches SEAL ------------------------------------------------------------------------------------------------


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[bytes]]:
    """Every byte that SEAL's loaders are handed from here on, by the kind of object."""
    found: dict[str, list[bytes]] = {}

    def listen(kind: Any, load: Callable[..., None]) -> None:
        def recorded(thing: Any, *arguments: Any) -> None:
            found.setdefault(kind.__name__, []).append(Path(arguments[-1]).read_bytes())
            load(thing, *arguments)

        monkeypatch.setattr(kind, "load", recorded)

    for kind in vars(seal).values():
        if isinstance(kind, type) and "load" in vars(kind):
            listen(kind, kind.load)  # type: ignore[attr-defined]
    return found


HEAD = 113


def headers(data: bytes) -> tuple[bytes, bytes]:
    """A ciphertext as SEAL is handed it: what stands before its residues, and those."""
    return data[:HEAD], data[HEAD:]


@pytest.mark.property("Seeds and residues")
def test_seal_is_handed_headers_of_our_own_writing_and_judged_residues_alone(loaded: dict[str, list[bytes]]) -> None:
    """Contexts, batches and replies, honest and not: every header byte is a constant of the parameter set."""
    tried = [*OTHER_LENGTH.values(), *NO_RESIDUES.values(), *ODD_BUT_RESIDUES.values(), COLUMN]
    for made in tried:
        for attempt in (
            lambda made=made: bureau.evaluate_batch(CONTEXT, batch_of(made), TERMS, PARAMS, CONTRACT),
            lambda made=made: bureau.check_context(context_of(made), PARAMS),
            lambda made=made: INSIDER.holder.decrypt(reply_of(made), rows=2, batch=BATCH),
        ):
            with suppress(ValueError):
                attempt()
    INSIDER.holder.decrypt(REPLY, rows=2, batch=BATCH)
    bureau.check_context(CONTEXT, PARAMS)
    assert set(loaded) == {"Ciphertext", "Plaintext"}
    context, size, count = binding.seal_context(PARAMS.name), PARAMS.degree, len(PARAMS.data_primes)
    written = {}
    for name, level, form, primes, factor in (
        ("given by coefficients", context.first_parms_id(), 0, count, 1),
        ("transformed", context.first_parms_id(), 1, count, 1),
        ("reply", context.last_parms_id(), 1, 1, pow(PARAMS.primes[1], -1, PARAMS.plain_modulus)),
    ):
        values = 2 * primes * size
        parsed = struct.pack("<HBBBBHQ", 0xA15E, 16, 4, 3, 0, 0, 113 + 8 * values)
        parsed += struct.pack("<4QBQQQdQ", *level, form, 2, size, primes, 1.0, factor)
        parsed += struct.pack("<HBBBBHQQ", 0xA15E, 16, 4, 3, 0, 0, 24 + 8 * values, values)
        assert len(parsed) == HEAD == 16 + 73 + 16 + 8
        written[parsed] = (name, primes)
    seen = set()
    for data in loaded["Ciphertext"]:
        parsed, residues = headers(data)
        assert parsed in written, "SEAL was handed a header that is none of ours"
        name, primes = written[parsed]
        seen.add(name)
        rows = np.frombuffer(residues, dtype="<u8").reshape(2, primes, size)
        assert (rows.max(axis=2) < np.array(PARAMS.primes[:primes], dtype=np.uint64)).all()
    assert seen == {"given by coefficients", "transformed", "reply"}
    ours = struct.pack("<HBBBBHQ", 0xA15E, 16, 4, 3, 0, 0, 16 + 48 + 24 + 8 * size)
    ours += struct.pack("<4QQd", 0, 0, 0, 0, size, 1.0)
    ours += struct.pack("<HBBBBHQQ", 0xA15E, 16, 4, 3, 0, 0, 24 + 8 * size, size)
    for data in loaded["Plaintext"]:  # the mask's randomness
        assert data.startswith(ours) and len(data) == len(ours) + 8 * size
        assert np.frombuffer(data[len(ours) :], dtype="<u8").max() < PARAMS.plain_modulus


def secret_of(params: ParameterSet) -> bytes:
    """A secret key, as SEAL saves it, of a set that is not offered."""
    parms = seal.EncryptionParameters(binding.BGV)
    parms.set_poly_modulus_degree(params.degree)
    parms.set_coeff_modulus([seal.Modulus(prime) for prime in params.primes])
    parms.set_plain_modulus(params.plain_modulus)
    return binding.save_object(seal.KeyGenerator(seal.SEALContext(parms, True, seal.SEC_LEVEL_TYPE.TC128)).secret_key())


def test_a_banks_own_key_is_judged_from_outside_before_it_is_loaded(loaded: dict[str, list[bytes]]) -> None:
    secret, other = INSIDER.secret_bytes, secret_of(NARROW)
    for wrong in (b"", secret[:-1], secret + b"\x00", secret[1:], other, SEALS_OWN, COLUMN, b"\x00" * len(secret)):
        with pytest.raises(binding.SealRejection):
            bank.KeyHolder(PARAMS, wrong)
    assert "SecretKey" not in loaded
    bank.KeyHolder(PARAMS, secret)
    assert loaded["SecretKey"] == [secret]


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


def survived(pool: WorkerPool, function: Callable[..., Any], *arguments: Any) -> None:
    """What is asked ends with an answer or a refusal. A dead worker raises ``InvalidInput``, which is none."""
    try:
        pool.run(function, *arguments)
    except InvalidInput as death:
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
    survived(pool, bureau.evaluate_batch, CONTEXT, frame, TERMS, PARAMS, CONTRACT)


@FUZZ
@given(damaged(COLUMN))
def test_damaged_columns_of_the_right_length(pool: WorkerPool, content: bytes) -> None:
    fitted = (content + bytes(PARAMS.column_bytes))[: PARAMS.column_bytes]
    survived(pool, bureau.evaluate_batch, CONTEXT, batch_of(fitted), TERMS, PARAMS, CONTRACT)


@FUZZ
@given(damaged(REPLY))
def test_damaged_replies(pool: WorkerPool, frame: bytes) -> None:
    survived(pool, decrypt, INSIDER.secret_bytes, frame)


@FUZZ
@given(st.binary(max_size=400))
def test_any_bytes(pool: WorkerPool, data: bytes) -> None:
    with pytest.raises(MalformedFrame):
        messages.read_seeded_ciphertext(data, PARAMS)
    with pytest.raises(MalformedFrame):
        messages.read_output(data, PARAMS)
    for kind in (FrameKind.CONTEXT, FrameKind.BATCH, FrameKind.REPLY):
        with pytest.raises(MalformedFrame):
            unpack_frame(data, kind)
