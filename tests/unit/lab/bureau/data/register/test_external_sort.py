"""Sorting more rows than memory should hold: the order, the bounds, and that nothing is lost."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.bureau.data.register import external_sort
from lab.bureau.data.register.external_sort import ExternalSort

ROWS = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 50)), max_size=12)


@settings(deadline=None)
@given(frames=st.lists(ROWS, max_size=8), block=st.integers(1, 5), budget=st.integers(1, 600))
def test_what_was_added_comes_back_in_order(
    tmp_path_factory: pytest.TempPathFactory, frames: list[list[tuple[str, int]]], block: int, budget: int
) -> None:
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(external_sort, "BLOCK_ROWS", block)
        patched.setattr(external_sort, "RUN_BYTES", budget)
        sorting = ExternalSort(folder, "rows", "code", "row")
        for frame in frames:
            sorting.add(pl.DataFrame(frame, schema={"code": pl.String, "row": pl.Int64}, orient="row"))
        stretches = list(sorting.read_in_order())
    everything = sorted(row for frame in frames for row in frame)
    assert [row for stretch in stretches for row in stretch.rows()] == everything
    assert sorting.rows == len(everything)
    for left, right in pairwise(stretches):
        assert left["code"][-1] < right["code"][0]  # rows of one code come together


def test_a_stretch_is_small_when_there_is_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external_sort, "BLOCK_ROWS", 16)
    monkeypatch.setattr(external_sort, "RUN_BYTES", 20_000)
    sorting = ExternalSort(tmp_path, "rows", "code")
    for number in range(40):
        codes = [f"{(number + 40 * row) * 7919 % 20_011:08d}" for row in range(500)]
        sorting.add(pl.DataFrame({"code": codes}))
    written = len(list(tmp_path.iterdir()))
    sizes = [stretch.height for stretch in sorting.read_in_order()]
    assert sum(sizes) == 20_000 and written > 5
    # A run's share of a stretch is cut at blocks, so a stretch holds at most one block of each run too many.
    assert max(sizes) <= 20_000 // written + 16 * (written + 1)
