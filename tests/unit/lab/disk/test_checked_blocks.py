"""Large files are checked block by block: what is read is what was written, or it is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.disk.checked_blocks import (
    BlockTable,
    BlockWriter,
    CheckedBlocks,
    read_table,
    table_path,
    write_digests,
    write_table,
)
from lab.disk.checked_files import DamagedFile

IDENTITY = "1/c-1/tags"


def written(path: Path, parts: list[bytes], block: int) -> BlockTable:
    with path.open("wb") as file:
        writer = BlockWriter(file, identity=IDENTITY, block_bytes=block)
        for part in parts:
            writer.write(part)
        table = writer.finish(b"extra")
    write_table(path, table, identity=IDENTITY)
    return table


@settings(max_examples=60, deadline=None)
@given(parts=st.lists(st.binary(max_size=40), max_size=6), block=st.integers(1, 50), data=st.data())
def test_any_stretch_comes_back_and_any_flipped_bit_in_it_is_found(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes], block: int, data: st.DataObject
) -> None:
    path, whole = tmp_path_factory.mktemp("f") / "tags", b"".join(parts)
    table = written(path, parts, block)
    opened = CheckedBlocks(path, identity=IDENTITY)
    assert opened.table == table and opened.table.extra == b"extra" and list(opened.damaged_blocks()) == []
    start, length = data.draw(st.integers(0, len(whole) + 2)), data.draw(st.integers(0, 60))
    assert opened.read(start, length) == whole[start : start + length]
    if whole:
        at = data.draw(st.integers(0, len(whole) - 1))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        changed = CheckedBlocks(path, identity=IDENTITY)
        assert list(changed.damaged_blocks()) == [at // block]
        with pytest.raises(DamagedFile):
            changed.read(at, 1)
        for number in range(changed.table.blocks):
            if number != at // block:
                assert changed.read_block(number) == whole[number * block : (number + 1) * block]


def test_what_was_opened_stays_readable_and_a_later_change_is_found(tmp_path: Path) -> None:
    path = tmp_path / "tags"
    written(path, [b"a" * 10], 4)
    opened = CheckedBlocks(path, identity=IDENTITY)
    path.rename(tmp_path / "moved")
    assert opened.read(0, 10) == b"a" * 10
    with (tmp_path / "moved").open("r+b") as file:
        file.write(b"b")
    with pytest.raises(DamagedFile):
        opened.read(0, 1)
    assert opened.read(4, 6) == b"a" * 6


def test_files_tables_and_identities_are_not_exchanged(tmp_path: Path) -> None:
    path = tmp_path / "tags"
    written(path, [b"a" * 10], 4)
    with pytest.raises(DamagedFile):
        CheckedBlocks(path, identity="1/c-2/tags")
    other = BlockTable(10, 4, read_table(path, identity=IDENTITY).digests)
    with pytest.raises(DamagedFile):
        CheckedBlocks(path, identity="1/c-2/tags", table=other).read(0, 4)
    os.truncate(path, 9)
    with pytest.raises(DamagedFile):
        CheckedBlocks(path, identity=IDENTITY)
    table_path(path).unlink()
    with pytest.raises(FileNotFoundError):
        CheckedBlocks(path, identity=IDENTITY)
    with pytest.raises(ValueError, match="digest"):
        BlockTable(10, 4, b"")


def test_a_file_that_is_there_already_is_digested(tmp_path: Path) -> None:
    path = tmp_path / "main-1.parquet"
    for size in (0, 1, 4, 9):
        path.write_bytes(os.urandom(size))
        write_digests(path, identity="registers/main-1.parquet", block_bytes=4)
        opened = CheckedBlocks(path, identity="registers/main-1.parquet")
        assert opened.read(0, 100) == path.read_bytes()
