"""Scoring: encrypted equals plain, exactly; and what is not a proper message is refused."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pytest
import tenseal.sealapi as seal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from protocols.scoring import bank, bureau, messages
from protocols.scoring.messages import QuantizedWeights
from protocols.scoring.parameters import DEFAULT_PARAMETERS, PARAMETERS
from protocols.scoring.seal import binding
from protocols.wire.frame import Frame, FrameKind, MalformedFrame, unpack_frame

PARAMS = PARAMETERS[DEFAULT_PARAMETERS]
CONTRACT = "trial-contract"
HOLDER = bank.KeyHolder(PARAMS, bank.generate_secret_key(PARAMS))
CONTEXT = HOLDER.public_context()


def tags(rows: int) -> NDArray[np.uint8]:
    return np.frombuffer(b"".join(n.to_bytes(16, "big") for n in range(rows)), dtype=np.uint8).reshape(rows, 16)


def sums_in_clear(indicators: NDArray[np.uint8], weights: QuantizedWeights) -> NDArray[np.int64]:
    sums = weights.base.copy()
    for column, outputs, values in zip(weights.columns, weights.outputs, weights.weights, strict=True):
        for output in outputs:
            sums[output] += indicators[column].astype(np.int64) * values
    return sums


def sums_by_encryption(indicators: NDArray[np.uint8], weights: QuantizedWeights) -> NDArray[np.int64]:
    rows = indicators.shape[1]
    batch = HOLDER.encrypt(tags(rows), indicators, contract=CONTRACT)
    reply = bureau.evaluate_batch(CONTEXT, batch, weights, PARAMS, CONTRACT)
    return HOLDER.decrypt(reply, rows=rows, batch=batch)


@st.composite
def jobs(draw: st.DrawFn) -> tuple[NDArray[np.uint8], QuantizedWeights]:
    rows, columns, outputs = draw(st.integers(1, 40)), draw(st.integers(0, 5)), draw(st.integers(1, 4))
    count = draw(st.integers(0, 8)) if columns else 0
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    limit = PARAMS.value_limit // (count + 1)
    scale = draw(st.sampled_from([1, 100, limit]))
    values = random.integers(-scale, scale + 1, (count, rows))
    values[: count // 3] = 0  # weights that vanish for a whole batch are ordinary
    targets = tuple(tuple(sorted(set(random.integers(0, outputs, 2).tolist()))) for _ in range(count))
    chosen = random.integers(0, max(columns, 1), count).astype(np.int32)
    base = random.integers(-scale, scale + 1, (outputs, rows))
    return random.integers(0, 2, (columns, rows)).astype(np.uint8), QuantizedWeights(chosen, targets, values, base)


@pytest.mark.property(
    "Exact scores",
    claim="Encrypted and plain scores are equal, exactly, in units of the model's quantum.",
    topic="scoring",
    code=["protocols.scoring"],
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(jobs())
def test_encrypted_equals_plain(job: tuple[NDArray[np.uint8], QuantizedWeights]) -> None:
    indicators, weights = job
    assert (sums_by_encryption(indicators, weights) == sums_in_clear(indicators, weights)).all()


def test_a_full_batch_at_the_limits_of_the_values_is_exact() -> None:
    rows, columns = PARAMS.slots, 6
    indicators = np.ones((columns, rows), dtype=np.uint8)
    share = PARAMS.value_limit // (columns + 1)
    signs = np.where(np.arange(rows) % 2, 1, -1)
    values = np.tile(share * signs, (columns, 1)).astype(np.int64)
    weights = QuantizedWeights(np.arange(columns, dtype=np.int32), ((0,),) * columns, values, (share * signs)[None, :])
    assert (sums_by_encryption(indicators, weights) == sums_in_clear(indicators, weights)).all()


def test_subtotals_add_up_to_the_total() -> None:
    random = np.random.default_rng(5)
    indicators = random.integers(0, 2, (4, 30)).astype(np.uint8)
    values = random.integers(-900, 900, (4, 30))
    outputs = ((0, 2), (1, 2), (0, 2), (1, 2))
    weights = QuantizedWeights(np.arange(4, dtype=np.int32), outputs, values, np.zeros((3, 30), dtype=np.int64))
    result = sums_by_encryption(indicators, weights)
    assert (result[0] + result[1] == result[2]).all()


def test_two_replies_to_one_batch_differ_in_every_ciphertext() -> None:
    batch = HOLDER.encrypt(tags(3), np.ones((1, 3), dtype=np.uint8), contract=CONTRACT)
    weights = QuantizedWeights(
        np.zeros(1, dtype=np.int32), ((0,),), np.full((1, 3), 7, dtype=np.int64), np.zeros((1, 3), dtype=np.int64)
    )
    one, two = (bureau.evaluate_batch(CONTEXT, batch, weights, PARAMS, CONTRACT) for _ in range(2))
    firsts, seconds = (unpack_frame(each, FrameKind.REPLY).parts for each in (one, two))
    assert firsts[0] == seconds[0] == b"\x07" and firsts[1] != seconds[1]


def test_terms_beyond_the_batch_or_the_limits_are_refused() -> None:
    ok = QuantizedWeights(
        np.zeros(1, dtype=np.int32), ((0,),), np.ones((1, 2), dtype=np.int64), np.zeros((1, 2), dtype=np.int64)
    )
    ok.check(PARAMS, columns=1, rows=2)
    huge = np.full((1, 2), 2 * PARAMS.value_limit + 1)
    for wrong in (
        QuantizedWeights(ok.columns + 1, ok.outputs, ok.weights, ok.base),
        QuantizedWeights(ok.columns, ((1,),), ok.weights, ok.base),
        QuantizedWeights(ok.columns, ok.outputs, huge, ok.base),
        QuantizedWeights(ok.columns, ok.outputs, ok.weights, huge),
        QuantizedWeights(ok.columns, ok.outputs, ok.weights[:, :1], ok.base),
        QuantizedWeights(ok.columns, ok.outputs, ok.weights, np.zeros((0, 2), dtype=np.int64)),
    ):
        with pytest.raises(ValueError):
            wrong.check(PARAMS, columns=1, rows=2)


# --- contexts ---------------------------------------------------------------------------------------------------------


def other_context() -> seal.SEALContext:
    parms = seal.EncryptionParameters(seal.SCHEME_TYPE.BFV)
    parms.set_poly_modulus_degree(4096)
    parms.set_coeff_modulus(seal.CoeffModulus.BFVDefault(4096, seal.SEC_LEVEL_TYPE.TC128))
    parms.set_plain_modulus(seal.PlainModulus.Batching(4096, 20))
    return seal.SEALContext(parms, True, seal.SEC_LEVEL_TYPE.TC128)


def context_frame(*parts: bytes, name: str = PARAMS.name) -> bytes:
    return Frame(FrameKind.CONTEXT, {"parameters": name, "form": 2}, parts).pack()


def test_a_context_is_named_by_its_hash() -> None:
    assert bureau.check_context(CONTEXT, PARAMS) == messages.frame_sha256(CONTEXT)


@pytest.mark.property(
    "Secret keys refused",
    claim="The bureau recognises a context with a secret key, refuses it and does not keep it.",
    topic="keys and people",
    code=["protocols.scoring.bureau"],
)
def test_a_context_that_bears_a_secret_key_is_refused_as_such() -> None:
    with pytest.raises(bureau.SecretKeyInContext):
        bureau.check_context(context_frame(bank.generate_secret_key(PARAMS)), PARAMS)
    key, _ = unpack_frame(CONTEXT, FrameKind.CONTEXT).parts
    with pytest.raises(bureau.SecretKeyInContext):
        bureau.check_context(context_frame(key, bank.generate_secret_key(PARAMS)), PARAMS)


def test_contexts_of_other_parameters_or_shape_are_refused() -> None:
    key, proof = unpack_frame(CONTEXT, FrameKind.CONTEXT).parts
    foreign_context = other_context()
    foreign = seal.Encryptor(foreign_context, seal.KeyGenerator(foreign_context).secret_key()).encrypt_zero_symmetric()
    public = seal.PublicKey()
    seal.KeyGenerator(binding.seal_context(PARAMS.name)).create_public_key(public)
    for wrong in (
        context_frame(binding.save_object(foreign), proof),
        context_frame(binding.save_object(public), proof),
        context_frame(key, proof, name="another"),
        context_frame(key[:-40], proof),
        context_frame(key, proof[:-4]),
        context_frame(key),
        context_frame(b"", b""),
        context_frame(),
        b"",
        CONTEXT[:100],
    ):
        with pytest.raises(ValueError) as refusal:
            bureau.check_context(wrong, PARAMS)
        assert not isinstance(refusal.value, bureau.SecretKeyInContext)


# --- batches and replies ----------------------------------------------------------------------------------------------

SIMPLE = QuantizedWeights(
    np.zeros(1, dtype=np.int32), ((0,),), np.array([[3, 4]], dtype=np.int64), np.array([[1, 1]], dtype=np.int64)
)
BATCH = HOLDER.encrypt(tags(2), np.array([[1, 0]], dtype=np.uint8), contract=CONTRACT)


def rebuilt(*parts: bytes, **meta: object) -> bytes:
    frame = unpack_frame(BATCH, FrameKind.BATCH)
    return Frame(FrameKind.BATCH, {**frame.meta, **meta}, parts or tuple(frame.parts)).pack()


def test_the_head_of_a_batch_is_read_without_its_ciphertexts() -> None:
    parsed = bureau.read_batch(BATCH, PARAMS, contract=CONTRACT)
    assert (parsed.rows, parsed.column_count, parsed.context) == (2, 1, messages.frame_sha256(CONTEXT))
    assert (parsed.tags == tags(2)).all()


@pytest.mark.parametrize("name", ["", "\0", "a\0" * 32, "0" * 63, "0" * 64 + "\n", "A" * 64, "名" * 64])
def test_a_batch_names_its_context_by_a_hash_and_nothing_else(name: str) -> None:
    """It is looked up in the database: PostgreSQL takes no NUL in a text, and that was a fault of the service."""
    with pytest.raises(MalformedFrame, match="SHA-256"):
        bureau.read_batch(rebuilt(context=name), PARAMS, contract=CONTRACT)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: rebuilt(contract="another"),
        lambda: rebuilt(parameters="another"),
        lambda: rebuilt(rows=3),
        lambda: rebuilt(rows=0),
        lambda: rebuilt(context="0" * 64),
        lambda: rebuilt(tags(1).tobytes() * 2, unpack_frame(BATCH, FrameKind.BATCH).parts[1]),
        lambda: rebuilt(tags(2).tobytes(), *[unpack_frame(BATCH, FrameKind.BATCH).parts[1]] * 2),
        lambda: BATCH[:-1],
    ],
    ids=["contract", "parameters", "rows", "no rows", "context", "tag twice", "ciphertext twice", "cut"],
)
def test_batches_that_do_not_fit_are_refused(wrong) -> None:
    with pytest.raises(MalformedFrame):
        bureau.evaluate_batch(CONTEXT, wrong(), SIMPLE, PARAMS, CONTRACT)


def test_columns_in_seals_own_form_are_refused_whatever_they_hold() -> None:
    context = binding.seal_context(PARAMS.name)
    evaluator = seal.Evaluator(context)
    foreign_context = other_context()
    foreign_key = seal.KeyGenerator(foreign_context).secret_key()
    foreign = seal.Encryptor(foreign_context, foreign_key).encrypt_symmetric(seal.Plaintext("1"))
    fresh = binding.ciphertext_from_ntt(
        *messages.read_seeded_ciphertext(unpack_frame(BATCH, FrameKind.BATCH).parts[1], PARAMS), PARAMS
    )
    nothing = np.zeros((len(PARAMS.data_primes), PARAMS.degree), dtype=np.uint64)
    switched, transformed = seal.Ciphertext(), seal.Ciphertext()
    evaluator.mod_switch_to_next(fresh, switched)
    evaluator.transform_from_ntt(fresh, transformed)
    transparent = binding.ciphertext_from_coefficients(nothing + np.uint64(5), nothing, PARAMS)
    for wrong in (foreign, transparent, switched, transformed, fresh):
        batch = rebuilt(tags(2).tobytes(), binding.save_object(wrong))
        with pytest.raises(MalformedFrame):
            bureau.evaluate_batch(CONTEXT, batch, SIMPLE, PARAMS, CONTRACT)


def test_columns_in_pairs_and_alone_zero_and_not_are_encrypted_as_they_are() -> None:
    """Each half of a pair, a last column without a partner, and answers that are 0 for everybody."""
    random = np.random.default_rng(3)
    for columns in (1, 2, 3):
        for zeros in range(2**columns):
            indicators = random.integers(0, 2, (columns, 5)).astype(np.uint8)
            indicators[:, 0] = 1
            indicators[[bool(zeros >> column & 1) for column in range(columns)]] = 0
            values = random.integers(-50, 50, (columns, 5))
            weights = QuantizedWeights(
                np.arange(columns, dtype=np.int32), ((0,),) * columns, values, np.zeros((1, 5), np.int64)
            )
            assert (sums_by_encryption(indicators, weights) == sums_in_clear(indicators, weights)).all()


def test_a_fresh_column_decrypts_with_seals_own_decryptor_and_its_noise_is_small() -> None:
    """What the bank puts together is the encryption that SEAL knows: the same noise budget as SEAL's own."""
    secret = bank.generate_secret_key(PARAMS)
    holder, context = bank.KeyHolder(PARAMS, secret), binding.seal_context(PARAMS.name)
    indicators = np.random.default_rng(4).integers(0, 2, (2, PARAMS.slots)).astype(np.uint8)
    batch = holder.encrypt(tags(PARAMS.slots), indicators, contract=CONTRACT)
    key = binding.load_secret_key(secret, PARAMS)
    decryptor, encoder, plain = seal.Decryptor(context, key), seal.BatchEncoder(context), seal.Plaintext()
    own = seal.Ciphertext()
    seal.Encryptor(context, key).encrypt_zero_symmetric(own)
    for part, column in zip(unpack_frame(batch, FrameKind.BATCH).parts[1:], indicators, strict=True):
        fresh = binding.ciphertext_from_ntt(*messages.read_seeded_ciphertext(part, PARAMS), PARAMS)
        assert abs(decryptor.invariant_noise_budget(fresh) - decryptor.invariant_noise_budget(own)) <= 2
        decryptor.decrypt(fresh, plain)
        assert (np.asarray(encoder.decode_int64(plain)) == column).all()


