"""Two runs as a page: how stable the scores and dimensions are, and who has another grade."""

from __future__ import annotations

from lab.bank.portraits.drift import MOVED, SOURCE, STABLE, Drift, Shift
from lab.bank.portraits.pages.portrait_page import Language
from lab.bank.portraits.pages.rendering import render
from lab.bank.portraits.pages.svg_charts import ACCENT, HAIR, paired_columns, swatch
from models.shared.dimensions import DIMENSIONS

READINGS = {"stable": ("稳定", "stable"), "watch": ("关注", "to be watched"), "moved": ("已偏移", "moved")}
"""What an index is called, in both languages."""
_WORDS = {"score": ("评分", "score")} | {one.code: (one.zh, one.en) for one in DIMENSIONS}


def words_of(name: str) -> tuple[str, str]:
    """What a shift is of, in both languages."""
    return _WORDS[name]


def drift_page(drift: Drift, *, bank: str, lang: Language = "both") -> str:
    """The page as text; ``bank``: whose runs they are."""
    score = drift.score
    return render(
        "drift.html.j2",
        lang=lang,
        bank=bank,
        drift=drift,
        columns=paired_columns(_labels(score), score.before, score.now),
        swatches=(swatch(HAIR), swatch(ACCENT)),
        shifts=[(words_of(shift.name), shift, READINGS[shift.reading]) for shift in drift.shifts],
        rows=list(zip(drift.grades, drift.moves, strict=True)),
        limits=(STABLE, MOVED),
        source=SOURCE,
    )


def _labels(shift: Shift) -> list[str]:
    edges = [f"{edge:.0f}" for edge in shift.edges]
    return [f"≤{edge}" for edge in edges] + [f">{edges[-1]}" if edges else "—"]
