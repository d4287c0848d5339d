"""The verdict of a training: what its figures allow to conclude, as data for the model's card.

``verdict_words`` has the sentences.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.shared.canonical_json import STRICT_CONFIG
from models.shared.features import FeatureParty

MIN_TESTED_CASES = 30
"""Defaults, and enterprises without one, that a test needs before it says anything about a difference."""
MAX_LEAKS = 50
MAX_REMARKS = 200

ComparedModel = Literal["bank_only", "bureau_only", "free"]
LeakKind = Literal["equals_label", "alone", "missing", "dominates"]
RemarkKind = Literal[
    "empty", "constant", "no_difference", "unused", "solver_found_none", "solver_weaker", "solver_failed"
]
ShortName = Annotated[str, Field(min_length=1, max_length=200)]


@dataclass(frozen=True)
class AucDifference:
    """AUC of the joint model less that of ``other``, with the 95 % interval of a paired bootstrap of tested rows."""

    other: ComparedModel
    difference: float
    low: float
    high: float

    __pydantic_config__ = STRICT_CONFIG


@dataclass(frozen=True)
class LeakSign:
    """A column that may tell the outcome instead of predicting it. ``auc``: of this column alone, or of its gaps."""

    feature: ShortName
    party: FeatureParty
    kind: LeakKind
    auc: float

    __pydantic_config__ = STRICT_CONFIG


@dataclass(frozen=True)
class FeatureRemark:
    """Why a feature is not in the model, or why its bins are simple ones."""

    feature: ShortName
    party: FeatureParty
    kind: RemarkKind

    __pydantic_config__ = STRICT_CONFIG


@dataclass(frozen=True)
class TrainingVerdict:
    """``rows`` and ``positives``: tested rows and the defaults among them. ``cross_fitted``: each row was scored by a
    model of the other four fifths; otherwise the rows were held out.

    The lists are cut at a limit; ``leak_count`` and ``remark_count`` are the whole numbers.
    """

    rows: Annotated[int, Field(ge=0)] = 0
    positives: Annotated[int, Field(ge=0)] = 0
    cross_fitted: bool = False
    comparisons: Annotated[tuple[AucDifference, ...], Field(max_length=3)] = ()
    leaks: Annotated[tuple[LeakSign, ...], Field(max_length=MAX_LEAKS)] = ()
    leak_count: Annotated[int, Field(ge=0)] = 0
    remarks: Annotated[tuple[FeatureRemark, ...], Field(max_length=MAX_REMARKS)] = ()
    remark_count: Annotated[int, Field(ge=0)] = 0

    __pydantic_config__ = STRICT_CONFIG

    @property
    def conclusive(self) -> bool:
        """Whether the tested rows are enough to conclude anything."""
        return min(self.positives, self.rows - self.positives) >= MIN_TESTED_CASES
