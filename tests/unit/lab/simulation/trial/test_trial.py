"""Odd files give the figures of their clean twins, or stop: joined, trained and scored in clear as a trial does."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from lab.simulation.trial.joined_files import JoinedFiles, JoinOptions, read_joined_files
from lab.terms.errors import InvalidInput
from models.bureau.training.settings import TrainingSettings
from models.bureau.training.trainer import train_model
from models.shared.drift.column_drift import measure_all_drift
from models.shared.drift.column_profiles import measure_profile
from models.shared.features import Feature, encode_features, infer_features
from tests.support.odd_twins import EVERY_PARTY, MIXED, TWINS, OddTwin, write_pair

OPTIONS = JoinOptions("id", "y", "opaque")


def join(folder: Path, *twins: OddTwin) -> JoinedFiles:
    return read_joined_files(*write_pair(folder, *twins), OPTIONS)


def inputs(joined: JoinedFiles, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    bureau, bank = joined.bureau_features(rows), joined.bank_features(rows)
    return np.hstack(
        [
            encode_features(bureau, infer_features(bureau, "bureau")),
            encode_features(bank, infer_features(bank, "bank")),
        ]
    )


def figure(joined: JoinedFiles) -> float:
    pilot, test = joined.pilot, joined.test
    settings = TrainingSettings(trees=40)
    result = train_model(joined.bureau_features(pilot), joined.bank_features(pilot), joined.labels[pilot], settings)
    scores = result.model.raw_scores(joined.bureau_features(test), joined.bank_features(test))
    return float(roc_auc_score(joined.labels[test], scores))


@cache
def clean() -> tuple[JoinedFiles, NDArray[np.float64], float]:
    with TemporaryDirectory() as folder:
        joined = join(Path(folder))
    return joined, inputs(joined, joined.pilot), figure(joined)


@pytest.mark.parametrize("twin", [twin for twin in TWINS if twin.same], ids=lambda twin: twin.name)
def test_what_means_the_same_is_the_same_number(twin: OddTwin, tmp_path: Path) -> None:
    """The learner is deterministic, so equal inputs are an equal model."""
    joined, expected, _ = clean()
    odd = join(tmp_path, twin)
    assert np.array_equal(odd.pilot, joined.pilot)
    assert np.allclose(inputs(odd, odd.pilot), expected, rtol=1e-12, equal_nan=True)


@pytest.mark.parametrize("twin", [twin for twin in TWINS if twin.same], ids=lambda twin: twin.name)
def test_later_data_written_otherwise_are_read_as_the_model_was_trained_or_stop(twin: OddTwin, tmp_path: Path) -> None:
    joined, _, _ = clean()
    odd = join(tmp_path, twin)
    usual, later = (getattr(one, f"{twin.party}_features")(joined.pilot) for one in (joined, odd))
    features: tuple[Feature, ...] = infer_features(usual, twin.party)  # type: ignore[arg-type]
    before, after = encode_features(usual, features), encode_features(later, features)
    if not np.allclose(before, after, rtol=1e-12, equal_nan=True):
        profiles = [measure_profile(feature, before[:, place]) for place, feature in enumerate(features)]
        (drift,) = (drift for drift in measure_all_drift(features, profiles, after) if drift.level != "stable")
        assert (drift.name, drift.level) == (twin.column, "stop")


@pytest.mark.parametrize("twin", [twin for twin in TWINS if not twin.same], ids=lambda twin: twin.name)
def test_a_few_unreadable_cells_hardly_change_the_figure(twin: OddTwin, tmp_path: Path) -> None:
    assert figure(join(tmp_path, twin)) == pytest.approx(clean()[2], abs=0.005)


def test_oddities_together_give_the_figure_of_the_clean_files(tmp_path: Path) -> None:
    assert clean()[2] > 0.8
    assert figure(join(tmp_path, *EVERY_PARTY)) == pytest.approx(clean()[2], abs=1e-9)


def test_a_mixed_column_stops_the_training(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"column tax: \d+ of \d+ cells are numbers") as caught:
        figure(join(tmp_path, MIXED))
    assert "dictionary" in str(caught.value.next_step)
