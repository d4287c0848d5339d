"""What moved between two runs, against figures worked out by hand."""

from __future__ import annotations

import json
from math import log
from pathlib import Path

import numpy as np
import pytest

from lab.bank.home import BankHome
from lab.bank.portraits.drift import DECILES, DriftReport, compare_runs, measure_stability, stability_index
from lab.bank.portraits.pages.drift_page import drift_page
from lab.bank.portraits.scored_run import ScoredRun
from lab.terms.contract.document import ResultDetail
from lab.terms.errors import NotAllowed
from tests.support.finished_run import make_run, replace_outputs
from tests.unit.lab.cli.bank.results.test_runs import lab


def counts(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)


def test_the_index_is_the_sum_of_share_differences_times_their_logarithms() -> None:
    assert stability_index(counts(10, 20, 30), counts(100, 200, 300)) == 0
    by_hand = 0.1 * log(0.6 / 0.5) - 0.1 * log(0.4 / 0.5)  # 0.018232 + 0.022314
    assert stability_index(counts(50, 50), counts(60, 40)) == pytest.approx(by_hand)
    assert by_hand == pytest.approx(0.040547, abs=1e-6)
    three = -0.1 * log(0.1 / 0.2) + 0.0 + 0.1 * log(0.4 / 0.3)  # 0.069315 + 0 + 0.028768
    assert stability_index(counts(20, 50, 30), counts(10, 50, 40)) == pytest.approx(three)
    assert three == pytest.approx(0.098083, abs=1e-6)


def test_an_empty_bin_counts_as_half_an_enterprise() -> None:
    assert stability_index(counts(10, 0), counts(5, 5)) == pytest.approx(
        -0.5 * log(0.5) + (0.5 - 0.05) * log(0.5 / 0.05)
    )


def test_values_are_cut_at_the_deciles_of_those_before() -> None:
    before = np.arange(1, 101, dtype=np.float64)
    same = measure_stability("score", before, before[::-1])
    assert same.before == same.now == (0.1,) * DECILES
    assert (same.index, same.level) == (0, "stable")
    assert same.chance == pytest.approx(2 / 100 * 16.919)
    higher = measure_stability("score", before, before + 10)
    assert higher.now == (0.0, *(0.1,) * 8, 0.2)
    # The lowest decile emptied (half of 100 enterprises' one), the highest doubled.
    assert higher.index == pytest.approx((0.005 - 0.1) * log(0.005 / 0.1) + 0.1 * log(2))
    assert higher.level == "moved"
    assert (higher.mean_before, higher.mean_now) == (50.5, 60.5)


@pytest.mark.parametrize(
    ("before", "shares"),
    [([5.0] * 40, (1.0,)), ([0.0] * 38 + [1.0, 2.0], (0.95, 0.05)), ([7.0], (1.0,))],
    ids=["all the same", "nearly all the same", "one enterprise"],
)
def test_values_that_hardly_differ_have_fewer_bins_and_none_is_empty(before: list[float], shares: tuple) -> None:
    found = measure_stability("score", np.array(before), np.array(before))
    assert found.before == pytest.approx(shares) and found.index == 0


@pytest.fixture
def moved(home: BankHome, trained) -> tuple[ScoredRun, ScoredRun]:
    """Two runs of the same hundred; in the second the first sixty have the sums of others."""
    old = make_run(home, trained, ResultDetail.FULL)
    new = make_run(home, trained, ResultDetail.FULL)
    outputs = new.outputs
    rows = list(range(40, 100)) + list(range(40, 80))
    replace_outputs(new, outputs[rows].with_columns(outputs["code"]))
    return ScoredRun.open(old), ScoredRun.open(new)


def test_grades_move_in_a_matrix_of_those_in_both_runs(moved: tuple[ScoredRun, ScoredRun]) -> None:
    old, new = moved
    found = compare_runs(old, new)
    matrix = np.array(found.moves)
    assert matrix.sum() == found.common == 100
    assert np.array_equal(matrix.sum(axis=1), np.bincount(old.outcome.grade, minlength=len(found.grades)))
    assert np.array_equal(matrix.sum(axis=0), np.bincount(new.outcome.grade, minlength=len(found.grades)))
    assert found.worse == np.triu(matrix, 1).sum() == (new.outcome.grade > old.outcome.grade).sum() > 0
    assert found.better == np.tril(matrix, -1).sum() > 0
    assert found.moved_share == (found.better + found.worse) / 100 and found.near <= found.better + found.worse
    assert {shift.name for shift in found.shifts} >= {"score", "conduct", "tax", "legal"}
    assert found.score.mean_before == pytest.approx(old.outcome.score.mean())
    still = compare_runs(old, old)
    assert (still.score.index, still.better, still.worse, still.moved_share) == (0, 0, 0, 0)


def test_runs_of_other_enterprises_or_of_none_are_compared_as_far_as_they_go(home: BankHome, trained) -> None:
    all_of_them, few = (ScoredRun.open(make_run(home, trained, ResultDetail.TOTAL, scored=n)) for n in (100, 5))
    found = compare_runs(all_of_them, few)
    assert (found.scored_before, found.scored_now, found.common) == (100, 5, 5)
    assert [shift.name for shift in found.shifts] == ["score"]
    assert found.score.chance > 1  # five enterprises say next to nothing
    none = ScoredRun.open(make_run(home, trained, ResultDetail.TOTAL, scored=0))
    with pytest.raises(NotAllowed, match="scored no enterprise"):
        compare_runs(all_of_them, none)


def test_the_command_shows_it_in_both_languages_as_json_and_as_a_page(
    home: BankHome, moved: tuple[ScoredRun, ScoredRun], tmp_path: Path
) -> None:
    old, new = (gallery.run.folder.name for gallery in moved)
    page = tmp_path / "drift.html"
    told = json.loads(lab("drift", old, new, "--html", page, "--home", home.folder, "--json").stdout)
    assert told["shifts"][0]["name"] == "score" and told["source"].startswith("Siddiqi")
    assert told["moves"] == [list(row) for row in compare_runs(*moved).moves]
    assert page.stat().st_mode & 0o077 == 0
    shown = lab("drift", old, new, "--home", home.folder).stdout
    assert "等级迁移" in shown and "Grades before and now" in shown


@pytest.mark.parametrize("lang", ["zh", "en", "both"])
def test_the_page_says_what_the_drift_says_and_loads_nothing(moved: tuple[ScoredRun, ScoredRun], lang) -> None:
    found: DriftReport = compare_runs(*moved)
    page = drift_page(found, bank="某银行<script>", lang=lang)
    assert "<script" not in page and "default-src 'none'" in page
    assert f"{found.score.index:.3f}" in page and found.new in page
    assert ("population stability index" in page) is (lang != "zh")
    assert ("群体稳定性指数" in page) is (lang != "en")
