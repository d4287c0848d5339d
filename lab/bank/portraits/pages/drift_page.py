"""Two runs compared on a page: how stable scores and dimensions are, and how many grades changed."""

from __future__ import annotations

from lab.bank.portraits.drift import SHIFTED_ABOVE, STABLE_BELOW, THRESHOLD_SOURCE, DriftReport, PopulationStability
from lab.bank.portraits.pages.portrait_page import Language
from lab.bank.portraits.pages.rendering import render
from lab.bank.portraits.pages.svg_charts import ACCENT, HAIRLINE, colour_swatch, paired_columns
from lab.terms.text.bilingual import BilingualText
from models.shared.dimensions import DIMENSIONS

LEVEL_LABELS = {"stable": ("稳定", "stable"), "watch": ("关注", "watch"), "moved": ("已偏移", "moved")}
"""The name of each level of stability, in both languages."""
_WORDS = {"score": ("评分", "score")} | {one.code: (one.zh, one.en) for one in DIMENSIONS}


def stability_labels(name: str) -> BilingualText:
    """The name of the number that was measured, in both languages."""
    return _WORDS[name]


def drift_page(drift: DriftReport, *, bank: str, lang: Language = "both") -> str:
    """The page as text; ``bank``: whose runs they are."""
    score = drift.score
    return render(
        "drift.html.j2",
        lang=lang,
        bank=bank,
        drift=drift,
        columns=paired_columns(_labels(score), score.before, score.now),
        swatches=(colour_swatch(HAIRLINE), colour_swatch(ACCENT)),
        shifts=[(stability_labels(shift.name), shift, LEVEL_LABELS[shift.level]) for shift in drift.shifts],
        rows=list(zip(drift.grades, drift.moves, strict=True)),
        limits=(STABLE_BELOW, SHIFTED_ABOVE),
        source=THRESHOLD_SOURCE,
    )


def _labels(shift: PopulationStability) -> list[str]:
    edges = [f"{edge:.0f}" for edge in shift.edges]
    return [f"≤{edge}" for edge in edges] + [f">{edges[-1]}" if edges else "—"]
