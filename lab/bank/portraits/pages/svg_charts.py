"""Drawings as inline SVG: dial, grade scale, radar, bars and histograms. Numbers in, markup out.

Every text is made visible and escaped. Colours and sizes are presentation attributes, so a page needs no inline style
and no script. All drawings are readable in grey: position or a word repeats what a colour says.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup, escape

from lab.terms.text.escaping import escape_hidden

INK, MUTED, HAIRLINE, PAPER = "#17212b", "#5d6976", "#dde2e7", "#ffffff"
ACCENT, FAINT, GOOD, BAD = "#1d4e6b", "#eef2f5", "#2c6e63", "#ab4631"
# From safest to riskiest: teal over sand to brick, even in lightness so that no grade stands out.
GRADE_COLOURS: tuple[str, ...] = (
    "#2c6e63",
    "#4a8675",
    "#719f86",
    "#a0b68f",
    "#cfc48d",
    "#d9ab74",
    "#d08a5c",
    "#bf6747",
    "#a3442f",
)


@dataclass(frozen=True)
class Axis:
    """One axis of a radar: its labels and a value 0 to 100, or None if it is not known."""

    labels: tuple[str, ...]
    value: float | None


def grade_colour(index: int, count: int) -> str:
    """The colour of grade ``index`` of ``count``, safest first."""
    return GRADE_COLOURS[round(index * (len(GRADE_COLOURS) - 1) / max(count - 1, 1))]


def score_dial(score: int, low: int, high: int, bounds: Sequence[float], caption: str) -> Markup:
    """A half circle from ``low`` to ``high``, divided at ``bounds`` (descending scores at which the grade changes)."""
    width, centre_x, centre_y, radius, thick = 300, 150, 150, 122, 15
    clipped = [min(max(bound, low), high) for bound in bounds]
    edges = [float(high), *clipped, float(low)]
    parts = []
    for index, (upper, lower) in enumerate(pairwise(edges)):
        if upper - lower < 1e-9:
            continue
        path = _arc(centre_x, centre_y, radius, _share(lower, low, high), _share(upper, low, high))
        colour = grade_colour(index, len(edges) - 1)
        parts.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{thick}"/>')
    for cut in clipped:
        if low < cut < high:
            inner = _on_circle(centre_x, centre_y, radius - thick / 2 - 1, _share(cut, low, high))
            outer = _on_circle(centre_x, centre_y, radius + thick / 2 + 1, _share(cut, low, high))
            parts.append(_line(*inner, *outer, PAPER, 2))
    tip = _on_circle(centre_x, centre_y, radius - thick / 2 - 5, _share(score, low, high))
    angle = math.pi * (1 - _share(score, low, high))
    wing = [(tip[0] - 12 * math.cos(angle + turn), tip[1] + 12 * math.sin(angle + turn)) for turn in (-0.42, 0.42)]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in (tip, *wing))
    parts.append(f'<polygon points="{points}" fill="{INK}"/>')
    parts.append(_text(centre_x, 132, str(score), size=58, weight=600))
    parts.append(_text(centre_x, 156, caption, size=12, colour=MUTED))
    parts.append(_text(centre_x - radius, 170, str(low), size=11, colour=MUTED))
    parts.append(_text(centre_x + radius, 170, str(high), size=11, colour=MUTED))
    return _svg(width, 178, parts, f"score {score} of {low} to {high}", "dial")


def grade_scale(
    grades: Sequence[str], ranges: Sequence[str], current: int, place: float, *, possible: Sequence[int] = ()
) -> Markup:
    """All grades from safest to riskiest with their ranges of probability; ``place`` 0 to 1 within the current one.

    ``possible``: the grades to mark, if not the current one alone.
    """
    width, height, gap = 620.0, 34.0, 3.0
    cell = (width - gap * (len(grades) - 1)) / len(grades)
    marked = possible or (current,)
    parts = []
    for index, (grade, words) in enumerate(zip(grades, ranges, strict=True)):
        x, here = index * (cell + gap), index in marked
        colour = grade_colour(index, len(grades))
        opacity = "1" if here else "0.28"
        parts.append(
            f'<rect x="{x:.1f}" y="18" width="{cell:.1f}" height="{height}" rx="2" fill="{colour}"'
            f' opacity="{opacity}"/>'
        )
        # White text on the dark ends of the ramp, dark text on its light middle.
        label = PAPER if here and min(index, len(grades) - 1 - index) < 2 else INK
        parts.append(_text(x + cell / 2, 40, grade, size=14, weight=700 if here else 400, colour=label))
        colour, weight = (INK, 600) if here else (MUTED, 400)
        parts.append(_text(x + cell / 2, 68, words, size=10, colour=colour, weight=weight))
    x = current * (cell + gap) + cell * min(max(place, 0.06), 0.94)
    parts.append(f'<polygon points="{x - 5:.1f},6 {x + 5:.1f},6 {x:.1f},15" fill="{INK}"/>')
    return _svg(width, 74, parts, f"grade {' or '.join(grades[index] for index in marked)}", "scale")


def radar_chart(axes: Sequence[Axis]) -> Markup:
    """Values 0 to 100 on axes around a centre; rings at 25, 50, 75 and 100; unknown values leave a gap."""
    frame = _Radar(axes)
    parts = [*frame.rings(), *frame.spokes(), *frame.values()]
    for index in range(len(axes)):
        parts += frame.label(index)
    return _svg(440, 330, parts, "radar of the dimensions, 0 to 100, higher is safer", "radar")


class _Radar:
    """The parts of a radar chart; axes start at the top and go clockwise."""

    _X, _Y, _RADIUS = 220.0, 164.0, 108.0

    def __init__(self, axes: Sequence[Axis]) -> None:
        self._axes = axes
        self._angles = [math.pi / 2 - 2 * math.pi * index / len(axes) for index in range(len(axes))]

    def _at(self, index: int, value: float) -> tuple[float, float]:
        reach = self._RADIUS * value / 100
        return self._X + reach * math.cos(self._angles[index]), self._Y - reach * math.sin(self._angles[index])

    def _points(self, values: Sequence[tuple[int, float]]) -> str:
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in (self._at(index, value) for index, value in values))

    def rings(self) -> Iterator[str]:
        for ring in (100, 75, 50, 25):
            points = self._points([(index, ring) for index in range(len(self._axes))])
            fill = FAINT if ring == 100 else "none"
            stroke, dash = (MUTED, ' stroke-dasharray="2 3"') if ring == 50 else ("#cfd6dc", "")
            yield f'<polygon points="{points}" fill="{fill}" stroke="{stroke}" stroke-width="0.8"{dash}/>'

    def spokes(self) -> Iterator[str]:
        for index, axis in enumerate(self._axes):
            dash = ' stroke-dasharray="3 3"' if axis.value is None else ""
            x, y = self._at(index, 100)
            yield (
                f'<line x1="{self._X}" y1="{self._Y}" x2="{x:.1f}" y2="{y:.1f}" stroke="#cfd6dc"'
                f' stroke-width="0.8"{dash}/>'
            )

    def values(self) -> Iterator[str]:
        known = [(index, axis.value) for index, axis in enumerate(self._axes) if axis.value is not None]
        if len(known) >= 3:
            yield (
                f'<polygon points="{self._points(known)}" fill="{ACCENT}" fill-opacity="0.16" stroke="{ACCENT}"'
                ' stroke-width="2" stroke-linejoin="round"/>'
            )
        for index, value in known:
            x, y = self._at(index, value)
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.4" fill="{PAPER}" stroke="{ACCENT}" stroke-width="2"/>'

    def label(self, index: int) -> list[str]:
        """The value and the labels at an axis's end; a second language is below, smaller, wrapped."""
        axis, side, height = self._axes[index], math.cos(self._angles[index]), math.sin(self._angles[index])
        x, y = self._X + (self._RADIUS + 14) * side, self._Y - (self._RADIUS + 14) * height
        anchor = "middle" if abs(side) < 0.2 else ("start" if side > 0 else "end")
        # Beside the radar there is room for about 16 Latin letters; above and below there is more.
        lines = _label_lines(axis, 40 if anchor == "middle" else 16)
        step = 14.5
        above = len(lines) - 1 if height > 0.8 else (-0.6 if height < -0.8 else (len(lines) - 1) / 2)
        return [
            _text(x, y - step * above + step * row, words, size=size, weight=weight, colour=colour, anchor=anchor)
            for row, (words, size, weight, colour) in enumerate(lines)
        ]


