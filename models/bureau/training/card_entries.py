"""What training writes on a model's card: settings of the learner, libraries, and warnings."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Mapping, Sequence

from lab.terms.text.bilingual import BilingualText
from models.bureau.model import Model
from models.bureau.model_card import MAX_WARNINGS, ModelCard, ModelWarning, TrainingLibrary
from models.bureau.training import boosted_trees, scorecard
from models.bureau.verdict_words import PARTIES, leak_lines, list_names
from models.shared.features import FeatureCells, FeatureParty
from models.shared.sheet import Family, NamedValue

MIN_STEADY_ROWS = 500
_MAX_TEXT = 400  # of a warning
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
    model: Model,
    notes: Sequence[BilingualText],
    flat: bool,
    cells: Mapping[FeatureParty, Sequence[FeatureCells]],
) -> tuple[ModelWarning, ...]:
    """What a user of the model should know: at most ``MAX_WARNINGS``, the last of which counts those left out.

    ``notes``: on the sample; ``flat``: without signal; ``cells``: what was found in each party's columns.
    """
    found = [*notes, *leak_lines(model.card.verdict), *_constant_columns(model.card), *_unreadable_cells(cells)]
    if not model.column_count:
        found.append(("模型不使用任何银行特征", "The model uses no bank feature"))
    if model.card.rows < MIN_STEADY_ROWS:
        found.append(("样本不足 500 户，各项指标不稳定", "Fewer than 500 enterprises: the figures are unsteady"))
    if flat:
        found.append(
            ("评分没有区分能力，违约概率接近平均值", "The score carries no signal; probabilities stay near the mean")
        )
    if len(found) > MAX_WARNINGS:
        more = len(found) - MAX_WARNINGS + 1
        found[MAX_WARNINGS - 1 :] = [(f"另有 {more} 条注意事项未列出", f"{more} more warnings are not listed")]
    return tuple(ModelWarning(_fit(zh), _fit(en)) for zh, en in found)


def _constant_columns(card: ModelCard) -> Iterator[BilingualText]:
    """One warning for each party, as both may have columns of one name."""
    for party, (party_zh, party_en) in PARTIES.items():
        names = [
            remark.feature
            for remark in card.verdict.remarks
            if remark.party == party and remark.kind in ("constant", "empty")
        ]
        if names:
            names_zh, names_en = list_names(names)
            yield f"{CONSTANT_COLUMNS_ZH}：{party_zh} {names_zh}", f"{CONSTANT_COLUMNS_EN}: {party_en} {names_en}"


def _unreadable_cells(cells: Mapping[FeatureParty, Sequence[FeatureCells]]) -> Iterator[BilingualText]:
    """One warning for each party; the columns with the most such cells first."""
    for party, columns in cells.items():
        found = sorted((one for one in columns if one.unreadable), key=lambda one: -one.unreadable)
        if found:
            count, (party_zh, party_en) = sum(one.unreadable for one in found), PARTIES[party]
            names_zh, names_en = list_names([f"{one.name} ({one.unreadable:,})" for one in found])
            yield (
                f"{count:,} 个单元格无法按该列的类型读取，按缺失处理：{party_zh} {names_zh}",
                f"{count:,} cells cannot be read as the kind of their column and count as missing: "
                f"{party_en} {names_en}",
            )


def _fit(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"
