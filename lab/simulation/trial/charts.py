"""Charts of the trial's report as inline SVG: curves, histograms and bars, printable in grey."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from lab.terms.text.escaping import escape_hidden

Floats = NDArray[np.float64]
INK, FAINT, GRID_COLOUR = "#1d2a33", "#6d7a83", "#d9dfe2"
GOOD, BAD = "#4f7f9b", "#c2553f"
_CURVE_POINTS = 240  # finer than a printer draws at this size


@dataclass(frozen=True)
class CurveStyle:
    """The style of one model's curve: colour, width and dash."""

    colour: str
    width: float = 1.6
    dash: str = ""


CURVE_STYLES: Mapping[str, CurveStyle] = {
    "encrypted": CurveStyle("#0b6b63", 3.4),
    "plain": CurveStyle("#10241f", 1.1, "2 4"),
    "free": CurveStyle("#b98317", 1.6, "7 3"),
    "bureau_only": CurveStyle("#4f7f9b"),
    "bank_only": CurveStyle("#9a6b8d"),
}


def roc_chart(curves: Mapping[str, tuple[Floats, Floats]]) -> Markup:
    """ROC curves: (false positive rates, true positive rates) for each model; the square is 320 by 320."""
    size, left, top = 320, 44, 10
    parts = [_frame(left, top, size, size)]
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = left + tick * size, top + (1 - tick) * size
        parts.append(_text(x, top + size + 16, f"{tick:g}", "middle"))
        parts.append(_text(left - 8, y + 3.5, f"{tick:g}", "end"))
        if 0 < tick < 1:
            parts.append(_line(x, top, x, top + size) + _line(left, y, left + size, y))
    parts.append(
        f'<line x1="{left}" y1="{top + size}" x2="{left + size}" y2="{top}" stroke="{GRID_COLOUR}" stroke-width="1.2"/>'
    )
    for name, style in reversed(list(CURVE_STYLES.items())):
        if name == "plain" or name not in curves:
            continue
        parts.append(_curve(curves[name], style, left, top, size))
    if "plain" in curves:  # drawn over the encrypted curve, which it equals
        parts.append(_curve(curves["plain"], CURVE_STYLES["plain"], left, top, size))
    parts.append(_text(left + size / 2, top + size + 34, "误报率 false positive rate", "middle"))
    parts.append(
        f'<text transform="translate(11 {top + size / 2}) rotate(-90)" text-anchor="middle" fill="{FAINT}">'
        "命中率 true positive rate</text>"
    )
    return _svg(left + size + 10, top + size + 42, parts, "ROC")


def score_histogram(scores: Floats, labels: NDArray[np.int8], *, low: float = 300, high: float = 900) -> Markup:
    """Two histograms of scores on one axis: shares within label 0 and within label 1, [rows] each."""
    width, height, left, top = 714, 190, 8, 8
    edges = np.linspace(low, high, 41)
    shares = {value: np.histogram(scores[labels == value], edges)[0] for value in (0, 1)}
    scaled = {value: counts / max(1, counts.sum()) for value, counts in shares.items()}
    peak = max(float(part.max()) for part in scaled.values()) or 1.0
    step = width / (len(edges) - 1)
    parts = []
    for value, colour, opacity in ((0, GOOD, 0.55), (1, BAD, 0.5)):
        bars = "".join(
            f'<rect x="{left + i * step + 0.6:.1f}" y="{top + height * (1 - share / peak):.1f}" '
            f'width="{step - 1.2:.1f}" height="{height * share / peak:.1f}"/>'
            for i, share in enumerate(scaled[value])
            if share
        )
        parts.append(f'<g fill="{colour}" fill-opacity="{opacity}">{bars}</g>')
    parts.append(f'<line x1="{left}" y1="{top + height}" x2="{left + width}" y2="{top + height}" stroke="{INK}"/>')
    for tick in np.linspace(low, high, 7):
        x = left + (tick - low) / (high - low) * width
        parts.append(_text(x, top + height + 16, f"{tick:.0f}", "middle" if low < tick < high else _end(tick == low)))
    return _svg(left + width + 8, top + height + 22, parts, "scores")


