"""A worker's result for the service: plain data, parsed strictly, because an attacker may have written it.

The format: the length of a JSON text (8 bytes, big-endian), the text, and the bytes that it refers to. Values are None,
booleans, numbers, texts, bytes, arrays of numbers, and tuples and lists of these. An error is the names of its classes
and its message. Nothing in a result is code.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from lab.terms.errors import ShulabError

CONFINED, UNCONFINED = b"c", b"u"
"""The first byte of a process, before it gets its job; after ``UNCONFINED`` follows the reason, and it gets none."""
HEAD_BYTES = 8
MAX_RESULT_BYTES = 256 * 1024 * 1024
"""Bytes of a result at most: replies are a few MB, evaluated elements 128 kB."""
_MAX_JSON_BYTES = 1024 * 1024
_MAX_ERROR_CHARACTERS = 2000
"""Characters of an error's message at most: it goes to a bank, into a table and a log."""
_MOST_DIMENSIONS = 4
_ARRAYS = ("|b1", "|u1", "<u2", "<u4", "<u8", "<i4", "<i8", "<f8")


class MalformedResult(ValueError):
    """The bytes are not a result."""


def pack_result(value: Any) -> bytes:
    """The packed result ``value``; raises ``TypeError`` for what is not plain data."""
    parts: list[bytes] = []
    return _message({"value": _plain(value, parts)}, parts)


def pack_error_result(error: BaseException) -> bytes:
    """The packed error: the names of its class and base classes, and its message."""
    facts: dict[str, Any] = {"error": [kind.__name__ for kind in type(error).__mro__], "text": str(error)}
    if isinstance(error, ShulabError):
        facts |= {"text": error.detail, "next_step": error.next_step}
    return _message(facts, [])


def result_length(head: bytes) -> int:
    """The bytes of JSON that follow the head; raises ``MalformedResult``."""
    size = int.from_bytes(head, "big")
    if len(head) != HEAD_BYTES or size > _MAX_JSON_BYTES:
        raise MalformedResult("the result does not begin with its length")
    return size


def unpack_result(packed: bytes, errors: dict[str, type[Exception]]) -> Any:
    """The value in a packed result.

    Raises the error in it if ``errors`` has the name of its class or of a base class, ``MemoryError``, or
    ``RuntimeError`` for another error; ``MalformedResult`` for bytes that are not a result.
    """
    size = result_length(packed[:HEAD_BYTES])
    body = memoryview(packed)[HEAD_BYTES + size :]
    try:
        said = json.loads(packed[HEAD_BYTES : HEAD_BYTES + size])
        if "error" not in said:
            taker = _PartReader(body)
            value = taker.value(said["value"])
            taker.end()
            return value
        names, text = [str(name) for name in said["error"]], str(said["text"])[:_MAX_ERROR_CHARACTERS]
        step = str(said.get("next_step") or "")[:_MAX_ERROR_CHARACTERS]
    except MalformedResult:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        raise MalformedResult("the result is not plain data") from None
    _raise_error(names, text, step, errors)


def _raise_error(names: Sequence[str], text: str, step: str, errors: dict[str, type[Exception]]) -> NoReturn:
    if "MemoryError" in names:
        raise MemoryError
    kind = next((errors[name] for name in names if name in errors), None)
    if kind is None:
        shown = next((name[:100] for name in names if name.isidentifier()), "something")
        raise RuntimeError(f"a worker raised {shown}")
    if issubclass(kind, ShulabError):
        raise kind(text, next_step=step)
    raise kind(text)


def _message(facts: dict[str, Any], parts: list[bytes]) -> bytes:
    text = json.dumps(facts).encode()
    return b"".join([len(text).to_bytes(HEAD_BYTES, "big"), text, *parts])


def _plain(value: Any, parts: list[bytes]) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (bytes, bytearray)):
        parts.append(bytes(value))
        return {"bytes": len(value)}
    if isinstance(value, np.ndarray) and value.dtype.str in _ARRAYS:
        parts.append(value.tobytes())
        return {"array": value.dtype.str, "shape": list(value.shape)}
    if isinstance(value, (tuple, list)):
        return {type(value).__name__ if type(value) is list else "tuple": [_plain(one, parts) for one in value]}
    raise TypeError(f"a worker can't return {type(value).__name__}")


class _PartReader:
    """Reads the values and the bytes that they refer to, in order."""

    def __init__(self, body: memoryview) -> None:
        self._body, self._at = body, 0

    def value(self, said: Any) -> Any:
        if said is None or isinstance(said, (bool, int, float, str)):
            return said
        if "bytes" in said:
            return bytes(self._take(said["bytes"]))
        if "array" in said:
            return self._array(said["array"], said["shape"])
        sequences: dict[str, Callable[[Any], Any]] = {"tuple": tuple, "list": list}
        ((kind, values),) = said.items()
        return sequences[kind]([self.value(one) for one in values])

    def end(self) -> None:
        if self._at != len(self._body):
            raise MalformedResult("the result has bytes that nothing in it refers to")

    def _array(self, kind: str, shape: list[int]) -> Any:
        sizes = all(type(size) is int and 0 <= size <= MAX_RESULT_BYTES for size in shape[: _MOST_DIMENSIONS + 1])
        if kind not in _ARRAYS or len(shape) > _MOST_DIMENSIONS or not sizes:
            raise MalformedResult("the result has an array of another kind")
        dtype, count = np.dtype(kind), 1
        for size in shape:
            count *= size
        return np.frombuffer(self._take(count * dtype.itemsize), dtype=dtype).reshape(shape).copy()

    def _take(self, size: Any) -> memoryview:
        if type(size) is not int or not 0 <= size <= len(self._body) - self._at:
            raise MalformedResult("the result is shorter than it says")
        self._at += size
        return self._body[self._at - size : self._at]