def _label_lines(axis: Axis, letters: int) -> list[tuple[str, float, int, str]]:
    """The lines of an axis's label: text, size, weight and colour of each."""
    lines: list[tuple[str, float, int, str]] = [("—" if axis.value is None else f"{axis.value:.0f}", 16, 600, INK)]
    for index, label in enumerate(axis.labels):
        size, colour = (12.5, INK) if index == 0 else (10.5, MUTED)
        lines += [(row, size, 400, colour) for row in textwrap.wrap(label, letters)]
    return lines


def level_bar(value: float | None) -> Markup:
    """A thin bar of 0 to 100 with a tick at the pilot's median."""
    parts = [f'<rect x="0" y="5" width="150" height="6" rx="3" fill="{HAIRLINE}"/>']
    if value is not None:
        parts.append(f'<rect x="0" y="5" width="{1.5 * value:.1f}" height="6" rx="3" fill="{ACCENT}"/>')
    parts.append(_line(75, 2, 75, 14, MUTED, 1))
    return _svg(150, 16, parts, "not given" if value is None else f"{value:.0f} of 100", "level")


def points_bar(points: float, largest: float) -> Markup:
    """A bar to the left (lowers the score) or right (raises it) of a middle line, relative to ``largest``."""
    half = 118.0
    size = half * min(abs(points) / largest, 1.0) if largest > 0 else 0.0
    x, colour = (130 - size, BAD) if points < 0 else (130.0, GOOD)
    number_x, anchor = (x - 5, "end") if points < 0 else (x + size + 5, "start")
    if size > half - 34:  # no room outside: the number is inside the bar
        number_x, anchor = (x + 6, "start") if points < 0 else (x + size - 6, "end")
    ink = PAPER if size > half - 34 else colour
    parts = [
        f'<rect x="{x:.1f}" y="4" width="{max(size, 1):.1f}" height="14" rx="1.5" fill="{colour}"/>',
        _line(130, 0, 130, 22, MUTED, 1),
        _text(number_x, 15, f"{points:+,.0f}".replace("-", "−"), size=11, weight=600, colour=ink, anchor=anchor),
    ]
    return _svg(260, 22, parts, f"{points:+.0f} points", "points")


