"""Compares two runs: how stable the population's scores are, and whose grade has changed. Nothing is sent.

The population stability index of shares p (before) and q (now) of B bins is the sum of (q - p) ln(q / p). Bins are the
deciles of the earlier run. The usual reading (below 0.1 stable, up to 0.25 to be watched, above that moved) is from
Siddiqi, *Credit Risk Scorecards* (Wiley 2006). For few enterprises it means little: by chance alone the index is about
(1/n + 1/m) times a chi-squared variable of B - 1 degrees of freedom (Yurdakul, Naranjo, *Journal of Risk Model
Validation* 14 (4), 2020), so the 95th percentile of that is shown beside it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.bank.portraits.scored_run import ScoredRun
from lab.terms.errors import NotAllowed
from models.shared.dimensions import DIMENSION_CODES

STABLE_BELOW, SHIFTED_ABOVE = 0.1, 0.25
THRESHOLD_SOURCE = "Siddiqi, Credit Risk Scorecards (Wiley 2006)"
DECILES = 10
_CHI_SQUARED = (0.0, 3.841, 5.991, 7.815, 9.488, 11.070, 12.592, 14.067, 15.507, 16.919)
"""95th percentiles by degrees of freedom, 0 to 9."""


@dataclass(frozen=True)
class PopulationStability:
    """The stability of one number: of the score (``name`` is ``score``), or of a dimension by its code.

    ``edges``: the bounds between bins, ascending; ``before`` and ``now``: the share in each bin, one more than edges;
    ``index``: the population stability index; ``chance``: its 95th percentile by chance alone; ``mean_before`` and
    ``mean_now``: the means of the number.
    """

    name: str
    edges: tuple[float, ...]
    before: tuple[float, ...]
    now: tuple[float, ...]
    index: float
    chance: float
    mean_before: float
    mean_now: float

    @property
    def level(self) -> str:
        """``stable``, ``watch`` or ``moved``."""
        return "stable" if self.index < STABLE_BELOW else "watch" if self.index <= SHIFTED_ABOVE else "moved"


@dataclass(frozen=True)
class DriftReport:
    """Two runs compared. ``scored_*``: numbers of enterprises; ``common``: how many were scored in both.

    ``moves[i][j]``: how many of the common ones had grade i before and have grade j now, safest first. ``better`` and
    ``worse`` count those whose grade changed; ``near``: how many of these are within the error of a cut-off in either
    run, so that the change may be no real one.
    """

    old: str
    new: str
    registers: tuple[str, str]
    models: tuple[str, str]
    scored_before: int
    scored_now: int
    common: int
    shifts: tuple[PopulationStability, ...]
    grades: tuple[str, ...]
    moves: tuple[tuple[int, ...], ...]
    better: int
    worse: int
    near: int

    @property
    def score(self) -> PopulationStability:
        """The stability of the score."""
        return self.shifts[0]

    @property
    def moved_share(self) -> float:
        """The share of the common enterprises whose grade changed."""
        return (self.better + self.worse) / self.common if self.common else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        shifts = [dataclasses.asdict(shift) | {"reading": shift.level} for shift in self.shifts]
        return dataclasses.asdict(self) | {
            "shifts": shifts,
            "moved_share": self.moved_share,
            "source": THRESHOLD_SOURCE,
        }


def compare_runs(old: ScoredRun, new: ScoredRun) -> DriftReport:
    """Compare two runs; raises ``NotAllowed`` if either scored nobody or their models have different grades."""
    if not old.codes or not new.codes:
        raise NotAllowed("One of the runs scored no enterprise.", next_step="see `lab bank runs`")
    grades = old.sheet.scale.grades
    if grades != new.sheet.scale.grades:
        raise NotAllowed("The runs' models have different grades.", next_step="compare runs of one scale")
    places = {code: place for place, code in enumerate(old.codes)}
    pairs = [(places[code], place) for place, code in enumerate(new.codes) if code in places]
    then, here = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    was, is_now = old.outcome.grade[then], new.outcome.grade[here]
    moves = np.zeros((len(grades), len(grades)), dtype=np.int64)
    np.add.at(moves, (was, is_now), 1)
    near = (was != is_now) & (old.outcome.near_cutoff[then] | new.outcome.near_cutoff[here])
    return DriftReport(
        old=old.run.folder.name,
        new=new.run.folder.name,
        registers=_in_both(old, new, "register"),
        models=_in_both(old, new, "model"),
        scored_before=len(old.codes),
        scored_now=len(new.codes),
        common=len(pairs),
        shifts=tuple(_measure_all(old, new)),
        grades=tuple(grades),
        moves=tuple(tuple(row) for row in moves.tolist()),
        better=int((is_now < was).sum()),
        worse=int((is_now > was).sum()),
        near=int(near.sum()),
    )


def _measure_all(old: ScoredRun, new: ScoredRun) -> Iterator[PopulationStability]:
    """The stability of the score, then of each dimension that both runs know."""
    yield measure_stability("score", old.outcome.score.astype(np.float64), new.outcome.score.astype(np.float64))
    for code in DIMENSION_CODES:
        before, now = (_known(run.outcome.dimension_scores.get(code)) for run in (old, new))
        if len(before) and len(now):
            yield measure_stability(code, before, now)


def _in_both(old: ScoredRun, new: ScoredRun, name: str) -> tuple[str, str]:
    """A text of the manifests of both runs."""
    return str(old.run.manifest.get(name, "")), str(new.run.manifest.get(name, ""))


def measure_stability(name: str, before: NDArray[np.float64], now: NDArray[np.float64]) -> PopulationStability:
    """The stability of values ``now`` against ``before``, over the deciles of ``before``; neither may be empty."""
    edges = np.unique(np.quantile(before, np.arange(1, DECILES) / DECILES))
    edges = edges[edges < before.max()]  # if many values are equal, the last bin would be empty
    counts = [np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1) for values in (before, now)]
    chance = (1 / len(before) + 1 / len(now)) * _CHI_SQUARED[len(edges)]
    shares = [count / count.sum() for count in counts]
    return PopulationStability(
        name=name,
        edges=tuple(edges.tolist()),
        before=tuple(shares[0].tolist()),
        now=tuple(shares[1].tolist()),
        index=stability_index(counts[0], counts[1]),
        chance=float(chance),
        mean_before=float(before.mean()),
        mean_now=float(now.mean()),
    )


def stability_index(before: NDArray[np.int64], now: NDArray[np.int64]) -> float:
    """The population stability index of two counts by bin, int64 [bins] each.

    An empty bin counts as half an enterprise, because the logarithm of zero is undefined.
    """
    p, q = (np.maximum(counts, 0.5) / counts.sum() for counts in (before, now))
    return float(((q - p) * np.log(q / p)).sum())


def _known(values: NDArray[np.float64] | None) -> NDArray[np.float64]:
    return np.zeros(0) if values is None else values[~np.isnan(values)]
