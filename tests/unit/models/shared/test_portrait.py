"""Portraits: points, grades, bands, reasons, and the effect of a dishonest or mistaken reply."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from lab.terms.contract.document import ResultDetail
from lab.terms.errors import InvalidInput
from models.bureau.model import Model
from models.bureau.training.settings import TrainingSettings
from models.bureau.training.trainer import train_model
from models.shared.calibration import Calibration, ScoreScale
from models.shared.features import FeatureDescription
from models.shared.portfolio_scores import PortfolioScores, interpret_sums
from models.shared.portrait import SPLITS, PortraitProvenance, build_portrait, find_dimension_band
from models.shared.sheet import BankSheet

WORDS = {"tax": FeatureDescription("TAX-1", "近12个月纳税额", "Tax paid in 12 months", "tax")}
Pilot = tuple[Model, pl.DataFrame, pl.DataFrame]


@pytest.fixture(scope="module")
def pilot() -> Pilot:
    rng = np.random.default_rng(1)
    public = pl.DataFrame({"tax": rng.normal(size=1500), "suits": rng.poisson(1.0, 1500).astype(float)})
    bank = pl.DataFrame({"b": rng.normal(size=1500), "c": rng.normal(size=1500)})
    risk = -public["tax"].to_numpy() + bank["b"].to_numpy() + 0.3 * public["suits"].to_numpy()
    label = (risk + rng.normal(size=1500) > 1.5).astype(int)
    suits = {"suits": FeatureDescription("LAW-1", "涉诉次数", "Lawsuits", "legal")}
    return (
        train_model(public, bank, label, TrainingSettings(seed=1, public_descriptions={**WORDS, **suits})).model,
        public,
        bank,
    )


def outcome_of(pilot: Pilot, detail: ResultDetail, rows: int = 1500) -> tuple[BankSheet, PortfolioScores]:
    model, public, bank = pilot
    sheet = model.sheet(detail)
    return sheet, interpret_sums(
        sheet, model.score_weights(public[:rows], detail).apply_to_indicators(sheet.compute_indicators(bank[:rows]))
    )


def test_points_follow_the_odds() -> None:
    scale, plain = ScoreScale(), Calibration(1.0, 0.0)
    raw = -np.log(np.asarray([20.0, 40.0, 10.0, 1e9, 1e-9]))
    assert scale.score(raw, plain).tolist() == [600, 640, 560, 900, 300]
    assert scale.point_change(np.log(2.0), plain) == pytest.approx(-40.0)


def test_grades_follow_the_probability() -> None:
    scale = ScoreScale()
    grades = [scale.grades[n] for n in scale.grade(np.asarray([0.0, 0.005, 0.0051, 0.04, 0.15, 0.4, 0.41, 1.0]))]
    assert grades == ["AAA", "AAA", "AA", "BBB", "B", "CC", "C", "C"]


def test_safer_scores_have_higher_points_and_better_grades(pilot: Pilot) -> None:
    _, scores = outcome_of(pilot, ResultDetail.FULL)
    order = np.argsort(scores.raw)
    assert (np.diff(scores.score[order]) <= 0).all() and (np.diff(scores.grade[order]) >= 0).all()
    assert len(np.unique(scores.grade)) > 3


def test_dimensions_are_shares_of_the_pilot_that_are_riskier(pilot: Pilot) -> None:
    _, scores = outcome_of(pilot, ResultDetail.DIMENSIONS)
    assert set(scores.dimension_scores) == {"tax", "legal", "conduct"}
    for output, part in scores.contributions.items():
        share = scores.dimension_scores[output.key]
        riskier = np.asarray([(part > p).mean() + (part == p).mean() / 2 for p in part]) * 100
        assert np.abs(share - riskier).max() <= 3.0
        assert share.min() >= 0 and share.max() <= 100
    assert [find_dimension_band(value)[0] for value in (100.0, 75.0, 74.9, 50.0, 25.0, 24.9, 0.0)] == [
        *("strong", "strong", "good", "good", "watch", "weak", "weak")
    ]


def test_reasons_put_adverse_ones_first_and_add_up(pilot: Pilot) -> None:
    sheet, scores = outcome_of(pilot, ResultDetail.FULL)
    worst, best = int(np.argmax(scores.raw)), int(np.argmin(scores.raw))
    for row in (worst, best, 7):
        portrait = build_portrait(sheet, scores, row, enterprise="e")
        signs = [reason.points < 0 for reason in portrait.reasons]
        assert signs == sorted(signs, reverse=True)
        expected = sheet.scale.point_change(float(scores.raw[row] - scores.raw.mean()), sheet.calibration)
        dimensions = sum(part.points or 0.0 for part in portrait.dimensions)
        features = sum(reason.points for reason in portrait.reasons if reason.kind in ("feature", "public"))
        assert dimensions == pytest.approx(expected, abs=1e-6)
        assert features == pytest.approx(expected, abs=1e-6)
        assert portrait.points == pytest.approx(expected)
    first = build_portrait(sheet, scores, worst).reasons[0]
    assert first.adverse and "拉低评分" in first.zh and first.en.endswith(" lower")


@pytest.mark.parametrize("detail", list(ResultDetail))
@pytest.mark.parametrize("rows", [20, 1500])
def test_what_a_reader_sees_adds_up_at_every_length(pilot: Pilot, detail: ResultDetail, rows: int) -> None:
    sheet, scores = outcome_of(pilot, detail, rows)
    for row in range(0, rows, max(rows // 100, 1)):
        portrait = build_portrait(sheet, scores, row)
        assert portrait.points is not None
        for kinds in SPLITS:
            parts = [reason for reason in portrait.reasons if reason.kind in kinds and not reason.note]
            if not parts:
                continue
            for limit in range(len(parts) + 1):
                found = portrait.list_reasons(*kinds, limit=limit)
                assert sum(reason.whole_points for reason in found.shown) + found.rest == round(portrait.points)
                assert found.total == round(portrait.points)
        known = [part.whole_points for part in portrait.dimensions if part.whole_points is not None]
        assert not known or sum(known) == round(portrait.points)
        for reason in portrait.reasons:
            assert reason.note or str(abs(reason.whole_points) or "不足 1") in reason.zh


def test_a_portrait_says_where_it_comes_from(pilot: Pilot) -> None:
    sheet, scores = outcome_of(pilot, ResultDetail.FULL, rows=5)
    provenance = PortraitProvenance(contract="c-1", register="main@3", receipt="ab")
    portrait = build_portrait(sheet, scores, 0, enterprise="e", provenance=provenance)
    assert portrait.provenance.register == "main@3" and portrait.model == "credit@1"
    assert {item.code for item in portrait.items} == {"TAX-1", "LAW-1"}
    tax = next(part for part in portrait.dimensions if part.code == "tax")
    assert tax.sources == (("近12个月纳税额", "Tax paid in 12 months"),)
    assert len(portrait.dimensions) == 6
    assert next(part for part in portrait.dimensions if part.code == "people").value is None
    assert json.loads(json.dumps(portrait.as_dict()))["grade"] == portrait.grade


def test_a_lower_score_says_what_public_records_may_say(pilot: Pilot) -> None:
    sheet, scores = outcome_of(pilot, ResultDetail.FULL)
    said = {"TAX-1": ("纳税下降", "Less tax is paid"), "LAW-1": ("被诉", "It is sued")}
    items = tuple(replace(item, reason_zh=said[item.code][0], reason_en=said[item.code][1]) for item in sheet.items)
    spoken = replace(sheet, items=items)
    causes: dict[str, set[tuple[tuple[str, str], ...]]] = {}
    for row in range(300):
        for reason in build_portrait(spoken, scores, row).reasons:
            assert reason.adverse or not reason.causes
            if reason.adverse:
                causes.setdefault(reason.key, set()).add(reason.causes)
    # The same for every enterprise: it tells nothing of one.
    assert causes["tax"] == {(said["TAX-1"],)}
    assert causes["legal"] == {(said["LAW-1"],)}
    assert causes["public"] == {tuple(said[item.code] for item in items)}
    assert causes["conduct"] == {()}
    assert all(not reason.causes for reason in build_portrait(sheet, scores, 0).reasons)


def test_small_portfolios_are_compared_with_the_pilot(pilot: Pilot) -> None:
    sheet, few = outcome_of(pilot, ResultDetail.FULL, rows=29)
    _, many = outcome_of(pilot, ResultDetail.FULL, rows=30)
    assert (few.compared_with, many.compared_with) == ("pilot", "portfolio")
    _, whole = outcome_of(pilot, ResultDetail.FULL)
    for output, mean in few.baseline_means.items():
        assert mean == pytest.approx(whole.baseline_means[output], abs=1e-9)
    one = build_portrait(sheet, few, 3), build_portrait(sheet, whole, 3)
    assert one[0].score == one[1].score
    assert [r.key for r in one[0].reasons] == [r.key for r in one[1].reasons]
    assert [r.points for r in one[0].reasons] == pytest.approx([r.points for r in one[1].reasons])


def test_a_total_gives_a_score_and_no_parts(pilot: Pilot) -> None:
    sheet, scores = outcome_of(pilot, ResultDetail.TOTAL)
    portrait = build_portrait(sheet, scores, 0)
    assert portrait.score == outcome_of(pilot, ResultDetail.FULL)[1].score[0]
    assert all(part.value is None and part.points is None for part in portrait.dimensions)
    assert any("totals only" in reason.en and "仅提供总分" in reason.zh for reason in portrait.reasons)
    assert {reason.kind for reason in portrait.reasons} == {"total"}


def test_feature_subtotals_give_reasons_without_dimensions(pilot: Pilot) -> None:
    sheet, scores = outcome_of(pilot, ResultDetail.FEATURES)
    portrait = build_portrait(sheet, scores, int(np.argmax(scores.raw)))
    assert all(part.value is None for part in portrait.dimensions)
    assert {reason.kind for reason in portrait.reasons} <= {"feature", "public"}
    assert len(portrait.reasons) >= 2


@pytest.mark.property(
    "Cut-offs",
    claim="If a score is within its error of a grade's cut-off, the portrait shows both grades.",
    topic="scoring",
    code=["models.shared.portrait"],
)
def test_within_the_error_of_a_cut_off_no_side_is_picked(pilot: Pilot) -> None:
    sheet, _ = outcome_of(pilot, ResultDetail.TOTAL)
    cut = sheet.scale.cutoffs(sheet.calibration)[3]
    near = round((cut - sheet.intercept) / sheet.quantum)
    values = np.asarray([[near, near + 2, near - 2, near + 10, near - 10]])
    safer, riskier = sheet.scale.grades[3:5]
    both, wide = (safer, riskier), replace(sheet, error_bound=sheet.quantum * 3)
    for scores in (
        interpret_sums(wide, values),
        interpret_sums(replace(sheet, error_bound=sheet.quantum), values, step=3),
    ):
        assert scores.near_cutoff.tolist() == [True, True, True, False, False]
        portraits = [build_portrait(wide, scores, row) for row in range(5)]
        assert [portrait.possible_grades for portrait in portraits] == [both, both, both, (riskier,), (safer,)]
        assert [portrait.grade_text for portrait in portraits[2:]] == [f"{safer} / {riskier}", riskier, safer]
        assert [portrait.as_dict()["near_cutoff"] for portrait in portraits] == scores.near_cutoff.tolist()
    # An error that spans several cut-offs leaves every grade between them.
    widest = replace(sheet, error_bound=100.0)
    assert build_portrait(widest, interpret_sums(widest, values), 0).possible_grades == sheet.scale.grades


def test_the_exact_grade_is_always_among_those_that_may_be_right(pilot: Pilot) -> None:
    model, public, bank = pilot
    for step in (1, 64, 4096):
        sheet = model.sheet(ResultDetail.TOTAL)
        values = model.score_weights(public, ResultDetail.TOTAL, step=step).apply_to_indicators(
            sheet.compute_indicators(bank)
        )
        exact = model.score_weights(public, ResultDetail.TOTAL).apply_to_indicators(sheet.compute_indicators(bank))
        scores, finest = interpret_sums(sheet, values, step=step), interpret_sums(sheet, exact)
        assert ((scores.best_grade <= finest.grade) & (finest.grade <= scores.worst_grade)).all()
        assert (np.abs(scores.raw - finest.raw) <= scores.error_bound + finest.error_bound).all()
    assert scores.near_cutoff.any() and (scores.grade != finest.grade).any()


def test_replies_of_another_shape_are_refused(pilot: Pilot) -> None:
    sheet, _ = outcome_of(pilot, ResultDetail.FULL)
    with pytest.raises(InvalidInput, match="outputs"):
        interpret_sums(sheet, np.zeros((1, 5), dtype=np.int64))
    lying = np.zeros((len(sheet.outputs), 5), dtype=np.int64)
    lying[0, 2] = 1
    with pytest.raises(InvalidInput, match="same total"):
        interpret_sums(sheet, lying)


def test_an_empty_portfolio_is_a_valid_outcome(pilot: Pilot) -> None:
    _, scores = outcome_of(pilot, ResultDetail.FULL, rows=0)
    assert scores.score.shape == (0,) and scores.compared_with == "pilot"
