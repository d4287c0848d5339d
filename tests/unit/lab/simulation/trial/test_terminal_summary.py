"""The terminal gets at most thirty lines, however much there is to say."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from lab.simulation.trial.terminal_summary import draw_models, summarise_trial
from tests.support.trial_reports import make_trial_report


def test_long_lists_are_cut_and_counted() -> None:
    report = make_trial_report()
    report = replace(
        report,
        verdict=[(f"结论{i}", f"verdict {i}") for i in range(40)],
        warnings=[(f"注意{i}", f"note {i}") for i in range(40)],
    )
    lines = summarise_trial(report, report.facts["phases"])
    assert len(lines) <= 15
    assert "34 more on the page" in "".join(lines) and "36 more on the page" in "".join(lines)
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(draw_models(report))
    assert len(console.export_text().splitlines()) == 6


def test_phases_are_shown_with_their_total() -> None:
    report = make_trial_report()
    (line,) = [line for line in summarise_trial(report, report.facts["phases"]) if "seconds" in line]
    assert line.endswith(f"total {report.facts['phases']['total']:.1f}") and "job 1.5" in line
