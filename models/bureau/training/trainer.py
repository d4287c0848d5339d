"""Training: from a joined pilot sample in clear to a model with its calibration, references and card.

The sample stands in clear where this runs; who may see it there is the caller's question, and the caller says so.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.model_selection import StratifiedKFold, train_test_split

from lab.terms.contract.document import ResultDetail
from lab.terms.errors import InvalidInput
from lab.terms.progress import SILENT, Progress
from models.bureau.forest import Forest
from models.bureau.model import TOTAL_OUTPUT, Model, choose_quantum
from models.bureau.model_card import ModelCard, ModelWarning, TrainingLibrary
from models.bureau.training import boosted_trees, scorecard
from models.shared.calibration import Calibration, ScoreScale
from models.shared.features import (
    Feature,
    FeatureDescription,
    FeatureParty,
    count_unreadable_cells,
    encode_features,
    infer_features,
)
from models.shared.sheet import QUANTILE_COUNT, NamedValue, ReferenceDistribution

Family = Literal["boosted", "scorecard"]
MIN_TRAINING_ROWS = 40
MIN_CLASS_ROWS = 5
CROSS_FIT_MAX_ROWS = 2000  # rows: a fifth of fewer is too little to calibrate on
MIN_CALIBRATION_SLOPE = 1e-3  # a calibration slope below this says that the score carries no signal
HOLDOUT_SHARE = 0.2
VALUE_LIMIT = 8_000_000  # quanta: every parameter set of the scoring protocol has room for so many
REFERENCE_CHUNK = 8192
CONSTANT_COLUMNS_ZH, CONSTANT_COLUMNS_EN = (
    "以下列为常量或全部缺失，模型不使用",
    "These columns are constant or always missing; the model does not use them",
)


@dataclass(frozen=True)
class BaselineModel:
    """A model in clear for comparison: any parties' features, no columns, no rounding."""

    features: tuple[Feature, ...]
    forest: Forest

    def raw_scores(self, public: pl.DataFrame, bank: pl.DataFrame) -> NDArray[np.float64]:
        """Raw scores float64 [rows]; the frame of a party that the model does not use is not read."""
        return self.forest.raw_scores(_encode_both(self.features, public, bank))


@dataclass(frozen=True)
class TrainingResult:
    """What training gives: the model, LightGBM's own booster (None for a scorecard) for checks, and figures in clear.

    ``facts``: ``auc_model``, ``auc_bank_only``, ``auc_bureau_only``, ``auc_free``, ``ks_model`` on held-out rows.
    """

    model: Model
    booster: Any
    facts: dict[str, float]


def train_model(
    public: pl.DataFrame,
    bank: pl.DataFrame,
    label: ArrayLike,
    *,
    family: Family = "boosted",
    interactions: boosted_trees.Interactions = "one",
    seed: int = 0,
    trees: int = boosted_trees.DEFAULT_TREE_COUNT,
    name: str = "credit",
    version: int = 1,
    public_words: Mapping[str, FeatureDescription] | None = None,
    bank_words: Mapping[str, FeatureDescription] | None = None,
    value_limit: int = VALUE_LIMIT,
    progress: Progress = SILENT,
    date: str = "",
    purpose: str = "企业信用评分 Enterprise credit score",
) -> TrainingResult:
    """Train a model on the rows of ``public`` and ``bank`` (same enterprises, same order) and ``label`` (1 is default).

    A scorecard is always ``one``. ``date`` (ISO 8601) goes to the card; the same input gives the same model. Raises
    ``InvalidInput`` for a label that is not 0/1 or has one class, too few rows, or tables of different lengths.
    """
    target = validate_label(label, public, bank)
    shape: boosted_trees.Interactions = "one" if family == "scorecard" else interactions
    features = (*infer_features(public, "bureau", public_words), *infer_features(bank, "bank", bank_words))
    values = _encode_both(features, public, bank)
    fit = _fitter(family, shape, seed, trees)
    with progress.stage("train", 6) as stage:
        learn, test = train_test_split(
            np.arange(len(target)), test_size=HOLDOUT_SHARE, random_state=seed, stratify=target
        )
        held_out = fit(values[learn], target[learn], features).raw_scores(values[test])
        facts = {"auc_model": _auc(target[test], held_out), "ks_model": ks_statistic(target[test], held_out)}
        stage.advance()
        # What a party can do alone needs no encryption, so its model is free of the constraint.
        alone = _fitter(family, "free", seed, trees)
        for party, fact in (("bank", "auc_bank_only"), ("bureau", "auc_bureau_only")):
            facts[fact] = _auc(target[test], _rival_scores(alone, values, target, features, party, learn, test))
            stage.advance()
        free = _fitter("boosted", "free", seed, trees)(values[learn], target[learn], features)
        facts["auc_free"] = _auc(target[test], free.raw_scores(values[test]))
        stage.advance()
        if len(target) < CROSS_FIT_MAX_ROWS:
            calibration, flat = calibrate(_cross_fit(fit, values, target, features, seed), target)
        else:
            calibration, flat = calibrate(held_out, target[test])
        stage.advance()
        booster = None
        if family == "boosted":
            forest, booster = boosted_trees.fit_boosted(
                values, target, features, interactions=shape, seed=seed, trees=trees
            )
        else:
            forest = fit(values, target, features)
        card = ModelCard(
            purpose=purpose,
            date=date,
            rows=len(target),
            positives=int(target.sum()),
            held_out=len(test),
            seed=seed,
            facts=tuple(NamedValue(key, value) for key, value in facts.items()),
            settings=_settings(family, trees),
            libraries=_libraries(),
            warnings=(),
        )
        model = _assemble(name, version, family, shape, features, forest, value_limit, calibration, card)
        warned = _warnings(
            model,
            values,
            flat,
            {
                **count_unreadable_cells(public, model.public_features),
                **count_unreadable_cells(bank, model.bank_features),
            },
        )
        model = replace(model, references=_references(model, values), card=replace(card, warnings=warned))
        stage.advance()
    return TrainingResult(model=model, booster=booster, facts=facts)


