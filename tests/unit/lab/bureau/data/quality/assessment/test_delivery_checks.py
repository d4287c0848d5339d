"""Deliveries against what was promised, with days around each due day; and the calendar's windows in SQL and Python."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.bureau.data.catalogue import default_catalogue
from lab.bureau.data.catalogue.item_definition import Frequency
from lab.bureau.data.quality.assessment import ReceivedSegment
from lab.bureau.data.quality.assessment.calendar_windows import (
    due_day,
    next_window,
    sql_due_day,
    sql_window_start,
    window_name,
    window_start,
)
from lab.bureau.data.quality.assessment.delivery_checks import WindowArrival, check_deliveries
from tests.support.quality_records import KNOWN_ON, RecordTables, check_of

PENALTIES = default_catalogue().domain("penalties")
TAX = default_catalogue().domain("tax")
DAYS = st.dates(date(1990, 1, 1), date(2100, 12, 31))


@given(day=DAYS, frequency=st.sampled_from(list(Frequency)), grace=st.integers(0, 60))
def test_windows_in_sql_are_those_in_python(day: date, frequency: Frequency, grace: int) -> None:
    start = window_start(day, frequency)
    assert start <= day < next_window(start, frequency)
    assert window_start(next_window(start, frequency) - timedelta(days=1), frequency) == start
    columns = f"{sql_window_start('d', frequency)}, {sql_due_day('d', frequency, grace)}"
    found = duckdb.execute(f"SELECT {columns} FROM (SELECT CAST(? AS DATE) AS d)", [day]).fetchone()
    assert found == (start, due_day(start, frequency, grace))


def test_windows_are_named_as_people_write_them() -> None:
    day = date(2026, 5, 14)
    names = [window_name(window_start(day, frequency), frequency) for frequency in Frequency]
    assert names == ["2026-05-14", "2026-W20", "2026-05", "2026-Q2", "2026"]


@pytest.mark.parametrize(
    ("second", "late", "late_days"),
    [(date(2025, 3, 20), (), 0), (date(2025, 3, 21), ("2025-02",), 1), (date(2025, 4, 5), ("2025-02",), 16)],
)
def test_a_delivery_is_late_from_the_day_after_it_was_due(second: date, late: tuple[str, ...], late_days: int) -> None:
    found = check_deliveries(PENALTIES, [second, date(2025, 2, 20)], date(2025, 4, 10), 20)
    assert (found.late, found.missing, found.late_days) == (late, (), late_days)
    assert (found.due, found.delivered) == (2, 2)


@pytest.mark.parametrize(
    ("day", "missing", "late_days"),
    [(date(2025, 3, 20), (), 0), (date(2025, 3, 21), ("2025-02",), 1), (date(2025, 4, 21), ("2025-02", "2025-03"), 32)],
)
def test_a_period_is_missing_from_the_day_after_it_was_due(day: date, missing: tuple[str, ...], late_days: int) -> None:
    found = check_deliveries(PENALTIES, [date(2025, 2, 20)], day, 20)
    assert (found.missing, found.late_days) == (missing, late_days)


def test_nothing_was_promised_before_the_first_delivery() -> None:
    assert check_deliveries(PENALTIES, [], date(2025, 4, 1), 20).due == 0
    # January was due on 20 February; a first delivery on the 21st begins with February.
    assert check_deliveries(PENALTIES, [date(2025, 2, 21)], date(2025, 3, 20), 20).due == 0
    assert check_deliveries(PENALTIES, [date(2025, 2, 20)], date(2025, 3, 20), 20).due == 1


def test_a_domain_of_periods_arrives_with_its_first_record() -> None:
    arrivals = {
        date(2025, 1, 1): WindowArrival(10, date(2025, 2, 15)),
        date(2025, 3, 1): WindowArrival(10, date(2025, 4, 25)),
    }
    received = [date(2025, 2, 15), date(2025, 3, 15), date(2025, 4, 25)]
    found = check_deliveries(TAX, received, date(2025, 5, 1), 20, arrivals)
    assert (found.due, found.delivered, found.missing, found.late) == (3, 2, ("2025-02",), ("2025-03",))
    assert found.late_days == 42


@pytest.mark.parametrize(("records", "thin"), [(5, ()), (4, ("2025-04",))])
def test_a_period_with_far_fewer_records_is_thin(records: int, thin: tuple[str, ...]) -> None:
    arrivals = {
        **{date(2025, month, 1): WindowArrival(10, KNOWN_ON) for month in (1, 2, 3)},
        date(2025, 4, 1): WindowArrival(records, KNOWN_ON),
        date(2025, 5, 1): WindowArrival(1, KNOWN_ON),  # not yet due
    }
    found = check_deliveries(TAX, [KNOWN_ON], date(2025, 6, 20), 20, arrivals, 0.5)
    assert (found.closed, found.thin) == (1, thin)


@pytest.mark.parametrize(
    ("frequency", "grace", "due"),
    [
        (Frequency.DAILY, 2, date(2025, 5, 16)),
        (Frequency.WEEKLY, 5, date(2025, 5, 23)),
        (Frequency.QUARTERLY, 30, date(2025, 7, 30)),
        (Frequency.YEARLY, 60, date(2026, 3, 1)),
    ],
)
def test_the_due_day_of_other_frequencies(frequency: Frequency, grace: int, due: date) -> None:
    domain = replace(PENALTIES, frequency=frequency)
    received = [window_start(date(2025, 5, 14), frequency) - timedelta(days=1)]
    name = window_name(window_start(date(2025, 5, 14), frequency), frequency)
    assert name not in check_deliveries(domain, received, due, grace).missing
    assert name in check_deliveries(domain, received, due + timedelta(days=1), grace).missing


def test_a_quarter_in_which_many_report_makes_the_others_not_thin() -> None:
    counts = [90, 30, 30, 92, 31, 14]
    arrivals = {date(2025, 1 + place, 1): WindowArrival(count, KNOWN_ON) for place, count in enumerate(counts)}
    found = check_deliveries(TAX, [KNOWN_ON], date(2025, 12, 1), 20, arrivals, 0.5)
    assert (found.thin, found.closed) == (("2025-06",), 3)


def test_a_record_that_was_corrected_since_is_not_judged_late() -> None:
    tables = RecordTables()
    corrected, added = date(2025, 6, 7), date(2025, 6, 20)
    tables.change("penalties", 0, known_on=corrected)
    tables.change("penalties", 1, known_on=added)
    received = [ReceivedSegment(one.code, KNOWN_ON) for one in tables.catalogue.domains]
    received += [ReceivedSegment("penalties", corrected, adds=False), ReceivedSegment("penalties", added)]
    check = check_of(tables.assess(received=received), "record-late:penalties")
    assert (check.faults, check.checked) == (1, 9)


def test_tax_is_due_by_the_day_of_filing() -> None:
    tables = RecordTables()
    tables.change("tax", 0, filed_on=date(2025, 4, 15), known_on=date(2025, 5, 20))
    tables.change("tax", 1, filed_on=date(2025, 4, 15), known_on=date(2025, 5, 21))
    tables.change("tax", 2, filed_on=None, known_on=date(2025, 2, 21))
    check = check_of(tables.assess(), "record-late:tax")
    assert (check.faults, check.checked) == (2, 10)


def test_missing_and_late_periods_are_in_the_assessment() -> None:
    tables = RecordTables()
    received = [ReceivedSegment(one.code, KNOWN_ON) for one in tables.catalogue.domains]
    found = tables.assess(day=date(2025, 3, 25), received=received)
    assert check_of(found, "delivery-missing:penalties").periods == ("2025-02",)
    assert check_of(found, "delivery-missing:tax").periods == ("2025-02",)
    assert (check_of(found, "delivery-missing:tax").faults, check_of(found, "delivery-missing:tax").checked) == (1, 2)
    (tax,) = [one for one in found.domains if one.code == "tax"]
    assert (tax.missing_periods, tax.late_days) == (("2025-02",), 5)


def test_rows_set_aside_lower_the_score_of_their_department() -> None:
    tables = RecordTables()
    received = [ReceivedSegment(one.code, KNOWN_ON, rows=100) for one in tables.catalogue.domains]
    received[0] = ReceivedSegment("registration", KNOWN_ON, rows=100, set_aside=2)
    found = tables.assess(received=received)
    check = check_of(found, "row-set-aside:registration")
    assert (check.faults, check.checked, check.level, check.score) == (2, 100, "warn", 98.0)
    assert check_of(found, "row-set-aside:tax").level == "pass"
