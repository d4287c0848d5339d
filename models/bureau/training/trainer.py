"""Training: from a joined pilot sample in clear to a model with its calibration, reference distributions and card.

The sample is in clear where this runs. The caller decides who may see it there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import train_test_split

from lab.terms.contract.document import ResultDetail
from lab.terms.progress import SILENT, Progress, ProgressStage
from models.bureau.forest import Forest
from models.bureau.model import Model, choose_quantum
from models.bureau.model_card import ModelCard
from models.bureau.training import boosted_trees, scorecard
from models.bureau.training.card_entries import collect_warnings, learner_settings, training_libraries
from models.bureau.training.measurement import (
    ForestFitter,
    auc,
    calibrate,
    cross_fitted_scores,
    ks_statistic,
    one_party_scores,
    validate_label,
)
from models.bureau.training.settings import DEFAULT_TREE_COUNT, TrainingSettings
from models.shared.calibration import Calibration, ScoreScale
from models.shared.column_profiles import measure_profile
from models.shared.features import Feature, FeatureParty, encode_features, infer_features, read_features
from models.shared.sheet import (
    QUANTILE_COUNT,
    TOTAL_OUTPUT,
    Family,
    Interactions,
    NamedValue,
    ReferenceDistribution,
)

CROSS_FIT_MAX_ROWS = 2000  # a fifth of fewer rows is too little to calibrate on
HOLDOUT_SHARE = 0.2
REFERENCE_CHUNK = 8192


@dataclass(frozen=True)
class BaselineModel:
    """A model in clear for comparison: features of any parties, no columns, no rounding."""

    features: tuple[Feature, ...]
    forest: Forest

    def raw_scores(self, public: pl.DataFrame, bank: pl.DataFrame) -> NDArray[np.float64]:
        """Raw scores, float64 [rows]. The frame of a party that the model does not use is not read."""
        return self.forest.raw_scores(_encode_both(self.features, public, bank))


@dataclass(frozen=True)
class TrainingResult:
    """The model, LightGBM's own booster for checks (None for a scorecard), and figures of models in clear.

    ``facts``: ``auc_model``, ``auc_bank_only``, ``auc_bureau_only``, ``auc_free``, ``ks_model`` on held-out rows.
    """

    model: Model
    booster: Any
    facts: dict[str, float]


@dataclass(frozen=True)
class _Sample:
    """The pilot sample as numbers: ``values`` float64 [rows, features], ``label`` int64 [rows]."""

    features: tuple[Feature, ...]
    values: NDArray[np.float64]
    label: NDArray[np.int64]


def train_model(
    public: pl.DataFrame,
    bank: pl.DataFrame,
    label: ArrayLike,
    settings: TrainingSettings | None = None,
    *,
    progress: Progress = SILENT,
) -> TrainingResult:
    """Train a model on the rows of ``public`` and ``bank`` (same enterprises, same order) and ``label`` (1 is default).

    The same input gives the same model. Raises ``InvalidInput`` for a label that is not 0/1 or has one class, too few
    rows, or tables of different lengths.
    """
    settings = settings or TrainingSettings()
    if settings.family == "scorecard":
        settings = replace(settings, interactions="one")
    target = validate_label(label, public, bank)
    features = (
        *infer_features(public, "bureau", settings.public_descriptions),
        *infer_features(bank, "bank", settings.bank_descriptions),
    )
    sample = _Sample(features, _encode_both(features, public, bank), target)
    with progress.stage("train", 6) as stage:
        facts, calibration, flat, held_out = _measure(sample, settings, stage)
        forest, booster = _fit_final(sample, settings)
        card = _draft_card(sample, settings, facts, held_out)
        model = _assemble(sample, settings, forest, calibration, card)
        cells = (*read_features(public, model.public_features)[1], *read_features(bank, model.bank_features)[1])
        unreadable = {one.name: one.unreadable for one in cells if one.unreadable}
        card = replace(card, warnings=collect_warnings(model, sample.values, flat, unreadable))
        model = replace(model, references=_references(model, sample.values), card=card)
        stage.advance()
    return TrainingResult(model=model, booster=booster, facts=facts)


def fit_baseline(
    public: pl.DataFrame,
    bank: pl.DataFrame,
    label: ArrayLike,
    *,
    parties: tuple[FeatureParty, ...] = ("bureau", "bank"),
    family: Family = "boosted",
    interactions: Interactions = "free",
    seed: int = 0,
) -> BaselineModel:
    """A model in clear on the features of ``parties`` alone, for comparison; same input rules as ``train_model``."""
    target = validate_label(label, public, bank)
    features = tuple(
        f for f in (*infer_features(public, "bureau"), *infer_features(bank, "bank")) if f.party in parties
    )
    return BaselineModel(
        features, _fitter(family, interactions, seed)(_encode_both(features, public, bank), target, features)
    )


def _measure(
    sample: _Sample, settings: TrainingSettings, stage: ProgressStage
) -> tuple[dict[str, float], Calibration, bool, int]:
    """The figures on held-out rows, the calibration, whether the score is flat, and the number of held-out rows."""
    features, values, label = sample.features, sample.values, sample.label
    family, seed, trees = settings.family, settings.seed, settings.trees
    fit = _fitter(family, settings.interactions, seed, trees)
    learn, test = train_test_split(np.arange(len(label)), test_size=HOLDOUT_SHARE, random_state=seed, stratify=label)
    held_out = fit(values[learn], label[learn], features).raw_scores(values[test])
    facts = {"auc_model": auc(label[test], held_out), "ks_model": ks_statistic(label[test], held_out)}
    stage.advance()
    # A party alone needs no encryption, so its model is free of the constraint.
    alone = _fitter(family, "free", seed, trees)
    parties: tuple[tuple[FeatureParty, str], ...] = (("bank", "auc_bank_only"), ("bureau", "auc_bureau_only"))
    for party, fact in parties:
        facts[fact] = auc(label[test], one_party_scores(alone, values, label, features, party, (learn, test)))
        stage.advance()
    free = _fitter("boosted", "free", seed, trees)(values[learn], label[learn], features)
    facts["auc_free"] = auc(label[test], free.raw_scores(values[test]))
    stage.advance()
    if len(label) < CROSS_FIT_MAX_ROWS:
        calibration, flat = calibrate(cross_fitted_scores(fit, values, label, features, seed), label)
    else:
        calibration, flat = calibrate(held_out, label[test])
    stage.advance()
    return facts, calibration, flat, len(test)


def _fit_final(sample: _Sample, settings: TrainingSettings) -> tuple[Forest, Any]:
    """The forest of all rows, and LightGBM's booster or None."""
    if settings.family == "scorecard":
        return scorecard.fit_scorecard(sample.values, sample.label, sample.features), None
    return boosted_trees.fit_boosted(
        sample.values,
        sample.label,
        sample.features,
        interactions=settings.interactions,
        seed=settings.seed,
        trees=settings.trees,
    )


