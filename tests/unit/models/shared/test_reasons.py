"""Lists of reasons: cut by size, in order, and what is shown adds up with what is left out."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from models.shared.reasons import (
    ReasonList,
    ScoreReason,
    causes_sentence,
    cut_reasons,
    format_points,
    reason_sentence,
    round_together,
)

POINTS = st.lists(st.floats(-300, 300), max_size=40)


def listed(points: list[float], note: bool = False) -> list[ScoreReason]:
    whole = round_together(points, None)
    reasons = [
        ScoreReason("feature", str(n), "", "", one, rounded)
        for n, (one, rounded) in enumerate(zip(points, whole, strict=True))
    ]
    remark = [ScoreReason("total", "detail", "", "", 0.0, 0, note=True)] if note else []
    return sorted(reasons, key=lambda reason: (not reason.adverse, -abs(reason.points))) + remark


def test_many_causes_are_counted() -> None:
    assert causes_sentence((), 2) == ("", "")
    two = [("甲", "one"), ("乙", "two")]
    assert causes_sentence(two, 2)[1].endswith("one; two")
    zh, en = causes_sentence([*two, ("丙", "three")], 2)
    assert zh.endswith("甲、乙等 3 种情形") and en.endswith("one; two; 1 more")


@given(POINTS)
def test_whole_points_add_up_and_are_less_than_one_off(points: list[float]) -> None:
    whole = round_together(points, None)
    assert sum(whole) == round(math.fsum(points))
    assert all(abs(rounded - one) < 1 for rounded, one in zip(whole, points, strict=True))
    assert all(rounded * one >= 0 for rounded, one in zip(whole, points, strict=True))  # never the wrong sign


@given(POINTS, st.integers(0, 12), st.booleans())
def test_what_is_shown_and_the_rest_add_up(points: list[float], limit: int, note: bool) -> None:
    reasons = listed(points, note)
    found = cut_reasons(reasons, limit)
    assert found.total == sum(reason.whole_points for reason in found.shown) + found.rest
    assert found.total == round(math.fsum(points))
    assert len(found.shown) - note + found.others == len(points)
    assert len(found.shown) - note <= limit
    places = [reasons.index(reason) for reason in found.shown]
    assert places == sorted(places)  # the order stays
    kept = [abs(reason.whole_points) for reason in found.shown if not reason.note]
    hidden = [abs(reason.whole_points) for reason in reasons if reason not in found.shown]
    assert min(kept, default=math.inf) >= (max(hidden, default=0) if len(kept) == limit else 0)
    assert len(kept) == limit or not any(hidden)


def test_the_largest_positive_reason_is_not_hidden_by_small_negative_ones() -> None:
    found = cut_reasons(listed([-9.0, -8.0, -7.0, -6.0, -5.0, -4.0, -3.0, -1.0, 10.0]), 8)
    assert [reason.whole_points for reason in found.shown] == [-9, -8, -7, -6, -5, -4, -3, 10]
    assert (found.others, found.rest, found.total) == (1, -1, -33)
    assert found.rest_words == ("其余 1 项合计 -1 分", "The other 1 adds up to -1")


def test_both_splits_round_to_the_same_total_at_half_a_point() -> None:
    assert sum(round_together([1.25, 1.25], 2.5 + 1e-9)) == 3
    assert sum(round_together([2.0, 0.5], 2.5 + 1e-9)) == 3
    assert sum(round_together([2.0, 0.5], 40.0)) == 2  # not their total


def test_words_have_a_sign_and_never_a_false_zero() -> None:
    assert [format_points(n) for n in (-1200, 0, 7)] == ["-1,200", "0", "+7"]
    assert reason_sentence(("税", "Tax"), -1) == ("税 拉低评分 1 分", "Tax: 1 point lower")
    assert reason_sentence(("税", "Tax"), 12) == ("税 提高评分 12 分", "Tax: 12 points higher")
    assert reason_sentence(("税", "Tax"), 0) == ("税 对评分影响不足 1 分", "Tax: less than 1 point")


def test_nothing_to_show_is_an_empty_list() -> None:
    assert cut_reasons([], 8) == ReasonList((), 0, 0)
