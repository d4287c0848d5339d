"""The sentences of a verdict: one for each outcome, in both languages, and short whatever the table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.bureau.training_verdict import (
    MAX_LEAKS,
    MAX_REMARKS,
    AucDifference,
    FeatureRemark,
    LeakSign,
    TrainingVerdict,
)
from models.bureau.verdict_words import LEAKS, REMARKS, list_names, verdict_lines, verdict_summary

ENOUGH = TrainingVerdict(rows=1000, positives=200)


def lines(verdict: TrainingVerdict) -> str:
    return "\n".join(f"{zh} {en}" for zh, en in verdict_lines(verdict))


@pytest.mark.parametrize(
    ("low", "high", "zh", "en"),
    [
        (0.01, 0.03, "联合模型优于仅用银行数据", "is better than the bank's data alone by more than chance"),
        (-0.01, 0.03, "看不出联合模型优于", "is not better than the bank's data alone by more than chance"),
        (-0.03, -0.01, "联合模型不如", "is worse than the bank's data alone"),
    ],
)
def test_better_only_if_by_more_than_chance(low: float, high: float, zh: str, en: str) -> None:
    compared = replace(ENOUGH, comparisons=(AucDifference("bank_only", (low + high) / 2, low, high),))
    assert zh in lines(compared) and en in lines(compared)


@pytest.mark.parametrize(
    ("low", "high", "en"),
    [(-0.03, -0.01, "would be better: AUC +0.0200, 95 % interval +0.0100 to +0.0300"), (0.01, 0.03, "would be worse")],
)
def test_free_helps_if_the_joint_model_is_worse(low: float, high: float, en: str) -> None:
    assert en in lines(replace(ENOUGH, comparisons=(AucDifference("free", (low + high) / 2, low, high),)))


@pytest.mark.parametrize(("rows", "positives", "words"), [(400, 29, "in default"), (400, 371, "that did not default")])
def test_too_few_cases_conclude_nothing(rows: int, positives: int, words: str) -> None:
    found = AucDifference("bank_only", 0.2, 0.1, 0.3)
    text = lines(TrainingVerdict(rows, positives, comparisons=(found,)))
    assert "太少" in text and f"Only 29 of the tested enterprises are {words}: too few to tell" in text
    assert "better than" not in text and "优于" not in text
    assert not TrainingVerdict(rows, positives).conclusive and ENOUGH.conclusive


@pytest.mark.parametrize("crosswise", [True, False])
def test_the_verdict_says_of_what_chance_it_speaks(crosswise: bool) -> None:
    found = (AucDifference("bank_only", 0.02, 0.01, 0.03), AucDifference("free", 0.0, 0.0, 0.0))
    text = lines(replace(ENOUGH, cross_fitted=crosswise, comparisons=found))
    assert text.count("the models are taken as they are") == text.count("模型视为不变") == 1
    assert ("the scores of five models are pooled" in text) == ("五个模型" in text) == crosswise
    assert "taken as they are" not in lines(ENOUGH)


def test_no_negative_zero() -> None:
    assert "-0.0000" not in lines(replace(ENOUGH, comparisons=(AucDifference("free", 0.0, 0.0, 0.0),)))


def test_every_leak_and_remark_has_words() -> None:
    for kind in LEAKS:
        text = lines(replace(ENOUGH, leaks=(LeakSign("term", "bank", kind, 0.98),), leak_count=1))  # type: ignore[arg-type]
        assert "银行列 term" in text and "Possible leak: bank column term" in text
    for kind in REMARKS:
        text = lines(replace(ENOUGH, remarks=(FeatureRemark("tax", "bureau", kind),), remark_count=1))  # type: ignore[arg-type]
        assert "1 bureau column (tax):" in text and "1 个数据局列" in text


def test_ten_thousand_columns_of_long_names_stay_short() -> None:
    leaks = tuple(LeakSign("长" * 200, "bank", "alone", 0.99) for _ in range(MAX_LEAKS))
    remarks = tuple(FeatureRemark(f"{number}" + "名" * 190, "bank", "constant") for number in range(MAX_REMARKS))
    verdict = replace(ENOUGH, leaks=leaks, leak_count=10_000, remarks=remarks, remark_count=10_000)
    found = verdict_lines(verdict)
    assert len(found) < 20 and max(len(text) for pair in found for text in pair) <= 400
    text = lines(verdict)
    assert "9,990 more columns may give away the outcome" in text and "9,800 more columns have such remarks" in text
    assert "200 bank columns" in text and "200 in all" in text
    assert verdict_summary(verdict)["leak_count"] == 10_000


def test_names_are_listed_whole_or_counted() -> None:
    assert list_names(["a", "b"]) == ("a, b", "a, b")
    zh, en = list_names([f"column {number}" for number in range(100)])
    assert zh.endswith("共 100 列") and en.endswith("100 in all") and len(en) < 200
