"""A digest at the head of a file, or in a JSON object: any change, and another's place, is found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.disk.checked_files import (
    DamagedFile,
    file_identity,
    pack_checked,
    parse_sealed_json,
    read_checked,
    read_sealed_json,
    seal_json,
    split_checked,
    write_checked,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_content_comes_back_and_the_file_is_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    path.parent.mkdir()
    write_checked(path, b"\x00\ncontent\n", identity=file_identity(path, 2))
    assert read_checked(path, identity="a/b") == b"\x00\ncontent\n" and path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileNotFoundError):
        read_checked(tmp_path / "none", identity="none")


@given(content=st.binary(max_size=60), place=st.integers(min_value=0), bit=st.integers(0, 7))
def test_any_flipped_bit_and_any_cut_is_found(content: bytes, place: int, bit: int) -> None:
    data = pack_checked(content, "runs/1/match")
    assert split_checked(data) == ("runs/1/match", content)
    at = place % len(data)
    changed = data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
    assert split_checked(changed) is None and split_checked(data[:at]) is None and split_checked(data + b"x") is None


def test_a_file_in_anothers_place_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "match"
    write_checked(path, b"of run 1", identity="1/match")
    with pytest.raises(DamagedFile, match="match") as found:
        read_checked(path, identity="2/match", next_step="do this")
    assert found.value.next_step == "do this" and found.value.path == path and "run 1" not in str(found.value)


@given(facts=st.dictionaries(st.text().filter(lambda name: name != "sha256"), JSON, max_size=4))
def test_a_json_object_keeps_its_facts_in_any_layout(facts: dict[str, object]) -> None:
    sealed = seal_json(facts, "1/manifest.json")
    for text in (json.dumps(sealed), json.dumps(sealed, indent=2, sort_keys=True)):
        assert parse_sealed_json(text.encode(), "1/manifest.json") == json.loads(json.dumps(facts))
        assert parse_sealed_json(text.encode(), "2/manifest.json") is None


@pytest.mark.parametrize(
    "text",
    [
        *('{"a": 2, "sha256": DIGEST}', '{"a": 1}', '{"a": 1, "sha25": DIGEST}', '{"a": 1, "b": 1, "sha256": DIGEST}'),
        *('{"a": 1, "sha256": DIGEST', "[1]", "1", "", "\ufffd"),
    ],
)
def test_a_changed_object_is_damaged(tmp_path: Path, text: str) -> None:
    path = tmp_path / "label.json"
    path.write_text(text.replace("DIGEST", json.dumps(seal_json({"a": 1}, "label.json")["sha256"])))
    with pytest.raises(DamagedFile):
        read_sealed_json(path, identity="label.json")
