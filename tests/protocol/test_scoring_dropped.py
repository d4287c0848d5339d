"""A batch evaluated for some of its rows: the others get random numbers, and the reply says which they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from protocols.scoring import bureau, messages
from protocols.scoring.messages import QuantizedWeights
from protocols.scoring.parameters import DEFAULT_PARAMETERS, PARAMETERS
from protocols.wire.frame import Frame, FrameKind, MalformedFrame, unpack_frame
from tests.support.insider import CONTRACT, Insider

PARAMS = PARAMETERS[DEFAULT_PARAMETERS]
HOLDER = Insider(PARAMS).holder
CONTEXT = HOLDER.public_context()
ROWS = 19
INDICATORS = np.random.default_rng(1).integers(0, 2, (3, ROWS)).astype(np.uint8)
BATCH = HOLDER.encrypt(np.arange(ROWS, dtype=np.uint8)[:, None].repeat(16, axis=1), INDICATORS, contract=CONTRACT)


def weights(rows: int) -> QuantizedWeights:
    """Weights of some rows, all of them large."""
    random = np.random.default_rng(rows)
    values, base = random.integers(1000, 9000, (3, rows)), random.integers(1000, 9000, (2, rows))
    return QuantizedWeights(np.arange(3, dtype=np.int32), ((0,), (0, 1), (1,)), values, base)


def evaluate(places: NDArray[np.int64]) -> bytes:
    return bureau.evaluate_batch(CONTEXT, BATCH, weights(len(places)), PARAMS, CONTRACT, places=places)


def in_clear(places: NDArray[np.int64]) -> NDArray[np.int64]:
    """The sums of these rows."""
    terms = weights(len(places))
    sums = terms.base.copy()
    for column, outputs, values in zip(terms.columns, terms.outputs, terms.weights, strict=True):
        sums[list(outputs)] += INDICATORS[column, places].astype(np.int64) * values
    return sums


def all_slots(reply: bytes) -> NDArray[np.int64]:
    """What is in the slots of all rows, whatever the reply's marks say."""
    name = messages.frame_sha256(BATCH)
    outputs = list(messages.read_reply(reply, PARAMS, batch=name, rows=ROWS).outputs)
    return HOLDER.decrypt(messages.pack_reply(PARAMS, name, ROWS, outputs), rows=ROWS, batch=BATCH)


@pytest.mark.property("Rescored without those who left")
@settings(max_examples=15, deadline=None)
@given(st.sets(st.integers(0, ROWS - 1), min_size=1))
def test_the_rows_that_are_left_are_scored_exactly(chosen: set[int]) -> None:
    places = np.array(sorted(chosen), dtype=np.int64)
    reply = evaluate(places)
    assert HOLDER.scored_places(reply, rows=ROWS, batch=BATCH).tolist() == places.tolist()
    assert np.array_equal(HOLDER.decrypt_scored(reply, rows=ROWS, batch=BATCH), in_clear(places))
    assert len(reply) == len(evaluate(np.arange(ROWS, dtype=np.int64)))


@pytest.mark.property("Rescored without those who left")
def test_the_slots_of_dropped_rows_are_random_afresh_and_hold_no_base() -> None:
    places = np.array([0, 18], dtype=np.int64)
    one, two = (all_slots(evaluate(places)) for _ in range(2))
    assert np.array_equal(one[:, places], two[:, places]) and np.array_equal(one[:, places], in_clear(places))
    dropped = np.setdiff1d(np.arange(ROWS), places)
    assert (one[:, dropped] != two[:, dropped]).all()  # by chance with probability 34 / 2^23
    spread = np.concatenate([one[:, dropped].ravel(), two[:, dropped].ravel()]) / PARAMS.plain_modulus
    assert spread.min() < -0.3 and spread.max() > 0.3 and abs(spread.mean()) < 0.25  # 68 draws: 5 deviations are 0.18


def test_a_reply_that_leaves_out_rows_is_refused_unless_that_was_asked_for() -> None:
    reply = evaluate(np.array([3, 4], dtype=np.int64))
    with pytest.raises(MalformedFrame, match="leaves out rows"):
        HOLDER.decrypt(reply, rows=ROWS, batch=BATCH)


@pytest.mark.property("Hostile bytes")
@pytest.mark.parametrize(
    ("marks", "rule"),
    [
        (b"", "one bit for each row"),
        (bytes(2), "one bit for each row"),
        (b"\xff" * 4, "one bit for each row"),
        (bytes(3), "no row was scored"),
        (b"\x00\x00\x08", "which its batch does not have"),
        (b"\x01\x00\x80", "which its batch does not have"),
    ],
)
def test_marks_that_do_not_fit_the_batch_are_refused(marks: bytes, rule: str) -> None:
    frame = unpack_frame(evaluate(np.array([3, 4], dtype=np.int64)), FrameKind.REPLY)
    forged = Frame(FrameKind.REPLY, frame.meta, (marks, *frame.parts[1:])).pack()
    for read in (HOLDER.decrypt, HOLDER.decrypt_scored, HOLDER.scored_places):
        with pytest.raises(MalformedFrame, match=rule):
            read(forged, rows=ROWS, batch=BATCH)
    without = Frame(FrameKind.REPLY, frame.meta, ()).pack()
    with pytest.raises(MalformedFrame, match="outputs"):
        HOLDER.scored_places(without, rows=ROWS, batch=BATCH)


@pytest.mark.parametrize("places", [[], [0, 0], [4, 3], [-1, 2], [3, ROWS]])
def test_places_that_do_not_fit_the_batch_are_refused(places: list[int]) -> None:
    with pytest.raises(ValueError, match="places"):
        evaluate(np.array(places, dtype=np.int64))


def test_as_many_weights_as_places_are_needed() -> None:
    with pytest.raises(ValueError, match="shapes"):
        bureau.evaluate_batch(CONTEXT, BATCH, weights(ROWS), PARAMS, CONTRACT, places=np.array([1, 2], dtype=np.int64))
    with pytest.raises(ValueError, match="shapes"):
        bureau.evaluate_batch(CONTEXT, BATCH, weights(2), PARAMS, CONTRACT)
