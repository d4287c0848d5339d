"""Working days over weekends, holidays and weekend days that are worked; files of holidays that are refused."""

from __future__ import annotations

from datetime import date

import pytest

from lab.bureau.data.credit_repair.rules.working_days import DueDay, default_calendar, read_holidays
from lab.terms.errors import InvalidInput

GOOD = """
format = "shulab-holidays/1"
[years.2027]
zh = "通知"
en = "notice"
off = [[2027-01-01, 2027-01-03]]
worked = [2027-01-09]
"""


@pytest.mark.parametrize(
    ("opened", "days", "due"),
    [
        (date(2026, 6, 1), 1, date(2026, 6, 2)),  # a Monday: the day itself is not counted
        (date(2026, 6, 5), 1, date(2026, 6, 8)),  # over a weekend
        (date(2026, 6, 6), 1, date(2026, 6, 8)),  # opened on a Saturday
        (date(2026, 6, 18), 1, date(2026, 6, 22)),  # over the Dragon Boat Festival, Friday to Sunday
        (date(2026, 2, 13), 1, date(2026, 2, 14)),  # a Saturday that is worked
        (date(2026, 2, 14), 1, date(2026, 2, 24)),  # nine days of the Spring Festival
        (date(2026, 2, 13), 5, date(2026, 2, 27)),
        (date(2026, 2, 13), 6, date(2026, 2, 28)),  # another Saturday that is worked
        (date(2026, 9, 24), 7, date(2026, 10, 12)),  # Mid-Autumn, the National Day, 10 October worked
        (date(2026, 9, 30), 1, date(2026, 10, 8)),
        (date(2026, 9, 18), 1, date(2026, 9, 20)),  # a Sunday that is worked
    ],
)
def test_due_days_of_2026(opened: date, days: int, due: date) -> None:
    assert default_calendar().due_day(opened, days) == DueDay(due, certain=True)


def test_a_year_whose_holidays_are_not_known_is_said() -> None:
    assert default_calendar().due_day(date(2026, 12, 30), 1) == DueDay(date(2026, 12, 31), certain=True)
    assert default_calendar().due_day(date(2026, 12, 31), 1) == DueDay(date(2027, 1, 1), certain=False)
    known = read_holidays(GOOD.encode(), "h.toml")
    assert known.due_day(date(2026, 12, 31), 1) == DueDay(date(2027, 1, 4), certain=True)
    assert known.due_day(date(2027, 1, 8), 1) == DueDay(date(2027, 1, 9), certain=True)


def test_every_term_ends_on_a_working_day_with_that_many_counted() -> None:
    calendar = default_calendar()
    for first in (date(2026, 1, 1), date(2026, 2, 10), date(2026, 4, 3), date(2026, 9, 19)):
        for days in range(1, 40):
            due = calendar.due_day(first, days).day
            between = [date.fromordinal(number) for number in range(first.toordinal() + 1, due.toordinal() + 1)]
            assert sum(map(calendar.is_working_day, between)) == days
            assert calendar.is_working_day(due)


@pytest.mark.parametrize(
    "content",
    [
        GOOD + 'other = "x"\n',
        GOOD.replace("holidays/1", "holidays/2"),
        GOOD.replace("2027-01-03", "2028-01-03"),
        GOOD.replace("[[2027-01-01, 2027-01-03]]", "[[2027-01-03, 2027-01-01]]"),
        GOOD.replace("[[2027-01-01, 2027-01-03]]", "[[2027-01-01]]"),
        GOOD.replace("2027-01-09", "2027-01-02"),  # off and worked
        GOOD.replace("2027-01-09", "2027-01-11"),  # a Monday is worked anyway
        GOOD.replace("2027-01-09", '"2027-01-09"'),
        GOOD.replace("years.2027", "years.27"),
        "not toml = = 1",
        "\udcff",
    ],
)
def test_a_file_of_holidays_that_does_not_fit_is_refused(content: str) -> None:
    with pytest.raises(InvalidInput):
        read_holidays(content.encode("utf-8", "surrogateescape"), "h.toml")


def test_what_a_term_allows_is_what_is_counted_afterwards() -> None:
    calendar = default_calendar()
    for opened in (date(2026, 1, 1), date(2026, 9, 24), date(2026, 2, 13)):
        for days in (1, 7, 10):
            assert calendar.working_days_taken(opened, calendar.due_day(opened, days).day) == days
    assert calendar.working_days_taken(date(2026, 9, 30), date(2026, 10, 8)) == 1  # the national holiday is no work
    assert calendar.knows(date(2026, 1, 1), date(2026, 12, 31))
    assert not calendar.knows(date(2026, 1, 1), date(2027, 1, 1))