def _fitter(family: Family, interactions: Interactions, seed: int, trees: int = DEFAULT_TREE_COUNT) -> ForestFitter:
    if family == "scorecard":
        return scorecard.fit_scorecard
    return lambda values, label, features: boosted_trees.fit_boosted(
        values, label, features, interactions=interactions, seed=seed, trees=trees
    )[0]


def _encode_both(features: tuple[Feature, ...], public: pl.DataFrame, bank: pl.DataFrame) -> NDArray[np.float64]:
    bureau = [feature for feature in features if feature.party == "bureau"]
    own = [feature for feature in features if feature.party == "bank"]
    parts = [encode_features(frame, group) for frame, group in ((public, bureau), (bank, own)) if group]
    return np.hstack(parts) if parts else np.zeros((public.height, 0))


def _draft_card(sample: _Sample, settings: TrainingSettings, facts: dict[str, float], held_out: int) -> ModelCard:
    """The card without warnings, which need the model."""
    return ModelCard(
        purpose=settings.purpose,
        date=settings.date,
        rows=len(sample.label),
        positives=int(sample.label.sum()),
        held_out=held_out,
        seed=settings.seed,
        facts=tuple(NamedValue(key, value) for key, value in facts.items()),
        settings=learner_settings(settings.family, settings.trees),
        libraries=training_libraries(),
        warnings=(),
    )


def _assemble(
    sample: _Sample, settings: TrainingSettings, forest: Forest, calibration: Calibration, card: ModelCard
) -> Model:
    draft = Model(
        name=settings.name,
        version=settings.version,
        family=settings.family,
        interactions=settings.interactions,
        features=sample.features,
        forest=forest,
        quantum=1.0,
        value_limit=settings.value_limit,
        calibration=calibration,
        scale=ScoreScale(),
        references=(),
        card=card,
        profiles=tuple(
            measure_profile(feature, sample.values[:, place]) for place, feature in enumerate(sample.features)
        ),
    )
    quantum = choose_quantum(draft.column_weights.score_bound, draft.rounding_count, settings.value_limit)
    return replace(draft, quantum=quantum)


def _references(model: Model, values: NDArray[np.float64]) -> tuple[ReferenceDistribution, ...]:
    """The distribution of every output in the pilot sample, ``values`` float64 [rows, features]."""
    detail = ResultDetail.FULL if model.interactions == "one" else ResultDetail.DIMENSIONS
    outputs = model.outputs(detail)
    split = len(model.public_features)
    sums = []
    for start in range(0, len(values), REFERENCE_CHUNK):
        part = values[start : start + REFERENCE_CHUNK]
        weights = model.score_weights_from_encoded(part[:, :split], detail)
        sums.append(weights.apply_to_indicators(model.indicators_from_encoded(part[:, split:])))
    raw = np.concatenate(sums, axis=1) * model.quantum
    dimensions = [place for place, output in enumerate(outputs) if output.kind == "dimension"]
    total = raw[dimensions].sum(axis=0) + model.forest.intercept
    rows = {TOTAL_OUTPUT: total, **dict(zip(outputs, raw, strict=True))}
    points = np.linspace(0.0, 1.0, QUANTILE_COUNT)
    return tuple(
        ReferenceDistribution(output, float(np.mean(row)), tuple(float(q) for q in np.quantile(row, points)))
        for output, row in rows.items()
    )
