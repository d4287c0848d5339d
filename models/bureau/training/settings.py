"""The settings of one training: what is trained, how, and what the model is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lab.terms.text.bilingual import BilingualText
from models.bureau.feature_origin import FeatureOrigin
from models.shared.features import FeatureDescription
from models.shared.sheet import Family, Interactions

DEFAULT_TREE_COUNT = 200
VALUE_LIMIT = 8_000_000
"""Quanta: every parameter set of the scoring protocol has room for so many."""


@dataclass(frozen=True)
class TrainingSettings:
    """How ``train_model`` trains. The same sample and settings give the same model."""

    family: Family = "boosted"
    interactions: Interactions = "one"
    """A scorecard is always ``one``."""
    seed: int = 0
    trees: int = DEFAULT_TREE_COUNT
    compared: bool = True
    """Whether the joint model is compared with those of each party alone and without constraint; else the card's
    verdict has no comparison."""
    value_limit: int = VALUE_LIMIT
    """The largest absolute value of an output, in quanta: it decides the quantum."""
    name: str = "credit"
    version: int = 1
    date: str = ""
    """ISO 8601, for the card."""
    purpose: str = "企业信用评分 Enterprise credit score"
    public_descriptions: Mapping[str, FeatureDescription] = field(default_factory=dict)
    """Descriptions of the bureau's columns by name."""
    bank_descriptions: Mapping[str, FeatureDescription] = field(default_factory=dict)
    """Descriptions of the bank's columns by name."""
    origins: tuple[FeatureOrigin, ...] = ()
    """Where the bureau's columns come from, and the direction of each that the model must keep (boosted trees only)."""
    sample_notes: tuple[BilingualText, ...] = ()
    """What was merged or left out when the sample was read; the first warnings of the card."""

    @property
    def directions(self) -> dict[str, int]:
        """The direction of each of the bureau's columns that has one."""
        return {origin.feature: origin.direction for origin in self.origins if origin.direction}