def bar_chart(rows: Sequence[tuple[str, float, str, str]], *, wide: int = 730, label: int = 230) -> Markup:
    """Horizontal bars from zero: rows of (label, value, value as text, colour)."""
    peak = max((value for _, value, _, _ in rows), default=0.0) or 1.0
    room = wide - label - 96
    parts = []
    for i, (name, value, words, colour) in enumerate(rows):
        y = 6 + i * 24
        parts.append(_text(0, y + 12, name, "start", INK))
        parts.append(
            f'<rect x="{label}" y="{y + 2}" width="{max(0.8, room * value / peak):.1f}" height="13" fill="{colour}"/>'
        )
        parts.append(_text(label + max(0.8, room * value / peak) + 7, y + 12.5, words, "start", INK))
    return _svg(wide, 10 + 24 * len(rows), parts, "bars")


def stacked_bar(parts_of_whole: Sequence[tuple[str, int, str]], *, wide: int = 730) -> Markup:
    """One bar divided into parts: rows of (label, count, colour), with a legend below."""
    whole = sum(count for _, count, _ in parts_of_whole) or 1
    drawn, x = [], 0.0
    for _, count, colour in parts_of_whole:
        span = wide * count / whole
        drawn.append(f'<rect x="{x:.1f}" y="2" width="{max(0.0, span - 1):.1f}" height="20" fill="{colour}"/>')
        x += span
    for i, (name, count, colour) in enumerate(parts_of_whole):
        y = 44 + (i // 2) * 20
        at = (i % 2) * wide / 2
        drawn.append(f'<rect x="{at}" y="{y - 9}" width="9" height="9" fill="{colour}"/>')
        drawn.append(_text(at + 16, y, f"{name}: {count:,}", "start", INK))
    return _svg(wide, 52 + 20 * ((len(parts_of_whole) - 1) // 2), drawn, "rows")


def curve_swatch(style: CurveStyle) -> Markup:
    """A short line in a model's style, for legends."""
    dash = f' stroke-dasharray="{style.dash}"' if style.dash else ""
    return Markup(
        f'<svg width="30" height="8" aria-hidden="true"><line x1="0" y1="4" x2="30" y2="4" stroke="{style.colour}" '
        f'stroke-width="{style.width}"{dash}/></svg>'
    )


def _curve(curve: tuple[Floats, Floats], style: CurveStyle, left: float, top: float, size: float) -> str:
    false, true = curve
    # Sample along the curve's length, not in equal steps: the bends need the most points.
    length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(false), np.diff(true)))])
    at = np.linspace(0, length[-1], _CURVE_POINTS)
    x, y = np.interp(at, length, false), np.interp(at, length, true)
    points = " ".join(f"{left + a * size:.1f},{top + (1 - b) * size:.1f}" for a, b in zip(x, y, strict=True))
    dash = f' stroke-dasharray="{style.dash}"' if style.dash else ""
    return (
        f'<polyline points="{points}" fill="none" stroke="{style.colour}" stroke-width="{style.width}" '
        f'stroke-linejoin="round"{dash}/>'
    )


def _frame(left: float, top: float, width: float, height: float) -> str:
    return f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="none" stroke="{GRID_COLOUR}"/>'


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{GRID_COLOUR}" stroke-width="0.6"/>'


def _text(x: float, y: float, words: str, anchor: str, colour: str = FAINT) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(escape_hidden(words))}</text>'


def _end(first: bool) -> str:
    return "start" if first else "end"


def _svg(width: float, height: float, parts: Sequence[str], title: str) -> Markup:
    label = escape(escape_hidden(title))
    return Markup(
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img" aria-label="{label}" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )
