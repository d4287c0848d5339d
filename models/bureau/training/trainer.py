"""Training: from a joined pilot sample in clear to a model with its calibration, reference distributions and card.

The sample is in clear where this runs. The caller decides who may see it there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, get_args

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from lab.tables.cells.column_kinds import ColumnSummary
from lab.terms.contract.document import ResultDetail
from lab.terms.errors import InvalidInput
from lab.terms.progress import SILENT, Progress, ProgressStage
from models.bureau.feature_origin import FeatureOrigin
from models.bureau.forest import Forest
from models.bureau.model import Model, choose_quantum
from models.bureau.model_card import ModelCard
from models.bureau.training import boosted_trees
from models.bureau.training.boosted_trees import BoostedLearner
from models.bureau.training.card_entries import collect_warnings, learner_settings, training_libraries
from models.bureau.training.label import validate_label
from models.bureau.training.measurement import auc, calibrate, ks_statistic
from models.bureau.training.pilot_sample import PilotSample, encode_both, read_sample
from models.bureau.training.scorecard import ScorecardLearner
from models.bureau.training.settings import TrainingSettings
from models.bureau.training.unseen_scores import (
    FOLDS,
    JOINT,
    ComparedFitter,
    Scorer,
    ScorerFitter,
    UnseenScores,
    cross_fitted_scores,
    held_out_scores,
)
from models.bureau.training.verdict.conclusions import Comparison, conclude
from models.bureau.training.verdict.feature_remarks import remark_features
from models.bureau.training.verdict.leak_signs import find_leak_signs
from models.bureau.training_verdict import ComparedModel
from models.shared.calibration import Calibration, ScoreScale
from models.shared.drift.column_profiles import ColumnProfile, measure_profile
from models.shared.features import Feature, FeatureCells, FeatureParty, encode_features, infer_features
from models.shared.sheet import (
    QUANTILE_COUNT,
    TOTAL_OUTPUT,
    Family,
    Interactions,
    NamedValue,
    ReferenceDistribution,
)

REFERENCE_CHUNK = 8192
MAX_OUTPUTS = 2010  # of a sheet


@dataclass(frozen=True)
class BaselineModel:
    """A model in clear for comparison: features of any parties, no columns, no rounding."""

    features: tuple[Feature, ...]
    forest: Forest

    def raw_scores(self, public: pl.DataFrame, bank: pl.DataFrame) -> NDArray[np.float64]:
        """Raw scores, float64 [rows]. The frame of a party that the model does not use is not read."""
        return self.forest.raw_scores(encode_both(self.features, public, bank))


@dataclass(frozen=True)
class TrainingResult:
    """The model, LightGBM's own booster for checks (None for a scorecard), and figures of models in clear.

    ``facts``: ``auc_model``, ``auc_bank_only``, ``auc_bureau_only``, ``auc_free``, ``ks_model`` on the rows of the
    verdict, which the models had not seen.
    """

    model: Model
    booster: Any
    facts: dict[str, float]
    summaries: tuple[ColumnSummary, ...] = ()
    """How each column was read, the bureau's first."""


@dataclass(frozen=True)
class _Measured:
    """Figures, the calibration, and the scores of unseen rows from which these and the verdict are drawn."""

    facts: dict[str, float]
    calibration: Calibration
    flat: bool
    unseen: UnseenScores


def train_model(
    public: pl.DataFrame,
    bank: pl.DataFrame,
    label: ArrayLike,
    settings: TrainingSettings | None = None,
    *,
    population: pl.DataFrame | None = None,
    row_numbers: NDArray[np.int64] | None = None,
    progress: Progress = SILENT,
) -> TrainingResult:
    """Train a model on the rows of ``public`` and ``bank`` (same enterprises, same order) and ``label`` (1 is default).

    ``population``: rows of the whole register, with whose distribution later versions are compared; None: the pilot's
    rows. ``row_numbers``, int64 [rows]: those of the rows in the sample's file, for notes. The same input gives the
    same model. Raises ``InvalidInput`` for a label that is not 0/1 or has one class, too few rows, columns that are
    neither numbers nor text nearly throughout, tables of different lengths, or more columns than a model may have.
    """
    settings = settings or TrainingSettings()
    if settings.family == "scorecard":
        if settings.directions:
            raise InvalidInput(
                "Expected boosted trees with directions of features; a scorecard has bins and keeps none.",
                next_step="train with --family boosted, or without --monotonic",
            )
        settings = replace(settings, interactions="one")
    sample = read_sample(public, bank, label, settings, row_numbers)
    cards = ScorecardLearner()
    with progress.stage("train", (FOLDS if sample.small else len(_models(settings, cards))) + 2) as stage:
        measured = _measure(sample, settings, cards, stage)
        forest, booster = _fit_final(sample, settings, cards)
        stage.advance()
        card = _draft_card(sample, settings, measured, cards, forest)
        model = _assemble(sample, settings, forest, measured.calibration, card)
        split = len(model.public_features)
        cells: dict[FeatureParty, tuple[FeatureCells, ...]] = {
            "bureau": sample.cells[:split],
            "bank": sample.cells[split:],
        }
        card = replace(card, warnings=collect_warnings(model, settings.sample_notes, measured.flat, cells))
        profiles = _profiles(sample, population)
        model = replace(model, references=_references(model, sample.values), card=card, profiles=profiles)
        stage.advance()
    return TrainingResult(model=model, booster=booster, facts=measured.facts, summaries=sample.summaries)


def fit_baseline(
    public: pl.DataFrame,
    bank: pl.DataFrame,
    label: ArrayLike,
    *,
    parties: tuple[FeatureParty, ...] = ("bureau", "bank"),
    family: Family = "boosted",
    features: tuple[Feature, ...] = (),
    seed: int = 0,
) -> BaselineModel:
    """A model in clear, without constraints, on the features of ``parties`` alone, for comparison.

    ``features``: of a trained model, so that both read the same; none: decided here. Same input rules as
    ``train_model``.
    """
    target = validate_label(label, public, bank)
    known = features or (*infer_features(public, "bureau"), *infer_features(bank, "bank"))
    features = tuple(feature for feature in known if feature.party in parties)
    values = encode_both(features, public, bank)
    if family == "scorecard":
        return BaselineModel(features, ScorecardLearner().fit(values, target, features))
    forest, _ = boosted_trees.fit_boosted(values, target, features, interactions="free", seed=seed)
    return BaselineModel(features, forest)


def _measure(
    sample: PilotSample, settings: TrainingSettings, cards: ScorecardLearner, stage: ProgressStage
) -> _Measured:
    """Figures and calibration, all on the same rows, which the measured models had not seen."""
    models, seed = _models(settings, cards), settings.seed
    unseen = (cross_fitted_scores if sample.small else held_out_scores)(sample, models, seed, stage)
    label, raw = unseen.label, unseen.scores[JOINT]
    facts = {"auc_model": auc(label, raw), "ks_model": ks_statistic(label, raw)}
    facts |= {f"auc_{name}": auc(label, scores) for name, scores in unseen.scores.items() if name != JOINT}
    calibration, flat = calibrate(raw, label)
    return _Measured(facts, calibration, flat, unseen)


def _models(settings: TrainingSettings, cards: ScorecardLearner) -> dict[str, ComparedFitter]:
    """The joint model and those it is compared with. A party alone needs no encryption, so its model is free of the
    constraint.
    """
    family, seed, learner = settings.family, settings.seed, _learner(settings)
    joint = {JOINT: ComparedFitter(_fitter(family, settings.interactions, cards, seed, learner))}
    if not settings.compared:
        return joint
    alone = _fitter(family, "free", cards, seed, learner)
    return joint | {
        "bank_only": ComparedFitter(alone, "bank"),
        "bureau_only": ComparedFitter(alone, "bureau"),
        "free": ComparedFitter(_fitter("boosted", "free", cards, seed, learner)),
    }


def _fit_final(sample: PilotSample, settings: TrainingSettings, cards: ScorecardLearner) -> tuple[Forest, Any]:
    """The forest of all rows, and LightGBM's booster or None."""
    if settings.family == "scorecard":
        return cards.fit(sample.values, sample.label, sample.features), None
    return boosted_trees.fit_boosted(
        sample.values,
        sample.label,
        sample.features,
        interactions=settings.interactions,
        seed=settings.seed,
        learner=_learner(settings),
    )


def _learner(settings: TrainingSettings) -> BoostedLearner:
    return BoostedLearner(settings.trees, settings.directions)


def _fitter(
    family: Family, interactions: Interactions, cards: ScorecardLearner, seed: int, learner: BoostedLearner
) -> ScorerFitter:
    if family == "scorecard":
        return lambda values, label, features: cards.fit(values, label, features).raw_scores

    def fit(values: NDArray[np.float64], label: NDArray[np.int64], features: tuple[Feature, ...]) -> Scorer:
        booster = boosted_trees.fit_booster(
            values, label, features, interactions=interactions, seed=seed, learner=learner
        )
        return partial(boosted_trees.booster_scores, booster)

    return fit


def _draft_card(
    sample: PilotSample, settings: TrainingSettings, measured: _Measured, cards: ScorecardLearner, forest: Forest
) -> ModelCard:
    """The card without warnings, which need the model."""
    scores = dict(measured.unseen.scores)
    joint = scores.pop(JOINT)
    outcomes = cards.binnings(sample.values, sample.label, sample.features) if settings.family == "scorecard" else ()
    joint_auc = auc(measured.unseen.label, joint)
    if settings.family == "boosted" and settings.interactions == "free":
        scores.pop("free", None)  # it is the joint model
    others: dict[ComparedModel, NDArray[np.float64]] = {
        name: scores[name] for name in get_args(ComparedModel) if name in scores
    }
    verdict = conclude(
        Comparison(measured.unseen.label, joint, others, sample.small),
        find_leak_signs(sample.values, sample.label, sample.features, joint_auc, seed=settings.seed),
        remark_features(sample, forest, outcomes),
        seed=settings.seed,
    )
    return ModelCard(
        purpose=settings.purpose,
        date=settings.date,
        rows=len(sample.label),
        positives=int(sample.label.sum()),
        held_out=len(measured.unseen.label),
        seed=settings.seed,
        facts=tuple(NamedValue(key, value) for key, value in measured.facts.items()),
        settings=learner_settings(settings.family, settings.trees),
        libraries=training_libraries(),
        warnings=(),
        verdict=verdict,
    )


def _assemble(
    sample: PilotSample, settings: TrainingSettings, forest: Forest, calibration: Calibration, card: ModelCard
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
        origins=_origins(sample, settings),
    )
    quantum = choose_quantum(draft.column_weights.score_bound, draft.rounding_count, settings.value_limit)
    return replace(draft, quantum=quantum)


def _origins(sample: PilotSample, settings: TrainingSettings) -> tuple[FeatureOrigin, ...]:
    """The origins of the features that entered; a direction that was not kept, of a category, is none."""
    kinds = {feature.name: feature.kind for feature in sample.features if feature.party == "bureau"}
    return tuple(
        replace(one, direction=0) if kinds[one.feature] == "categorical" else one
        for one in settings.origins
        if one.feature in kinds
    )


def _profiles(sample: PilotSample, population: pl.DataFrame | None) -> tuple[ColumnProfile, ...]:
    """How each feature is distributed: the bank's in the pilot sample, the bureau's in ``population`` if given."""
    values = sample.values
    public = [feature for feature in sample.features if feature.party == "bureau"]
    whole = values[:, : len(public)] if population is None else encode_features(population, public)
    columns = [*whole.T, *values[:, len(public) :].T]
    return tuple(measure_profile(feature, column) for feature, column in zip(sample.features, columns, strict=True))


def _references(model: Model, values: NDArray[np.float64]) -> tuple[ReferenceDistribution, ...]:
    """The distribution of every output in the pilot sample, ``values`` float64 [rows, features]."""
    detail = ResultDetail.FULL if model.interactions == "one" else ResultDetail.DIMENSIONS
    outputs = model.outputs(detail)
    if len(outputs) > MAX_OUTPUTS:
        raise InvalidInput(
            f"Expected a model with at most {MAX_OUTPUTS:,} subtotals; found {len(outputs):,}, as so many bank columns "
            "enter it.",
            next_step="choose columns with --columns, or train with --family boosted",
        )
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
