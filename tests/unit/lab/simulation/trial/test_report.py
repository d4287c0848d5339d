"""The verdict's figures against scikit-learn, and a report that loads nothing and escapes everything."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from sklearn.metrics import roc_auc_score

from lab.simulation.trial.report import (
    FIGURE_LABELS,
    MODEL_LABELS,
    format_bytes,
    write_report,
)
from lab.simulation.trial.score_metrics import max_abs_difference, measure_discrimination
from lab.simulation.trial.terminal_summary import draw_report
from tests.support.trial_reports import make_trial_report


def test_auc_and_ks_agree_with_scikit_learn():
    rng = np.random.default_rng(1)
    labels = (rng.random(900) < 0.2).astype(np.int8)
    raw = np.round(labels + rng.normal(size=900), 1)  # rounded: ties
    verdict = measure_discrimination(labels, {"one": raw})
    assert verdict.auc["one"] == pytest.approx(roc_auc_score(labels, raw), abs=1e-12)
    thresholds = np.unique(raw)
    by_hand = max(abs((raw[labels == 1] >= t).mean() - (raw[labels == 0] >= t).mean()) for t in thresholds)
    assert verdict.ks["one"] == pytest.approx(by_hand, abs=1e-12)


@pytest.mark.parametrize("labels", [np.zeros(5, np.int8), np.ones(1, np.int8), np.zeros(0, np.int8)])
def test_one_class_gives_no_figure_rather_than_a_wrong_one(labels):
    verdict = measure_discrimination(labels, {"one": np.arange(len(labels), dtype=float)})
    assert verdict.auc == {"one": None} and verdict.ks == {"one": None} and verdict.curves == {}
    assert max_abs_difference(np.zeros(0), np.zeros(0)) is None


def test_report_is_self_contained_and_escaped(tmp_path):
    page = write_report(make_trial_report(), tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert not re.findall(r"(?:src|href)\s*=", page)
    assert set(re.findall(r"https?://[^\"' <]+", page)) <= {"http://www.w3.org/2000/svg"}
    assert page.count("<polyline") == len(MODEL_LABELS)
    assert all(key in page for key in FIGURE_LABELS)
    assert "default-src 'none'" in page


def test_report_without_any_score(tmp_path):
    nothing = replace(
        make_trial_report(),
        scores=np.zeros(0),
        labels=np.zeros(0, np.int8),
        metrics=measure_discrimination(np.zeros(0, np.int8), dict.fromkeys(MODEL_LABELS, np.zeros(0))),
        facts=dict(make_trial_report().facts)
        | {"auc_encrypted": None, "auc_bank_only": None, "max_abs_score_error": None},
    )
    assert "–" in write_report(nothing, tmp_path / "report.html").read_text(encoding="utf-8")


def test_terminal_table_names_every_model():
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(draw_report(make_trial_report()))
    text = console.export_text()
    assert all(en in text for _, en in MODEL_LABELS.values())


def test_the_verdict_is_on_the_page_and_the_terminal_and_a_leak_stands_out(tmp_path):
    leak, calm = (
        ("可能泄露结果：银行列 <b>", "Possible leak: bank column <b>"),
        ("联合模型优于", "The joint model is better"),
    )
    report = replace(make_trial_report(), verdict=[calm, leak], warnings=[leak, ("注意", "beware")])
    page = write_report(report, tmp_path / "report.html").read_text(encoding="utf-8")
    assert (
        "结论<small>Verdict" in page
        and "The joint model is better" in page
        and "<b>" not in page.split("结论")[1][:900]
    )
    assert page.count("Possible leak") == 1 and '<div class="note warn"><p>可能泄露结果' in page
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(draw_report(report))
    text = console.export_text()
    assert text.count("Possible leak") == 1 and "结论 verdict · 联合模型优于" in text


@pytest.mark.parametrize(
    ("encrypted", "plain", "words"),
    [
        (0.792059846, 0.792059954, "equal to four digits (0.792060 and 0.792060, 1.1e-07 apart)"),
        (0.79204, 0.79206, "the AUCs are 0.792040 and 0.792060, 2.0e-05 apart"),
        (0.75, 0.75, "both AUCs are 0.750000"),
        (None, None, "cannot be computed"),
    ],
)
def test_aucs_are_called_equal_only_as_far_as_they_are(tmp_path, encrypted, plain, words):
    report = replace(
        make_trial_report(), facts=dict(make_trial_report().facts) | {"auc_encrypted": encrypted, "auc_plain": plain}
    )
    assert words in write_report(report, tmp_path / "report.html").read_text(encoding="utf-8")


def test_sizes_for_readers():
    assert [format_bytes(n) for n in (7, 1_500, 2_500_000, 3_210_000_000, None)] == [
        "7 B",
        "1.5 kB",
        "2.5 MB",
        "3.21 GB",
        "–",
    ]
