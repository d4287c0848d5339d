"""Scores of the joint model and of those it is compared with, on rows that the scoring model had not seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold, train_test_split

from lab.terms.progress import ProgressStage
from models.bureau.training.pilot_sample import PilotSample
from models.shared.features import Feature, FeatureParty

Scorer = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Raw scores, float64 [rows], of values float64 [rows, features]."""
ScorerFitter = Callable[[NDArray[np.float64], NDArray[np.int64], tuple[Feature, ...]], Scorer]
"""Trains on values float64 [rows, features], a label int64 [rows] and the features."""
JOINT = "model"
HOLDOUT_SHARE = 0.2
FOLDS = 5


@dataclass(frozen=True)
class ComparedFitter:
    """A model to compare: its learner, and the party whose features it uses; None for both."""

    fit: ScorerFitter
    party: FeatureParty | None = None

    def scores(self, sample: PilotSample, learn: NDArray[np.int64], test: NDArray[np.int64]) -> NDArray[np.float64]:
        """Raw scores, float64 [test], of a model of the rows ``learn``; zero if the party has no features."""
        keep = np.flatnonzero([self.party in (None, feature.party) for feature in sample.features])
        if not len(keep):
            return np.zeros(len(test))
        features = tuple(sample.features[number] for number in keep)
        score = self.fit(sample.values[np.ix_(learn, keep)], sample.label[learn], features)
        return score(sample.values[np.ix_(test, keep)])


@dataclass(frozen=True)
class UnseenScores:
    """``label``: int64 [rows] of the tested rows; ``scores``: raw scores of each model, float64 [rows]."""

    label: NDArray[np.int64]
    scores: dict[str, NDArray[np.float64]]


def held_out_scores(
    sample: PilotSample, models: Mapping[str, ComparedFitter], seed: int, stage: ProgressStage
) -> UnseenScores:
    """Scores of a fifth of the rows by models of the rest; one unit of ``stage`` a model."""
    rows = np.arange(len(sample.label))
    learn, test = train_test_split(rows, test_size=HOLDOUT_SHARE, random_state=seed, stratify=sample.label)
    scores = {}
    for name, model in models.items():
        scores[name] = model.scores(sample, learn, test)
        stage.advance()
    return UnseenScores(sample.label[test], scores)


def cross_fitted_scores(
    sample: PilotSample, models: Mapping[str, ComparedFitter], seed: int, stage: ProgressStage
) -> UnseenScores:
    """Scores of all rows, each by models of the other four fifths; one unit of ``stage`` a fold."""
    scores = {name: np.zeros(len(sample.label)) for name in models}
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    for learn, test in folds.split(sample.values, sample.label):
        for name, model in models.items():
            scores[name][test] = model.scores(sample, learn, test)
        stage.advance()
    return UnseenScores(sample.label, scores)