def histogram(counts: Sequence[int], low: float, high: float, *, mark: float | None = None) -> Markup:
    """Counts in equal bins from ``low`` to ``high``; ``mark`` draws a line, for example at the median."""
    width, height, left = 620.0, 150.0, 6.0
    top, span = max([*counts, 1]), 608.0
    step = span / max(len(counts), 1)
    parts = [_line(left, height, left + span, height, MUTED, 1)]
    for index, count in enumerate(counts):
        size = (height - 22) * count / top
        parts.append(
            f'<rect x="{left + index * step + 1:.1f}" y="{height - size:.1f}" width="{step - 2:.1f}"'
            f' height="{size:.1f}" fill="{ACCENT}" opacity="0.85"/>'
        )
    for tick in range(int(low), int(high) + 1, 100):
        x = left + span * (tick - low) / (high - low)
        anchor = "start" if tick == low else ("end" if tick == high else "middle")
        parts.append(_text(x, height + 15, str(tick), size=11, colour=MUTED, anchor=anchor))
    if mark is not None:
        x = left + span * (mark - low) / (high - low)
        parts.append(
            f'<line x1="{x:.1f}" y1="14" x2="{x:.1f}" y2="{height}" stroke="{BAD}" stroke-width="1.4"'
            f' stroke-dasharray="4 3"/>'
        )
        parts.append(_text(x, 10, f"{mark:.0f}", size=11, weight=600, colour=BAD))
    return _svg(width, height + 20, parts, "distribution of scores", "histogram")