def fit_baseline(
    public: pl.DataFrame,
    bank: pl.DataFrame,
    label: ArrayLike,
    *,
    parties: tuple[FeatureParty, ...] = ("bureau", "bank"),
    family: Family = "boosted",
    interactions: boosted_trees.Interactions = "free",
    seed: int = 0,
) -> BaselineModel:
    """A model in clear on the features of ``parties`` alone, to compare with; same input rules as ``train_model``."""
    target = validate_label(label, public, bank)
    features = tuple(
        f for f in (*infer_features(public, "bureau"), *infer_features(bank, "bank")) if f.party in parties
    )
    return BaselineModel(
        features, _fitter(family, interactions, seed)(_encode_both(features, public, bank), target, features)
    )


def validate_label(label: ArrayLike, public: pl.DataFrame, bank: pl.DataFrame) -> NDArray[np.int64]:
    """The label as int64 [rows] of 0 and 1; raises ``InvalidInput`` when it cannot be learnt from."""
    try:
        target = np.asarray(label, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidInput("Wanted a label of 0 and 1; found text.", next_step="write the label as 0 and 1") from None
    if target.ndim != 1 or len({len(target), public.height, bank.height}) != 1:
        raise InvalidInput(
            f"Wanted as many labels as rows; found {len(target)} labels, {public.height} and {bank.height} rows."
        )
    if not np.isin(target, (0.0, 1.0)).all():
        raise InvalidInput("Wanted a label of 0 and 1 without gaps; found other values.", next_step="correct the label")
    counts = np.bincount(target.astype(np.int64), minlength=2)
    if len(target) and counts.min() == 0:
        raise InvalidInput(
            "Wanted a label with two classes; found one.", next_step="add enterprises of the other class to the pilot"
        )
    if len(target) < MIN_TRAINING_ROWS or counts.min() < MIN_CLASS_ROWS:
        raise InvalidInput(
            f"Wanted at least {MIN_TRAINING_ROWS} rows and {MIN_CLASS_ROWS} of each class to train on; "
            f"found {len(target)} rows, {counts[0]} and {counts[1]}.",
            next_step="use a larger pilot sample",
        )
    return target.astype(np.int64)


def calibrate(raw: NDArray[np.float64], label: NDArray[np.int64]) -> tuple[Calibration, bool]:
    """Platt scaling on scores of rows that the model had not seen; True when the scores carry no signal.

    Without signal the probability hardly moves from the share of defaults, and the order is kept.
    """
    spread = float(np.std(raw)) or 1.0
    regression = LogisticRegression(C=10.0).fit((raw / spread)[:, None], label)
    slope, offset = float(regression.coef_[0, 0]) / spread, float(regression.intercept_[0])
    if slope >= MIN_CALIBRATION_SLOPE:
        return Calibration(slope, offset), False
    rate = float(np.mean(label))
    return Calibration(
        MIN_CALIBRATION_SLOPE, float(np.log(rate / (1 - rate)) - MIN_CALIBRATION_SLOPE * np.mean(raw))
    ), True


def ks_statistic(label: NDArray[np.int64], raw: NDArray[np.float64]) -> float:
    """The Kolmogorov-Smirnov distance of the two classes' scores."""
    false_rate, true_rate, _ = roc_curve(label, raw)
    return float(np.max(np.abs(true_rate - false_rate)))


ForestFitter = Callable[[NDArray[np.float64], NDArray[np.int64], tuple[Feature, ...]], Forest]


def _fitter(
    family: Family, interactions: boosted_trees.Interactions, seed: int, trees: int = boosted_trees.DEFAULT_TREE_COUNT
) -> ForestFitter:
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


def _rival_scores(
    fit: ForestFitter,
    values: NDArray[np.float64],
    label: NDArray[np.int64],
    features: tuple[Feature, ...],
    party: str,
    learn: NDArray[np.int64],
    test: NDArray[np.int64],
) -> NDArray[np.float64]:
    keep = np.flatnonzero([feature.party == party for feature in features])
    if not len(keep):
        return np.zeros(len(test))
    forest = fit(values[np.ix_(learn, keep)], label[learn], tuple(features[number] for number in keep))
    return forest.raw_scores(values[np.ix_(test, keep)])


def _cross_fit(
    fit: ForestFitter, values: NDArray[np.float64], label: NDArray[np.int64], features: tuple[Feature, ...], seed: int
) -> NDArray[np.float64]:
    raw = np.zeros(len(label))
    for learn, test in StratifiedKFold(5, shuffle=True, random_state=seed).split(values, label):
        raw[test] = fit(values[learn], label[learn], features).raw_scores(values[test])
    return raw


def _assemble(
    name: str,
    version: int,
    family: Family,
    interactions: boosted_trees.Interactions,
    features: tuple[Feature, ...],
    forest: Forest,
    value_limit: int,
    calibration: Calibration,
    card: ModelCard,
) -> Model:
    draft = Model(
        name=name,
        version=version,
        family=family,
        interactions=interactions,
        features=features,
        forest=forest,
        quantum=1.0,
        value_limit=value_limit,
        calibration=calibration,
        scale=ScoreScale(),
        references=(),
        card=card,
    )
    quantum = choose_quantum(draft.column_weights.score_bound, draft.rounding_count, value_limit)
    return replace(draft, quantum=quantum)


def _references(model: Model, values: NDArray[np.float64]) -> tuple[ReferenceDistribution, ...]:
    """How every output is distributed in the pilot sample."""
    detail = ResultDetail.FULL if model.interactions == "one" else ResultDetail.DIMENSIONS
    outputs = model.outputs(detail)
    split = len(model.public_features)
    sums = []
    for start in range(0, len(values), REFERENCE_CHUNK):
        part = values[start : start + REFERENCE_CHUNK]
        sums.append(
            model.score_weights_from_encoded(part[:, :split], detail).apply_to_indicators(
                model.indicators_from_encoded(part[:, split:])
            )
        )
    raw = np.concatenate(sums, axis=1) * model.quantum
    dimensions = [place for place, output in enumerate(outputs) if output.kind == "dimension"]
    total = raw[dimensions].sum(axis=0) + model.forest.intercept
    rows = {TOTAL_OUTPUT: total, **dict(zip(outputs, raw, strict=True))}
    points = np.linspace(0.0, 1.0, QUANTILE_COUNT)
    return tuple(
        ReferenceDistribution(output, float(np.mean(row)), tuple(float(q) for q in np.quantile(row, points)))
        for output, row in rows.items()
    )


def _auc(label: NDArray[np.int64], raw: NDArray[np.float64]) -> float:
    return float(roc_auc_score(label, raw))


def _settings(family: Family, trees: int) -> tuple[NamedValue, ...]:
    settings = (
        {"trees": float(trees), **boosted_trees.LIGHTGBM_SETTINGS}
        if family == "boosted"
        else scorecard.REGRESSION_SETTINGS
    )
    return tuple(NamedValue(name, float(value)) for name, value in settings.items())


def _libraries() -> tuple[TrainingLibrary, ...]:
    names = ("lightgbm", "numpy", "optbinning", "polars", "scikit-learn")
    return tuple(TrainingLibrary(name, importlib.metadata.version(name)) for name in names)


def _warnings(
    model: Model, values: NDArray[np.float64], flat: bool, unread: Mapping[str, int]
) -> tuple[ModelWarning, ...]:
    warned = []
    constant = [
        feature.label_en
        for number, feature in enumerate(model.features)
        if len(np.unique(values[:, number][~np.isnan(values[:, number])])) < 2
    ]
    if constant:
        listed = ", ".join(constant[:10])[:300]
        warned.append(ModelWarning(f"{CONSTANT_COLUMNS_ZH}：{listed}", f"{CONSTANT_COLUMNS_EN}: {listed}"))
    if unread:
        count = sum(unread.values())
        warned.append(
            ModelWarning(f"{count} 个单元格不是数字，按缺失处理", f"{count} cells are not numbers and count as missing")
        )
    if not model.column_count:
        warned.append(ModelWarning("模型不使用任何银行特征", "The model uses no bank feature"))
    if model.card.rows < 500:
        warned.append(
            ModelWarning("样本不足 500 户，各项指标不稳定", "Fewer than 500 enterprises: the figures are unsteady")
        )
    if flat:
        warned.append(
            ModelWarning(
                "评分没有区分能力，违约概率接近平均值", "The score carries no signal; probabilities stay near the mean"
            )
        )
    return tuple(warned)
