"""The league table of departments: places, ties, means of a year, changes, and the table for spreadsheets."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime

import polars as pl

from lab.bureau.data.quality.assessment import Assessment, DepartmentScore
from lab.bureau.data.quality.department_ranking import last_of_each_month, rank_departments, tabulate_ranks
from lab.bureau.data.quality.kept_assessments import KeptAssessment
from lab.tables.spreadsheet_csv import write_csv
from tests.support.quality_records import RecordTables

EMPTY = RecordTables(0).assess()


def assessment(day: str, **scores: float | None) -> Assessment:
    """Departments with these scores."""
    found = tuple(
        DepartmentScore(name, name.title(), (name,), 5, score, {"validity": score} if score else {}, 3, 1, 2, 4, 0)
        for name, score in scores.items()
    )
    return replace(EMPTY, day=day, departments=found)


def test_equal_scores_share_a_place_and_no_data_has_none() -> None:
    ranks = rank_departments([assessment("2025-01-15", a=90.0, b=95.0, c=90.0, d=None, e=69.99, f=70.0)])
    assert [(one.place, one.zh, one.grade[1]) for one in ranks] == [
        (1, "b", "excellent"),
        (2, "a", "good"),
        (2, "c", "good"),
        (4, "f", "fair"),
        (5, "e", "poor"),
        (None, "d", "no data"),
    ]


def test_a_year_is_the_mean_of_the_months_that_have_a_score() -> None:
    year = [
        assessment("2025-01-15", a=80.0, b=None),
        assessment("2025-02-15", a=90.0, b=70.0),
        assessment("2025-03-15", a=100.0, b=90.0),
    ]
    before = assessment("2024-12-15", a=85.5)
    first, second = rank_departments(year, before)
    assert (first.zh, first.score, first.change, first.months) == ("a", 90.0, 4.5, 3)
    assert (second.zh, second.score, second.change, second.months) == ("b", 80.0, None, 2)
    assert second.dimensions == {"validity": 80.0}


def test_the_last_assessment_of_each_month_counts() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    days = ["2024-12-31", "2025-01-10", "2025-01-20", "2025-03-01", "2026-01-01"]
    history = [KeptAssessment(day, "m", "c", "r", day, "", "f", 1, 1.0, "pass", 1, 0, 0, 0, moment) for day in days]
    assert [one.day for one in last_of_each_month(history, 2025)] == ["2025-01-20", "2025-03-01"]
    assert last_of_each_month(history, 2023) == []


def test_a_name_is_no_formula_in_the_table() -> None:
    found = assessment("2025-01-15", a=90.0)
    hostile = replace(found.departments[0], zh="=HYPERLINK(1)", en="@SUM(A1)")
    table = tabulate_ranks(rank_departments([replace(found, departments=(hostile,))]))
    buffer = io.BytesIO()
    write_csv(table, buffer)
    text = buffer.getvalue().decode("utf-8-sig")
    assert "'=HYPERLINK" in text
    assert "'@SUM" in text
    assert pl.read_csv(io.StringIO(text)).columns[:3] == ["名次 place", "部门", "department"]
    assert table["得分 score"].to_list() == [90.0]
