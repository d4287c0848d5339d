"""The model card: a model's purpose, its sample, its quality, and warnings. Data, not prose."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from lab.terms.text.bilingual import BilingualText
from models.bureau.training_verdict import TrainingVerdict
from models.bureau.verdict_words import how_tested, verdict_lines
from models.shared.canonical_json import STRICT_CONFIG
from models.shared.sheet import NamedValue, Text

MAX_WARNINGS = 100
METRIC_LABELS: dict[str, BilingualText] = {
    "auc_model": ("本模型 AUC", "AUC of this model"),
    "auc_bank_only": ("仅银行特征 AUC", "AUC of bank features alone"),
    "auc_bureau_only": ("仅公共特征 AUC", "AUC of bureau features alone"),
    "auc_free": ("无约束模型 AUC", "AUC of the unconstrained model"),
    "ks_model": ("本模型 KS", "KS of this model"),
}


@dataclass(frozen=True)
class TrainingLibrary:
    """A library with which the model was trained, and its version."""

    name: Annotated[str, Field(max_length=60)]
    version: Annotated[str, Field(max_length=60)]

    __pydantic_config__ = STRICT_CONFIG


@dataclass(frozen=True)
class ModelWarning:
    """Something that a user of the model should know, in both languages."""

    zh: Text
    en: Text

    __pydantic_config__ = STRICT_CONFIG


@dataclass(frozen=True)
class ModelCard:
    """How a model was trained, and what its figures allow to conclude.

    ``facts`` are figures on ``held_out`` rows that the measured model had not seen: held out of the training, or, if
    the verdict is ``cross_fitted``, all rows, each scored by a model of the other four fifths.
    ``date``: the day of training as the trainer gave it (ISO 8601). ``settings``: the parameters of the learner.
    """

    purpose: Text
    date: Annotated[str, Field(max_length=40)]
    rows: Annotated[int, Field(ge=0)]
    positives: Annotated[int, Field(ge=0)]
    held_out: Annotated[int, Field(ge=0)]
    seed: int
    facts: Annotated[tuple[NamedValue, ...], Field(max_length=50)]
    settings: Annotated[tuple[NamedValue, ...], Field(max_length=50)]
    libraries: Annotated[tuple[TrainingLibrary, ...], Field(max_length=20)]
    warnings: Annotated[tuple[ModelWarning, ...], Field(max_length=MAX_WARNINGS)]
    verdict: TrainingVerdict = field(default_factory=TrainingVerdict)

    __pydantic_config__ = STRICT_CONFIG

    def metric(self, name: str) -> float | None:
        """The figure of this name, or None."""
        return next((fact.value for fact in self.facts if fact.name == name), None)

    def text_lines(self) -> list[BilingualText]:
        """The card for a person: lines in (Chinese, English)."""
        share = 100 * self.positives / self.rows if self.rows else 0.0
        lines = [
            (f"用途：{self.purpose}", f"Purpose: {self.purpose}"),
            (
                f"试点样本 {self.rows} 户，违约 {self.positives} 户（{share:.2f} %）",
                f"Pilot sample of {self.rows} enterprises, {self.positives} in default ({share:.2f} %)",
            ),
        ]
        for fact in self.facts:
            zh, en = METRIC_LABELS.get(fact.name, (fact.name, fact.name))
            lines.append((f"{zh}：{fact.value:.4f}", f"{en}: {fact.value:.4f}"))
        how_zh, how_en = how_tested(self.verdict)
        lines.append(
            (f"以上在 {self.held_out} 户上测得（{how_zh}）", f"Measured on {self.held_out} enterprises ({how_en})")
        )
        lines += verdict_lines(self.verdict)
        lines += [(f"注意：{warning.zh}", f"Beware: {warning.en}") for warning in self.warnings]
        return lines
