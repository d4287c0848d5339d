"""Where one adverse record stands on a day by the rules alone: whether it counts, until when, when it can be repaired.

``record_standing`` looks at one record; ``exclusion`` reckons the same over whole domains. Terms are counted as the
Civil Code says (articles 201 and 202): the day of the decision is not counted, the corresponding day of the last month
is the last day of the term, and in a month without such a day its last day is.
"""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from lab.bureau.data.credit_repair.rules.definition import (
    AdverseClass,
    AdverseSource,
    OnCorrection,
    RepairCondition,
    Uncorrected,
    Unpublished,
)
from lab.terms.text.bilingual import BilingualEnum

_MONTHS_A_YEAR = 12


class Standing(BilingualEnum):
    """Whether an adverse record counts, and why not."""

    COUNTS = ("counts", "计入", "counts")
    NOT_YET = ("not-yet", "尚未作出", "not decided yet")
    UNPUBLISHED = ("unpublished", "轻微且未公示", "of a class that counts only when published, and was not")
    ENDED_BY_CORRECTION = ("ended-by-correction", "纠正后即停止", "ended by its correction")
    REMOVED = ("removed", "已由来源移出", "removed by its source")
    REPAIRED_AT_SOURCE = ("repaired-at-source", "来源已修复", "repaired at its source")
    EXPIRED = ("expired", "最长公示期届满", "its greatest term is over")


@dataclass(frozen=True, slots=True)
class RecordStanding:
    """One record on one day. ``least_until``, ``greatest_until``: last days of the terms; None without a start."""

    adverse_class: AdverseClass
    standing: Standing
    started: date | None
    least_until: date | None
    greatest_until: date | None
    corrected: date | None

    @property
    def counts(self) -> bool:
        """Whether the record counts by the rules; cases may still say otherwise."""
        return self.standing is Standing.COUNTS

    def unmet_conditions(self, day: date, *, corrected_on: date | None, commitment: bool) -> list[RepairCondition]:
        """What a repair that is asked for on ``day`` still needs. ``corrected_on``: by the evidence brought."""
        corrected = [one for one in (self.corrected, corrected_on) if one is not None and one <= day]
        met = {
            RepairCondition.LEAST_TERM: self.least_until is not None and day > self.least_until,
            RepairCondition.CORRECTED: bool(corrected),
            RepairCondition.COMMITMENT: commitment,
        }
        if self.adverse_class.least_months == 0:
            met[RepairCondition.LEAST_TERM] = True
        return [one for one in self.adverse_class.conditions if not met[one]]

    @property
    def repairable_from(self) -> date | None:
        """The first day on which a repair may be asked for, as far as terms go; None without a start."""
        if self.started is None or self.least_until is None:
            return None
        if self.adverse_class.least_months == 0 or RepairCondition.LEAST_TERM not in self.adverse_class.conditions:
            return self.started
        return date.max if self.least_until == date.max else self.least_until + timedelta(days=1)


def add_months(day: date, months: int) -> date:
    """The last day of a term of ``months`` from ``day``; the calendar's last day if the term goes beyond it."""
    whole = day.year * _MONTHS_A_YEAR + day.month - 1 + months
    year, month = whole // _MONTHS_A_YEAR, whole % _MONTHS_A_YEAR + 1
    if year > date.max.year:
        return date.max
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def is_adverse(source: AdverseSource, record: Mapping[str, object]) -> bool:
    """Whether a record (its items' values by name) is one of those that the rules are about."""
    return all(record.get(item) in values for item, values in source.when.items())


def record_standing(source: AdverseSource, record: Mapping[str, object], day: date) -> RecordStanding:
    """Where an adverse record stands on ``day``; ``record`` has the values of ``source.items`` by name."""
    code = record.get(source.class_item) if source.class_item else None
    group = source.class_of.get(str(code), source.otherwise) if code is not None else source.otherwise
    started = next((found for name in source.start if (found := _day(record, name)) is not None), None)
    corrected = _day(record, source.corrected)
    return RecordStanding(
        group,
        _standing(source, record, group, started, day),
        started,
        None if started is None else add_months(started, group.least_months),
        None if started is None else add_months(started, group.greatest_months),
        corrected,
    )


def _standing(
    source: AdverseSource, record: Mapping[str, object], group: AdverseClass, started: date | None, day: date
) -> Standing:
    removed, corrected = _day(record, source.removed), _day(record, source.corrected)
    published = _day(record, source.published)
    is_corrected = corrected is not None and corrected <= day
    if started is not None and started > day:
        return Standing.NOT_YET
    if source.repaired and record.get(source.repaired) is True and (removed is None or removed <= day):
        return Standing.REPAIRED_AT_SOURCE
    if removed is not None and removed <= day:
        return Standing.REMOVED
    if group.on_correction is OnCorrection.ENDS and is_corrected:
        return Standing.ENDED_BY_CORRECTION
    over = started is not None and day > add_months(started, group.greatest_months)
    if over and (is_corrected or group.uncorrected is Uncorrected.ENDS):
        return Standing.EXPIRED
    if source.published and group.unpublished is Unpublished.DOES_NOT_COUNT and (published is None or published > day):
        return Standing.UNPUBLISHED
    return Standing.COUNTS


def _day(record: Mapping[str, object], name: str) -> date | None:
    found = record.get(name) if name else None
    return found if isinstance(found, date) else None
