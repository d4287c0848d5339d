"""What a person asks of the bank's jobs: one family of frozen values, so that each choice is declared once.

``PortfolioRequest`` names the bank's records; a count, a match and a scoring job each add what they need beside it. A
rescoring job starts from a finished run instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from lab.bank.runs.store import FinishedRun
from lab.terms.contract.document import Purpose, ResultDetail
from lab.terms.names import ModelRef

MIN_TERM_DAYS = 14
"""The shortest sensible term: it leaves time for review, for both signatures, and to repeat a job that was stopped."""


@dataclass(frozen=True)
class PortfolioRequest:
    """A job on a portfolio file; ``id_column``: the column of codes, None to find it by its usual names."""

    portfolio: Path
    id_column: str | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class CountRequest(PortfolioRequest):
    """Count how many enterprises match under a contract; ``processes`` to compute with, 0 for one a core."""

    contract: str
    processes: int = field(default=0, kw_only=True)


@dataclass(frozen=True)
class MatchRequest(CountRequest):
    """Match a portfolio; ``out``: the file that says which rows matched."""

    out: Path


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """By which model, and for whom in the bank; None leaves the choice to the job."""

    model: ModelRef | None = None
    """Without a version: the first of that name which the contract allows."""
    recipient: str | None = None
    """A recipient that the contract names."""


@dataclass(frozen=True)
class ScoringRequest(MatchRequest, ModelChoice):
    """Score a portfolio; ``out``: the file of scores. The contract's first model and recipient, unless chosen."""

    skip: Path | None = field(default=None, kw_only=True)
    """A table of codes to match but not to score."""
    accept_drift: bool = field(default=False, kw_only=True)
    """Score although columns are far from what the model was trained on."""
    again: bool = field(default=False, kw_only=True)
    """Score anew, and pay anew, although a finished run has these scores and gave them out."""


@dataclass(frozen=True)
class RescoringRequest(ModelChoice):
    """Score a finished run again, by the newest version of its model and for its recipient, unless chosen."""

    run: FinishedRun
    out: Path | None = None
    """The file of scores; None: beside that of the run, under the new run's name."""


@dataclass(frozen=True)
class PlanRequest(PortfolioRequest):
    """Plan the smallest contract for a portfolio and a model (without a version: the newest offered).

    ``recipients``: empty for the bank itself; ``retention_days`` None: as long as the term of ``days``.
    """

    model: ModelRef
    purpose: Purpose = Purpose.CREDIT_APPROVAL
    detail: ResultDetail = ResultDetail.TOTAL
    recipients: tuple[str, ...] = ()
    days: int = MIN_TERM_DAYS
    retention_days: int | None = None