def grade_columns(grades: Sequence[str], counts: Sequence[int]) -> Markup:
    """One column for each grade, safest first, with its count."""
    width, height, gap = 620.0, 120.0, 8.0
    cell, top = (width - gap * (len(grades) - 1)) / len(grades), max([*counts, 1])
    parts = [_line(0, height, width, height, MUTED, 1)]
    for index, (grade, count) in enumerate(zip(grades, counts, strict=True)):
        x, size = index * (cell + gap), (height - 22) * count / top
        colour = grade_colour(index, len(grades))
        parts.append(
            f'<rect x="{x:.1f}" y="{height - size:.1f}" width="{cell:.1f}" height="{size:.1f}" fill="{colour}"/>'
        )
        parts.append(_text(x + cell / 2, height - size - 5, f"{count:,}", size=11, colour=INK))
        parts.append(_text(x + cell / 2, height + 17, grade, size=13, weight=600, colour=INK))
    return _svg(width, height + 24, parts, "number of enterprises by grade", "grades")


def paired_columns(labels: Sequence[str], before: Sequence[float], now: Sequence[float]) -> Markup:
    """Two columns for each bin, before (light) and now (dark), with the shares 0 to 1 in percent."""
    width, height, gap = 620.0, 140.0, 10.0
    cell, top = (width - gap * (len(labels) - 1)) / len(labels), max(*before, *now, 1e-9)
    parts = [_line(0, height, width, height, MUTED, 1)]
    for index, (label, shares) in enumerate(zip(labels, zip(before, now, strict=True), strict=True)):
        for place, (share, colour) in enumerate(zip(shares, (HAIRLINE, ACCENT), strict=True)):
            x, size = index * (cell + gap) + place * cell / 2, (height - 22) * share / top
            parts.append(
                f'<rect x="{x:.1f}" y="{height - size:.1f}" width="{cell / 2 - 1:.1f}" height="{size:.1f}"'
                f' fill="{colour}"/>'
            )
            parts.append(_text(x + cell / 4, height - size - 5, f"{100 * share:.0f}", size=10, colour=INK))
        parts.append(_text(index * (cell + gap) + cell / 2, height + 16, label, size=11, colour=MUTED))
    return _svg(width, height + 24, parts, "shares by bin, before and now", "paired")


def share_bar(parts_of: Sequence[tuple[int, str]]) -> Markup:
    """One bar divided by counts, each (count, colour); zero counts are left out."""
    width, total = 620.0, sum(count for count, _ in parts_of)
    drawn, x = [f'<rect x="0" y="0" width="{width}" height="16" rx="2" fill="{HAIRLINE}"/>'], 0.0
    for count, colour in parts_of:
        size = width * count / total if total else 0.0
        if count:
            drawn.append(f'<rect x="{x:.2f}" y="0" width="{max(size - 1.5, 0.5):.2f}" height="16" fill="{colour}"/>')
        x += size
    return _svg(width, 16, drawn, "rows by status", "share")


def colour_swatch(colour: str) -> Markup:
    """A small square that names a colour in a key."""
    return _svg(9, 9, [f'<rect x="0" y="0" width="9" height="9" rx="1" fill="{colour}"/>'], "key", "swatch")


def _share(value: float, low: float, high: float) -> float:
    return min(max((value - low) / (high - low), 0.0), 1.0)


def _on_circle(x: float, y: float, radius: float, share: float) -> tuple[float, float]:
    angle = math.pi * (1 - share)
    return x + radius * math.cos(angle), y - radius * math.sin(angle)


def _arc(x: float, y: float, radius: float, start: float, end: float) -> str:
    (x0, y0), (x1, y1) = _on_circle(x, y, radius, start), _on_circle(x, y, radius, end)
    return f"M {x0:.2f} {y0:.2f} A {radius} {radius} 0 0 1 {x1:.2f} {y1:.2f}"


def _line(x0: float, y0: float, x1: float, y1: float, colour: str, width: float) -> str:
    return f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" stroke="{colour}" stroke-width="{width}"/>'


def _text(
    x: float, y: float, words: str, *, size: float, weight: int = 400, colour: str = INK, anchor: str = "middle"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}"'
        f' fill="{colour}">{escape(escape_hidden(words))}</text>'
    )


def _svg(width: float, height: float, parts: Sequence[str], title: str, kind: str) -> Markup:
    label = escape(escape_hidden(title))
    head = f'<svg class="{kind}" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{label}">'
    return Markup(head + "".join(parts) + "</svg>")  # every text above is escaped
