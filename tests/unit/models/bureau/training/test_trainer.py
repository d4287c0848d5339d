"""Training: figures on public data, untidy samples, and samples from which nothing can be learnt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from lab.terms.contract.document import ResultDetail
from lab.terms.errors import InvalidInput
from models.bureau import serialization
from models.bureau.training.measurement import calibrate
from models.bureau.training.settings import TrainingSettings
from models.bureau.training.trainer import fit_baseline, train_model
from models.shared.features import FeatureDescription
from models.shared.portfolio_scores import interpret_sums

DATA = Path(__file__).parents[5] / "../shared/data/fate"


def untidy(rows: int, seed: int = 0) -> tuple[pl.DataFrame, pl.DataFrame, np.ndarray]:
    """A sample as read from files: all text, gaps, a constant and an empty column, categories, outliers of 1e10."""
    rng = np.random.default_rng(seed)
    risk = rng.normal(size=rows)
    label = (risk + rng.normal(size=rows) > 0.8).astype(int)

    def cells(values: np.ndarray, gaps: float = 0.1) -> list[str | None]:
        return [None if rng.random() < gaps else str(value) for value in values]

    outliers = np.where(rng.random(rows) < 0.02, 1e10, risk + rng.normal(size=rows))
    public = {
        "tax": cells(outliers),
        "city": cells(rng.choice(["北京", "上海", "other", "广州"], rows)),
        "constant": ["1"] * rows,
        "empty": [None] * rows,
    }
    bank = {
        "overdue": cells(np.maximum(0, np.rint(risk * 2 + rng.normal(size=rows)))),
        "product": cells(np.where(risk > 0.5, "loan", rng.choice(["card", "deposit"], rows))),
        "same": ["x"] * rows,
        "id_like": [f"n{number}" for number in range(rows)],
    }
    frames = [pl.DataFrame(part, schema=dict.fromkeys(part, pl.String)) for part in (public, bank)]
    return frames[0], frames[1], label


@pytest.mark.parametrize(("family", "interactions"), [("boosted", "one"), ("boosted", "free"), ("scorecard", "one")])
@pytest.mark.parametrize("rows", [100, 700])
def test_untidy_samples_train_and_score_exactly(family: Any, interactions: Any, rows: int) -> None:
    public, bank, label = untidy(rows)
    trained = train_model(
        public, bank, label, TrainingSettings(family=family, interactions=interactions, seed=4, date="2026-01-31")
    )
    model = serialization.load_model(serialization.serialize_model(trained.model))
    later_public, later_bank, later_label = untidy(400, seed=1)  # new text values, other gaps
    raw = model.raw_scores(later_public, later_bank)
    assert roc_auc_score(later_label, raw) > 0.6
    for detail in (ResultDetail.TOTAL, ResultDetail.DIMENSIONS):
        sheet = model.sheet(detail)
        sums = model.score_weights(later_public, detail).apply_to_indicators(sheet.compute_indicators(later_bank))
        scores = interpret_sums(sheet, sums)
        assert np.abs(scores.raw - raw).max() <= sheet.error_bound <= 1e-3
        assert scores.score.min() >= 300 and scores.score.max() <= 900
    assert model.card.date == "2026-01-31" and model.card.rows == rows
    assert any("constant" in warning.en and "empty" in warning.en for warning in model.card.warnings)


def test_notes_of_both_parties_name_rows_of_the_sample() -> None:
    label = np.arange(300) % 2
    frame = pl.DataFrame({"a": [str(n) for n in range(299)] + ["x"]})
    settings = TrainingSettings(trees=2)
    trained = train_model(frame, frame.rename({"a": "b"}), label, settings, row_numbers=np.arange(300) + 2)
    assert [one.notes[0].places for one in trained.summaries] == [(301,), (301,)]


@pytest.mark.parametrize("family", ["boosted", "scorecard"])
def test_training_twice_gives_the_same_bytes(family: Any) -> None:
    public, bank, label = untidy(300)
    one, other = (train_model(public, bank, label, TrainingSettings(family=family, seed=9)).model for _ in range(2))
    assert serialization.serialize_model(one) == serialization.serialize_model(other)


@pytest.mark.parametrize("rows", [100, 700])
def test_without_comparison_the_model_is_the_same(rows: int) -> None:
    """A trial compares the models on rows of its own, so its training need not."""
    public, bank, label = untidy(rows)
    full, alone = (
        train_model(public, bank, label, TrainingSettings(seed=4, compared=compared)) for compared in (True, False)
    )
    assert alone.model.forest == full.model.forest and alone.model.calibration == full.model.calibration
    assert alone.model.references == full.model.references
    assert full.model.card.verdict.comparisons and not alone.model.card.verdict.comparisons
    assert alone.model.card.verdict.leaks == full.model.card.verdict.leaks
    assert alone.facts == {name: full.facts[name] for name in ("auc_model", "ks_model")}
    assert serialization.load_model(serialization.serialize_model(alone.model)) == alone.model


def test_probabilities_are_calibrated_and_ordered_as_the_scores() -> None:
    public, bank, label = untidy(3000)
    model = train_model(public, bank, label, TrainingSettings(seed=2)).model
    raw = model.raw_scores(*untidy(3000, seed=5)[:2])
    probability = model.calibration.probability(raw)
    assert abs(probability.mean() - label.mean()) < 0.03
    assert (np.diff(probability[np.argsort(raw)]) >= 0).all()


def test_scores_without_signal_keep_their_order_and_the_mean_probability() -> None:
    label = np.asarray([0, 1] * 50)
    calibration, flat = calibrate(-label + np.linspace(0, 0.1, 100), label)
    assert flat and calibration.slope > 0
    assert abs(calibration.probability(np.zeros(1))[0] - 0.5) < 0.01


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ([0] * 60, "one"),
        ([1] * 60, "one"),
        ([0, 1] * 30 + [1], "as many labels"),
        ([0, 2] * 30, "0 and 1"),
        ([0, np.nan] * 30, "0 and 1"),
        (["yes"] * 60, "found text"),
        ([1] * 3 + [0] * 57, "of each class"),
    ],
)
def test_labels_that_cannot_be_learnt_from_are_refused(label: list[Any], words: str) -> None:
    frame = pl.DataFrame({"a": [str(n) for n in range(60)]})
    with pytest.raises(InvalidInput, match=words):
        train_model(frame, frame, label)


def test_too_few_rows_are_refused() -> None:
    for rows in (0, 1, 20):
        frame = pl.DataFrame({"a": [str(n) for n in range(rows)]}, schema={"a": pl.String})
        with pytest.raises(InvalidInput):
            train_model(frame, frame, [n % 2 for n in range(rows)])


@pytest.mark.parametrize("family", ["boosted", "scorecard"])
def test_features_without_signal_still_give_a_model(family: Any) -> None:
    rng = np.random.default_rng(0)
    useful = pl.DataFrame({"a": rng.normal(size=200)})
    useless = pl.DataFrame({"b": ["1"] * 200})
    label = (useful["a"].to_numpy() > 0.3).astype(int)
    for public, bank in ((useful, useless), (useless, useful), (useless, useless)):
        model = train_model(public, bank, label, TrainingSettings(family=family, seed=0)).model
        for detail in ResultDetail:
            sheet = model.sheet(detail)
            indicators = sheet.compute_indicators(bank)
            assert indicators.shape == (len(sheet.columns), 200)
            scores = interpret_sums(sheet, model.score_weights(public, detail).apply_to_indicators(indicators))
            assert np.abs(scores.raw - model.raw_scores(public, bank)).max() <= sheet.error_bound


def test_words_reach_the_sheet_and_unasked_features_do_not() -> None:
    public, bank, label = untidy(500)
    words = {"tax": FeatureDescription(item="TAX-1", zh="近12个月纳税额", en="Tax paid in 12 months", dimension="tax")}
    sheet = train_model(public, bank, label, TrainingSettings(public_descriptions=words)).model.sheet(ResultDetail.FULL)
    assert [(item.code, item.zh, item.dimension) for item in sheet.items if item.code == "TAX-1"] == [
        ("TAX-1", "近12个月纳税额", "tax")
    ]
    assert "same" not in {feature.name for feature in sheet.features}
    assert {output.key for output in sheet.outputs if output.kind == "dimension"} >= {"tax", "conduct"}


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the public data sets in ../shared/data")
def test_default_credit_reaches_the_figures_of_the_design() -> None:
    host = pl.read_csv(DATA / "default_credit_hetero_host.csv", infer_schema=False)
    guest = pl.read_csv(DATA / "default_credit_hetero_guest.csv", infer_schema=False)
    label = guest["y"].cast(pl.Int64).to_numpy()
    public, bank = host.drop("id"), guest.drop("id", "y")
    # By label value, as a trial splits. Over six such splits the AUC is between 0.782 and 0.789; over splits without
    # regard to the label a few are below 0.78, for every model.
    learn, test = train_test_split(np.arange(len(label)), test_size=0.3, random_state=0, stratify=label)
    trained = train_model(public[learn], bank[learn], label[learn], TrainingSettings(seed=1))
    auc = roc_auc_score(label[test], trained.model.raw_scores(public[test], bank[test]))
    alone = fit_baseline(public[learn], bank[learn], label[learn], parties=("bank",), seed=1)
    assert auc >= 0.78
    assert auc > roc_auc_score(label[test], alone.raw_scores(public[test], bank[test])) + 0.02
    assert set(trained.facts) == {"auc_model", "ks_model", "auc_bank_only", "auc_bureau_only", "auc_free"}
    assert trained.model.column_count < 120 and trained.model.quantum <= 2**-15


def test_the_card_says_what_training_could_not_use_and_what_to_conclude() -> None:
    public, bank, label = untidy(3000)
    bank = bank.with_columns(pl.Series("ended", [str(one) for one in label.tolist()]))
    note = ("样本有 7 户有多行", "7 enterprises have several rows")
    for family in ("boosted", "scorecard"):
        settings = TrainingSettings(family=family, sample_notes=(note,))  # type: ignore[arg-type]
        card = train_model(public, bank, label, settings).model.card
        verdict = card.verdict
        assert {(one.feature, one.kind) for one in verdict.leaks} == {("ended", "equals_label")}
        assert {("constant", "constant"), ("empty", "empty"), ("same", "constant")} <= {
            (one.feature, one.kind) for one in verdict.remarks
        }
        assert [one.other for one in verdict.comparisons] == ["bank_only", "bureau_only", "free"]
        assert verdict.comparisons[0].low <= 0.001 and verdict.comparisons[1].low > 0.1  # the leak is the whole model
        assert (verdict.rows, verdict.cross_fitted, verdict.conclusive) == (600, False, True)
        assert (card.warnings[0].zh, card.warnings[0].en) == note
        assert "Possible leak: bank column ended" in card.warnings[1].en
        assert any("看不出" in zh for zh, _ in card.text_lines())


def test_a_joint_model_is_better_only_with_what_the_other_party_knows() -> None:
    rng = np.random.default_rng(0)
    known, noise = rng.normal(size=3000), rng.normal(size=3000)
    label = (known + rng.normal(size=3000) > 1.0).astype(int)
    useful, useless = pl.DataFrame({"a": known}), pl.DataFrame({"b": noise})
    found = {
        (party, one.other): (one.low > 0, one.high < 0)
        for party, public, bank in (("bank", useless, useful), ("bureau", useful, useless))
        for one in train_model(public, bank, label, TrainingSettings(family="scorecard")).model.card.verdict.comparisons
    }
    assert found["bank", "bureau_only"] == (True, False) and found["bureau", "bank_only"] == (True, False)
    assert not found["bank", "bank_only"][0] and not found["bureau", "bureau_only"][0]


def test_few_defaults_are_scored_crosswise_and_conclude_nothing() -> None:
    rng = np.random.default_rng(1)
    label = np.zeros(2500, dtype=int)
    label[:12] = 1
    frame = pl.DataFrame({"a": label + rng.normal(size=2500)})
    card = train_model(frame, frame.rename({"a": "b"}), label, TrainingSettings(trees=20)).model.card
    assert (card.verdict.rows, card.verdict.positives, card.verdict.cross_fitted) == (2500, 12, True)
    assert not card.verdict.conclusive and any("too few to tell" in en for _, en in card.text_lines())


@pytest.mark.parametrize(("rows", "measured"), [(300, 300), (2500, 500)])
def test_the_figures_and_the_verdict_are_of_the_same_rows(rows: int, measured: int) -> None:
    """A small sample has no second set of figures, of the fifth that would be held out."""
    public, bank, label = untidy(rows)
    trained = train_model(public, bank, label, TrainingSettings(trees=20))
    card, facts = trained.model.card, trained.facts
    assert card.held_out == card.verdict.rows == measured
    for one in card.verdict.comparisons:
        assert facts["auc_model"] - facts[f"auc_{one.other}"] == pytest.approx(one.difference, abs=1e-6)
    how = "each scored by a model that had not seen it" if rows == measured else "held out of the training"
    assert f"Measured on {measured} enterprises ({how})" in [en for _, en in card.text_lines()]


def test_a_table_wider_than_a_model_is_trained_without_its_constants() -> None:
    """The card stays within its limits, counts the rest, and can be read again."""
    rng = np.random.default_rng(2)
    rows, name = 60, "长" * 190
    label = np.arange(rows) % 2
    bank = pl.DataFrame({"a": label + rng.normal(size=rows)} | {f"{n}{name}": [1.0] * rows for n in range(4100)})
    public = pl.DataFrame({"b": rng.normal(size=rows)})
    trained = train_model(public, bank, label, TrainingSettings(trees=5)).model
    card = serialization.load_model(serialization.serialize_model(trained)).card
    assert card == trained.card and card.verdict.remark_count >= 4100 and len(card.verdict.remarks) == 200
    assert [feature.name for feature in trained.features] == ["b", "a"]


def test_too_many_columns_that_vary_are_refused_before_training() -> None:
    rng = np.random.default_rng(3)
    bank = pl.DataFrame(rng.integers(0, 9, (40, 4001)))
    with pytest.raises(InvalidInput, match=r"at most 4,000 feature columns.*4,001"):
        train_model(pl.DataFrame({"b": [1.0] * 40}), bank, np.arange(40) % 2)


def test_unreadable_cells_are_counted_by_party_and_column() -> None:
    """Both parties have columns of one name; none of those with unreadable cells is a number only."""
    rng = np.random.default_rng(4)
    label = np.arange(200) % 2

    def cells(values: list[str], strange: int) -> list[str]:
        return ["unclear #"] * strange + values[strange:]

    days = [str(np.datetime64("2020-01-01") + int(day)) for day in rng.integers(0, 900, 200)]
    numbers = [f"{number:.3f}" for number in label + rng.normal(size=200)]
    public = pl.DataFrame({"when": cells(days, 3), "a": numbers, "same": ["1"] * 200})
    bank = pl.DataFrame({"when": cells(days[::-1], 2), "b": cells(numbers, 4), "same": ["2"] * 200})
    texts = [
        (one.zh, one.en) for one in train_model(public, bank, label, TrainingSettings(trees=5)).model.card.warnings
    ]
    assert ("3 个单元格无法按该列的类型读取，按缺失处理：数据局列 when (3)") in [zh for zh, _ in texts]
    kind = "cells cannot be read as the kind of their column and count as missing"
    assert {f"3 {kind}: bureau column when (3)", f"6 {kind}: bank column b (4), when (2)"} <= {en for _, en in texts}
    assert {en.split(": ")[1] for _, en in texts if "constant" in en} == {"bank column same", "bureau column same"}
    assert not any("not numbers" in en for _, en in texts)


def test_many_warnings_are_cut_with_their_count() -> None:
    public, bank, label = untidy(100)
    notes = tuple((f"{number}" + "长" * 500, "x") for number in range(300))
    card = train_model(public, bank, label, TrainingSettings(trees=5, sample_notes=notes)).model.card
    assert len(card.warnings) == 100 and card.warnings[-1].en.endswith("more warnings are not listed")
    assert max(len(warning.zh) for warning in card.warnings) <= 400
