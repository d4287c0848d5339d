"""`lab trial` on files as people write them: the figures of the clean twin, or a stop that says what to do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sklearn.metrics import roc_auc_score

from lab.simulation.trial.joined_files import JoinOptions, read_joined_files
from models.bureau.training.settings import TrainingSettings
from models.bureau.training.trainer import train_model
from tests.support.odd_twins import EVERY_PARTY, MIXED, OddTwin, write_pair


def run_trial(folder: Path, *twins: OddTwin) -> tuple[int, dict[str, Any], str]:
    """Exit code, the JSON object of the command, and what it said to people."""
    folder.mkdir()
    bureau, bank = write_pair(folder, *twins)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "lab.cli", "trial", bureau, bank, "--id", "id", "--label", "y"),
            *("--id-kind", "opaque", "--json", "--out", folder / "out"),
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.returncode, json.loads(done.stdout), done.stderr


def figure_of_the_clean_twin(folder: Path) -> float:
    """The AUC that a trial of the clean files reports, computed in this process as a trial does."""
    folder.mkdir()
    joined = read_joined_files(*write_pair(folder), JoinOptions("id", "y", "opaque"))
    pilot, test = joined.pilot, joined.test
    trained = train_model(
        *(joined.bureau_features(pilot), joined.bank_features(pilot), joined.labels[pilot], TrainingSettings(seed=1))
    )
    scores = trained.model.raw_scores(joined.bureau_features(test), joined.bank_features(test))
    return float(roc_auc_score(joined.labels[test], scores))


def test_the_same_written_otherwise_has_the_same_figures(tmp_path: Path) -> None:
    clean = figure_of_the_clean_twin(tmp_path / "clean")
    code, found, said = run_trial(tmp_path / "odd", *EVERY_PARTY)
    assert code == 0, said[-2000:]
    assert clean > 0.8
    assert found["auc_plain"] == pytest.approx(clean, abs=1e-6)
    assert found["auc_encrypted"] == pytest.approx(clean, abs=1e-3)


def test_a_mixed_column_stops_with_its_name_the_count_and_the_next_step(tmp_path: Path) -> None:
    code, found, _ = run_trial(tmp_path / "mixed", MIXED)
    assert code != 0
    assert "column tax" in found["detail"] and "cells are numbers" in found["detail"]
    assert 'kind = "categorical"' in found["next_step"]