@pytest.mark.property("Hostile bytes")
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9), st.integers(1, 255))
def test_a_flipped_byte_in_a_ciphertext_is_refused_or_evaluated_but_never_fatal(place: int, flip: int) -> None:
    part = bytearray(unpack_frame(BATCH, FrameKind.BATCH).parts[1])
    part[place % 200 if place % 2 else place % len(part)] ^= flip
    try:
        bureau.evaluate_batch(CONTEXT, rebuilt(tags(2).tobytes(), bytes(part)), SIMPLE, PARAMS, CONTRACT)
    except (MalformedFrame, binding.SealRejection):
        return


def test_a_reply_to_another_batch_or_damaged_is_refused() -> None:
    reply = bureau.evaluate_batch(CONTEXT, BATCH, SIMPLE, PARAMS, CONTRACT)
    assert HOLDER.decrypt(reply, rows=2, batch=BATCH).tolist() == [[4, 1]]
    other = HOLDER.encrypt(tags(2), np.array([[1, 0]], dtype=np.uint8), contract=CONTRACT)
    with pytest.raises(MalformedFrame):
        HOLDER.decrypt(reply, rows=2, batch=other)
    with pytest.raises(MalformedFrame):
        HOLDER.decrypt(reply[:-1], rows=2, batch=BATCH)
    stranger = bank.KeyHolder(PARAMS, bank.generate_secret_key(PARAMS))
    with pytest.raises(binding.SealRejection):
        stranger.decrypt(reply, rows=2, batch=BATCH)


@pytest.mark.property(
    "Decryption key stays",
    claim="The holder of the decryption key cannot be printed, pickled or copied.",
    topic="keys and people",
    code=["protocols.scoring.bank"],
)
def test_the_key_holder_cannot_be_printed_pickled_or_copied() -> None:
    assert "hidden" in repr(HOLDER) and "hidden" in str(HOLDER)
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy, json.dumps, vars):
        with pytest.raises(TypeError):
            attempt(HOLDER)
