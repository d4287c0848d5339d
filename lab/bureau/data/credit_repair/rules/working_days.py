"""Working days: Monday to Friday, without public holidays and with the weekend days that are worked instead.

The holidays are data (``default/holidays.toml``, or a bureau's own file). A year that is not in it is reckoned by
weekends alone, and what was reckoned so says so: holidays of a year are announced late in the year before.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lab.terms.errors import InvalidInput

_FORMAT = "shulab-holidays/1"
_SATURDAY = 5
_LONGEST_TERM = 400
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DueDay:
    """The last day of a term. ``certain``: every year of the term is in the list of holidays."""

    day: date
    certain: bool


@dataclass(frozen=True, slots=True)
class WorkingCalendar:
    """The days off and the weekend days that are worked, of the years that are known."""

    years: frozenset[int]
    days_off: frozenset[date]
    worked: frozenset[date]

    def is_working_day(self, day: date) -> bool:
        """Whether offices work on this day."""
        if day in self.days_off:
            return False
        return day.weekday() < _SATURDAY or day in self.worked

    def due_day(self, opened: date, working_days: int) -> DueDay:
        """The last of ``working_days`` (1 to 400) working days; the day of opening itself is not counted."""
        if not 1 <= working_days <= _LONGEST_TERM:
            raise ValueError(f"a term of 1 to {_LONGEST_TERM} working days")
        day, left = opened, working_days
        while left:
            day += _ONE_DAY
            left -= self.is_working_day(day)
        return DueDay(day, self.knows(opened + _ONE_DAY, day))

    def working_days_taken(self, start: date, end: date) -> int:
        """The working days after ``start``, up to ``end``: what ``due_day`` allows is what this counts."""
        return sum(self.is_working_day(start + timedelta(days=step)) for step in range(1, (end - start).days + 1))

    def knows(self, start: date, end: date) -> bool:
        """Whether the holidays of every year from ``start`` to ``end`` are known."""
        return all(year in self.years for year in range(start.year, end.year + 1))


class _YearForm(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    zh: Annotated[str, Field(min_length=1, max_length=200)]
    en: Annotated[str, Field(min_length=1, max_length=200)]
    off: list[Annotated[list[date], Field(min_length=2, max_length=2)]]
    worked: list[date]


class _HolidaysForm(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal["shulab-holidays/1"]
    years: dict[Annotated[str, Field(pattern=r"^[12][0-9]{3}$")], _YearForm]


def read_holidays(content: bytes, name: str) -> WorkingCalendar:
    """The calendar of a file's ``content``; raises ``InvalidInput`` with the place of the first fault."""
    try:
        form = _HolidaysForm.model_validate(tomllib.loads(content.decode()))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):
        raise InvalidInput(
            f"Expected holidays as TOML in UTF-8; {name} is not.",
            next_step="compare with docs/formats/credit-repair.md",
        ) from None
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise InvalidInput(
            f"Expected a file of holidays; in {name}, {place} does not fit.",
            next_step="compare with docs/formats/credit-repair.md",
        ) from None
    return _calendar(form.years, name)


@cache
def default_calendar() -> WorkingCalendar:
    """The embedded calendar."""
    file = files(__package__) / "default" / "holidays.toml"
    return read_holidays(file.read_bytes(), "holidays.toml")


def _calendar(years: Mapping[str, _YearForm], name: str) -> WorkingCalendar:
    off: set[date] = set()
    worked: set[date] = set()
    for year, form in years.items():
        for first, last in form.off:
            if first > last or {first.year, last.year} != {int(year)}:
                raise _misplaced(name, year)
            off.update(first + timedelta(days=step) for step in range((last - first).days + 1))
        if any(day.year != int(year) or day.weekday() < _SATURDAY for day in form.worked):
            raise _misplaced(name, year)
        worked.update(form.worked)
    if off & worked:
        raise InvalidInput(
            f"Expected each day off or worked; in {name}, a day is both.", next_step="correct the file of holidays"
        )
    return WorkingCalendar(frozenset(map(int, years)), frozenset(off), frozenset(worked))


def _misplaced(name: str, year: str) -> InvalidInput:
    return InvalidInput(
        f"Expected spans within {year} and weekend days that are worked; in {name}, one is not.",
        next_step="correct the file of holidays",
    )
