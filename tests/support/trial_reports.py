"""A trial's report of made-up scores, as its page and terminal get it."""

from __future__ import annotations

import numpy as np

from lab.simulation.trial.phases import PHASE_LABELS, STEP_LABELS
from lab.simulation.trial.report import FIGURE_LABELS, MODEL_LABELS, TrialReport
from lab.simulation.trial.score_metrics import measure_discrimination


def make_trial_report(count: int = 400) -> TrialReport:
    """The report of ``count`` tested rows."""
    rng = np.random.default_rng(0)
    labels = (rng.random(count) < 0.3).astype(np.int8)
    scores = {name: labels * 1.2 + rng.normal(size=count) for name in MODEL_LABELS}
    verdict = measure_discrimination(labels, scores)
    facts = dict.fromkeys(FIGURE_LABELS, 7) | {
        "bureau_file": "<script>alert(1)</script>.csv",
        "bank_file": "bank.csv",
        "auc_encrypted": verdict.auc["encrypted"],
        "auc_plain": verdict.auc["plain"],
        "auc_bank_only": verdict.auc["bank_only"],
        "max_abs_score_error": 1e-6,
        "engine": "openmined",
        "seed": 1,
        "unlabelled": 0,
        "set_aside_bureau": 0,
        "set_aside_bank": 3,
        "seconds": dict.fromkeys(STEP_LABELS, 1.5),
        "phases": dict.fromkeys(PHASE_LABELS, 1.5) | {"total": 1.5 * len(PHASE_LABELS)},
    }
    return TrialReport(
        facts=facts,
        metrics=verdict,
        scores=600 - 40 * scores["encrypted"],
        labels=labels,
        row_outcomes=[("评分 scored", count), ("搁置 set aside", 3)],
        set_aside=[("银行 bank", "空", "empty", 3)],
        warnings=[("注意", "beware")],
    )
