"""The files of a run: a lost or damaged one stops the run, and is never taken for one that was not there yet."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from lab.bank.runs.metadata import RunKind, RunMetadata, read_run_metadata
from lab.bank.runs.run_files import read_run_file, write_run_file
from lab.bank.runs.store import BatchSums, Intersection, Run, open_run, run_key
from lab.disk.checked_files import DamagedFile

LABEL = RunMetadata(RunKind.SCORE, "c-0001", date(2027, 1, 1))


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """A run with a match, a batch that was answered, and one that waits."""
    with open_run(tmp_path / "runs", run_key("a"), LABEL, now=datetime.now(UTC)) as made:
        made.save_intersection(Intersection(np.arange(3), np.zeros((3, 16), dtype=np.uint8), 1e-9))
        made.save_batch(0, b"first")
        made.save_batch_sums(0, BatchSums(np.arange(2), np.ones((1, 2), dtype=np.int64), {"entry": 1}))
        made.save_batch(1, b"second")
        yield made


def read_everything(run: Run) -> None:
    match, sums = run.intersection(), run.batch_sums(0)
    assert match is not None and match.indices.tolist() == [0, 1, 2]
    assert sums is not None and sums.values.tolist() == [[1, 1]] and sums.receipt == {"entry": 1}
    assert run.batch(1) == b"second" and run.batch_sums(1) is None


def test_what_was_kept_comes_back(run: Run) -> None:
    read_everything(run)
    assert read_run_metadata(run.folder) == LABEL


@pytest.mark.parametrize("name", ["match.npz", "batch-00000.npz", "batch-00000.receipt.json", "batch-00001.frame"])
def test_a_changed_file_stops_the_run(run: Run, name: str) -> None:
    data = bytearray((run.folder / name).read_bytes())
    data[-1] ^= 1
    (run.folder / name).write_bytes(bytes(data))
    with pytest.raises(DamagedFile) as found:
        read_everything(run)
    assert name in str(found.value) and "charged again" in found.value.next_step


@pytest.mark.parametrize("name", ["match.npz", "batch-00000.npz", "batch-00000.receipt.json"])
def test_a_lost_file_stops_the_run_instead_of_being_made_anew(run: Run, name: str) -> None:
    """Another match would give the batches to other rows; a batch that was answered would be paid again."""
    (run.folder / name).unlink()
    with pytest.raises(DamagedFile, match="has lost"):
        read_everything(run)


def test_the_file_of_another_run_is_not_taken(run: Run, tmp_path: Path) -> None:
    with open_run(tmp_path / "runs", run_key("b"), LABEL, now=datetime.now(UTC)) as other:
        write_run_file(other.folder, "match.npz", b"other")
        assert read_run_file(other.folder, "match.npz") == b"other"
        (run.folder / "match.npz").write_bytes((other.folder / "match.npz").read_bytes())
    with pytest.raises(DamagedFile):
        run.intersection()


def test_a_changed_label_is_not_believed(run: Run) -> None:
    label = run.folder / "label.json"
    label.write_text(label.read_text().replace("2027", "2097"))
    assert read_run_metadata(run.folder) is None
