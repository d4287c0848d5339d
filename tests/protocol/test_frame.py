"""Frames: what is packed is read back, and no other bytes are."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.wire.frame import FRAME_LIMITS, Frame, FrameKind, MalformedFrame, is_frame, unpack_frame

METAS = st.dictionaries(
    st.text(max_size=12), st.one_of(st.text(max_size=20), st.integers(-(2**40), 2**40), st.booleans()), max_size=5
)
PARTS = st.lists(st.binary(max_size=60), max_size=1)


@given(st.sampled_from(list(FrameKind)), METAS, PARTS)
def test_round_trip(kind: FrameKind, meta: dict[str, object], parts: list[bytes]) -> None:
    packed = Frame(kind, meta, tuple(parts)).pack()
    read = unpack_frame(packed, kind)
    assert (read.kind, dict(read.meta), list(read.parts)) == (kind, meta, parts)
    assert is_frame(packed)


@given(METAS, PARTS, st.data())
def test_one_changed_byte_is_refused_or_changes_what_is_read(
    meta: dict[str, object], parts: list[bytes], data: st.DataObject
) -> None:
    packed = bytearray(Frame(FrameKind.MATCH_REQUEST, meta, tuple(parts)).pack())
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] ^= data.draw(st.integers(1, 255))
    try:
        read = unpack_frame(bytes(packed), FrameKind.MATCH_REQUEST)
    except MalformedFrame:
        return
    assert (dict(read.meta), list(read.parts)) != (meta, parts)


@given(METAS, PARTS, st.data())
def test_a_frame_cut_short_or_with_a_tail_is_refused(
    meta: dict[str, object], parts: list[bytes], data: st.DataObject
) -> None:
    packed = Frame(FrameKind.BATCH, meta, tuple(parts)).pack()
    with pytest.raises(MalformedFrame):
        unpack_frame(packed[: data.draw(st.integers(0, len(packed) - 1))], FrameKind.BATCH)
    with pytest.raises(MalformedFrame):
        unpack_frame(packed + b"\x00", FrameKind.BATCH)


@pytest.mark.property(
    "Hostile bytes",
    claim=(
        "Hostile frames, set-ups and ciphertexts are refused before native code reads them, or in a process "
        "of its own that may crash."
    ),
    topic="limits and interruptions",
    code=["protocols.wire.frame", "lab.bureau.workers.pool"],
)
@given(st.binary(max_size=300))
def test_arbitrary_bytes_raise_nothing_else(data: bytes) -> None:
    for candidate in (data, b"SHLB\x01\x02" + data):
        try:
            unpack_frame(candidate, FrameKind.BATCH)
        except MalformedFrame:
            continue


def test_another_kind_version_or_magic_is_refused() -> None:
    packed = Frame(FrameKind.CONTEXT, {}, (b"x",)).pack()
    for wrong in (b"XHLB" + packed[4:], packed[:4] + b"\x09" + packed[5:]):
        with pytest.raises(MalformedFrame):
            unpack_frame(wrong, FrameKind.CONTEXT)
        assert not is_frame(wrong)
    with pytest.raises(MalformedFrame, match="wanted a REPLY"):
        unpack_frame(packed, FrameKind.REPLY)


def test_announced_sizes_beyond_the_caps_are_refused_before_anything_is_read() -> None:
    prefix = struct.Struct(">4sBBII")
    many_parts = prefix.pack(b"SHLB", 1, FrameKind.CONTEXT, 2, 2**31) + b"{}"
    large_header = prefix.pack(b"SHLB", 1, FrameKind.CONTEXT, 2**31, 0) + b"{}"
    large_part = prefix.pack(b"SHLB", 1, FrameKind.CONTEXT, 2, 1) + b"{}" + struct.pack(">I", 2**31)
    for hostile in (many_parts, large_header, large_part):
        with pytest.raises(MalformedFrame):
            unpack_frame(hostile, FrameKind.CONTEXT)
    with pytest.raises(MalformedFrame):
        Frame(FrameKind.CONTEXT, {}, (b"x" * (FRAME_LIMITS[FrameKind.CONTEXT].total + 1),)).pack()


def test_a_header_that_is_not_canonical_is_refused() -> None:
    prefix = struct.Struct(">4sBBII")
    for header in (b'{"b":1,"a":2}', b'{ "a":2}', b'{"a":1,"a":1}', b"[]", b"nonsense", b'{"a":NaN}'):
        with pytest.raises(MalformedFrame):
            unpack_frame(prefix.pack(b"SHLB", 1, FrameKind.CONTEXT, len(header), 0) + header, FrameKind.CONTEXT)


def test_header_values_are_read_by_type_and_range() -> None:
    frame = Frame(FrameKind.BATCH, {"rows": 5, "name": "x", "flag": True}, ())
    assert frame.number("rows", low=1, high=9) == 5 and frame.text("name") == "x"
    for wrong in ("name", "missing", "flag"):
        with pytest.raises(MalformedFrame):
            frame.number(wrong, low=0, high=9)
    with pytest.raises(MalformedFrame):
        frame.number("rows", low=6, high=9)
    with pytest.raises(MalformedFrame):
        frame.text("rows")
