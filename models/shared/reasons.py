"""Reasons for a score: points against the mean, whole points that add up, and lists cut by size.

Points are rounded together, by the method of the largest remainder (Hamilton's method of apportionment), so that the
whole points of all parts add up to the rounded total. A cut list says what the parts that it leaves out add up to. So
what a reader sees always adds up, to the point.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lab.terms.text.bilingual import BilingualText


@dataclass(frozen=True)
class ScoreReason:
    """A reason for the score, as a sentence.

    ``points``: score points against the mean (negative is adverse). ``whole_points``: the same, rounded so that all
    reasons of one split add up. ``note``: a remark without points, which is never left out of a list. ``causes``: what
    public records may have lowered the score here; which of them did so for this enterprise, nobody at the bank knows.
    """

    kind: Literal["dimension", "feature", "public", "total"]
    key: str
    zh: str
    en: str
    points: float
    whole_points: int
    note: bool = False
    causes: tuple[BilingualText, ...] = ()

    @property
    def adverse(self) -> bool:
        """Whether it lowers the score."""
        return self.points < 0


@dataclass(frozen=True)
class ReasonList:
    """The reasons of one split that a reader sees: the largest ones, in the order given, and the sum of the others.

    ``others``: how many are left out. ``rest``: the whole points that these add up to.
    """

    shown: tuple[ScoreReason, ...]
    others: int
    rest: int

    @property
    def total(self) -> int:
        """The whole points of all reasons, shown or not."""
        return sum(reason.whole_points for reason in self.shown) + self.rest

    @property
    def rest_words(self) -> BilingualText:
        """What the reasons that are left out add up to, as a sentence."""
        verb = "adds" if self.others == 1 else "add"
        points = format_points(self.rest)
        return f"其余 {self.others:,} 项合计 {points} 分", f"The other {self.others:,} {verb} up to {points}"


def cut_reasons(reasons: Sequence[ScoreReason], limit: int) -> ReasonList:
    """The ``limit`` largest reasons, in the order given; those of no whole point are left out, notes never are."""
    counted = [place for place, reason in enumerate(reasons) if not reason.note]
    sized = sorted(counted, key=lambda place: (-abs(reasons[place].whole_points), -abs(reasons[place].points)))
    kept = {place for place in sized[:limit] if reasons[place].whole_points}
    shown = tuple(reason for place, reason in enumerate(reasons) if reason.note or place in kept)
    rest = sum(reasons[place].whole_points for place in counted if place not in kept)
    return ReasonList(shown, len(counted) - len(kept), rest)


def round_together(points: Sequence[float], total: float | None) -> list[int]:
    """Whole numbers, each less than 1 from its ``points``, that add up to the rounded ``total`` (None: to their sum's).

    A ``total`` that is more than half a point from the sum of ``points`` is not their total, and is ignored.
    """
    exact = math.fsum(points)
    target = round(exact if total is None or abs(total - exact) > 0.5 else total)
    whole = [math.floor(one) for one in points]
    by_remainder = sorted(range(len(points)), key=lambda place: whole[place] - points[place])
    for place in by_remainder[: max(target - sum(whole), 0)]:
        whole[place] += 1
    return whole


def causes_sentence(causes: Sequence[BilingualText], limit: int) -> BilingualText:
    """What may stand behind a reason, the first ``limit`` named; empty texts for no causes."""
    if not causes:
        return "", ""
    named, more = causes[:limit], len(causes) - limit
    zh = "、".join(zh for zh, _ in named) + (f"等 {len(causes)} 种情形" if more > 0 else "")
    en = "; ".join(en for _, en in named) + (f"; {more} more" if more > 0 else "")
    return f"公共记录中可能的原因（不披露是哪一项）：{zh}", f"What public records may say (not which of it): {en}"


def format_points(points: int) -> str:
    """Whole points with their sign; nothing is not signed."""
    return f"{points:+,d}" if points else "0"


def reason_sentence(words: BilingualText, whole_points: int) -> BilingualText:
    """What moved the score, in which direction and by how many points."""
    zh, en = words
    size = abs(whole_points)
    if not size:
        return f"{zh} 对评分影响不足 1 分", f"{en}: less than 1 point"
    verb, direction = ("拉低", "lower") if whole_points < 0 else ("提高", "higher")
    unit = "point" if size == 1 else "points"
    return f"{zh} {verb}评分 {size} 分", f"{en}: {size} {unit} {direction}"
