"""The kept inputs and the good examples are read as they should be: taken, or refused as it is documented."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fuzz.run import CORPUS, fuzz
from tests.fuzz.targets import TARGETS

ALL = pytest.mark.parametrize("name", TARGETS)
SECONDS = int(os.environ.get("SHULAB_FUZZ_SECONDS", "20"))


@ALL
def test_kept_inputs_raise_nothing_but_refusals(name: str) -> None:
    target = TARGETS[name]
    kept = sorted((CORPUS / name).iterdir())
    assert kept, "no corpus is kept of this target: python -m tests.fuzz.run --keep"
    for path in kept:
        target.attempt(path.read_bytes())


@ALL
def test_every_target_takes_one_of_its_examples(name: str) -> None:
    """Otherwise it would fuzz the door and nothing behind it."""
    target = TARGETS[name]
    taken = 0
    for seed in target.seeds():
        try:
            target.read(seed)
            taken += 1
        except target.refusals:
            continue
    assert taken


def test_the_corpora_are_small_and_of_known_targets() -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < 1_000_000


@pytest.mark.soak
@ALL
def test_a_while_of_fuzzing_finds_nothing(name: str, tmp_path: Path) -> None:
    assert fuzz(name, SECONDS, found=tmp_path) is None
