"""What training writes on a model's card: settings of the learner, libraries, and warnings."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from models.bureau.model import Model
from models.bureau.model_card import ModelWarning, TrainingLibrary
from models.bureau.training import boosted_trees, scorecard
from models.shared.sheet import Family, NamedValue

MIN_STEADY_ROWS = 500
CONSTANT_COLUMNS_ZH, CONSTANT_COLUMNS_EN = (
    "以下列为常量或全部缺失，模型不使用",
    "These columns are constant or always missing; the model does not use them",
)


def learner_settings(family: Family, trees: int) -> tuple[NamedValue, ...]:
    """The parameters of the family's learner."""
    settings = (
        {"trees": float(trees), **boosted_trees.LIGHTGBM_SETTINGS}
        if family == "boosted"
        else scorecard.REGRESSION_SETTINGS
    )
    return tuple(NamedValue(name, float(value)) for name, value in settings.items())


def training_libraries() -> tuple[TrainingLibrary, ...]:
    """The libraries of a training with their installed versions."""
    names = ("lightgbm", "numpy", "optbinning", "polars", "scikit-learn")
    return tuple(TrainingLibrary(name, importlib.metadata.version(name)) for name in names)


def collect_warnings(
    model: Model, values: NDArray[np.float64], flat: bool, unreadable: Mapping[str, int]
) -> tuple[ModelWarning, ...]:
    """What a user of the model should know. ``values``: float64 [rows, features]; ``flat``: without signal.

    ``unreadable``: the number of unreadable cells by feature.
    """
    warnings = []
    constant = [
        feature.label_en
        for number, feature in enumerate(model.features)
        if len(np.unique(values[:, number][~np.isnan(values[:, number])])) < 2
    ]
    if constant:
        listed = ", ".join(constant[:10])[:300]
        warnings.append(ModelWarning(f"{CONSTANT_COLUMNS_ZH}：{listed}", f"{CONSTANT_COLUMNS_EN}: {listed}"))
    if unreadable:
        count = sum(unreadable.values())
        warnings.append(
            ModelWarning(f"{count} 个单元格不是数字，按缺失处理", f"{count} cells are not numbers and count as missing")
        )
    if not model.column_count:
        warnings.append(ModelWarning("模型不使用任何银行特征", "The model uses no bank feature"))
    if model.card.rows < MIN_STEADY_ROWS:
        warnings.append(
            ModelWarning("样本不足 500 户，各项指标不稳定", "Fewer than 500 enterprises: the figures are unsteady")
        )
    if flat:
        warnings.append(
            ModelWarning(
                "评分没有区分能力，违约概率接近平均值", "The score carries no signal; probabilities stay near the mean"
            )
        )
    return tuple(warnings)
