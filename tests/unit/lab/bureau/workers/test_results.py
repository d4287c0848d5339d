"""What a worker says: plain data comes back as it was; any bytes at all are data, an error of ours, or no answer."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.bureau.workers import results
from lab.terms.errors import NotAllowed

ERRORS: dict[str, type[Exception]] = {"ValueError": ValueError, "NotAllowed": NotAllowed}
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple),
    max_leaves=10,
)


@given(PLAIN)
def test_plain_data_comes_back(value: Any) -> None:
    assert results.unpack_result(results.pack_result(value), ERRORS) == value


@pytest.mark.parametrize("kind", ["uint8", "int64", "uint64", "float64", "bool"])
@pytest.mark.parametrize("shape", [(0,), (3,), (2, 32), (0, 5)])
def test_arrays_come_back(kind: str, shape: tuple[int, ...]) -> None:
    made = np.arange(int(np.prod(shape))).astype(kind).reshape(shape)
    found = results.unpack_result(results.pack_result(made), ERRORS)
    assert found.dtype == made.dtype
    assert found.shape == made.shape
    assert (found == made).all()


def test_what_is_not_plain_is_not_answered() -> None:
    for thing in (object(), {1: 2}, np.array([object()])):
        with pytest.raises(TypeError):
            results.pack_result(thing)


def test_errors_come_back_by_the_nearest_name_that_is_known() -> None:
    class Narrow(ValueError):
        pass

    with pytest.raises(ValueError, match="why"):
        results.unpack_result(results.pack_error_result(Narrow("why")), ERRORS)
    with pytest.raises(NotAllowed) as caught:
        results.unpack_result(results.pack_error_result(NotAllowed("no", next_step="ask")), ERRORS)
    assert caught.value.next_step == "ask"
    with pytest.raises(RuntimeError, match="KeyError"):
        results.unpack_result(results.pack_error_result(KeyError("x")), ERRORS)
    with pytest.raises(MemoryError):
        results.unpack_result(results.pack_error_result(MemoryError()), ERRORS)


def read_anything(data: bytes) -> None:
    with contextlib.suppress(results.MalformedResult, ValueError, RuntimeError, MemoryError, NotAllowed):
        results.unpack_result(data, ERRORS)


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    read_anything(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["|u1", "<f8", "O", "value"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["value", "error", "text", "bytes", "array", "shape", "tuple", "list"]), inner, max_size=3
        )
    ),
    max_leaves=12,
)


@given(JSON, st.binary(max_size=16))
def test_any_json(said: Any, body: bytes) -> None:

    text = json.dumps(said).encode()
    read_anything(len(text).to_bytes(8, "big") + text + body)


def test_a_text_too_deep_or_too_long_is_no_answer() -> None:
    for text in (b'{"value":' + b"[" * 100_000, b'{"value":' + b'{"list":[' * 50_000):
        with pytest.raises(results.MalformedResult):
            results.unpack_result(len(text).to_bytes(8, "big") + text, ERRORS)
    with pytest.raises(results.MalformedResult):
        results.unpack_result((1 << 40).to_bytes(8, "big") + b"{}", ERRORS)


def test_shapes_and_words_have_their_measure() -> None:
    text = json.dumps({"value": {"array": "|u1", "shape": [9] * 300_000}}).encode()
    begun = time.process_time()
    with pytest.raises(results.MalformedResult):
        results.unpack_result(len(text).to_bytes(8, "big") + text, ERRORS)
    assert time.process_time() - begun < 2  # to multiply them takes ten
    with pytest.raises(ValueError, match=r"^x+$") as caught:
        results.unpack_result(results.pack_error_result(ValueError("x" * 500_000)), ERRORS)
    assert len(str(caught.value)) <= 2000
