"""The quality page: complete, in both languages, and nothing in it is markup that came from outside."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

from lab.bureau.data.quality.department_ranking import rank_departments
from lab.bureau.data.quality.kept_assessments import KeptAssessment
from lab.bureau.data.quality.pages import render_quality_page
from lab.bureau.data.quality.pages.quality_page import draw_history
from tests.support.quality_records import RecordTables

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7*7 }}\u202e'
SHA256 = "ab" * 32


def kept(day: str, score: float | None) -> KeptAssessment:
    moment = datetime(2025, 3, 1, tzinfo=UTC)
    return KeptAssessment(SHA256, "m", "c", "r", day, "", "f", 1, score, "pass", 1, 0, 0, 0, moment)


def faulty_page(bureau: str = "某市数据局") -> str:
    tables = RecordTables(3)
    tables.change("tax", 0, sales=None)
    tables.rows["honours"].clear()
    found = tables.assess()
    return render_quality_page(found, SHA256, bureau, rank_departments([found]), [kept(found.day, found.score)])


def test_the_page_shows_every_domain_item_department_and_blocking_check() -> None:
    page = faulty_page()
    catalogue = RecordTables(0).catalogue
    for domain in catalogue.domains:
        assert domain.zh in page
        assert domain.en in page
        assert domain.owner_zh in page
        for item in domain.items:
            assert f"<code>{item.name}</code>" in page
    assert "required-missing" in page
    assert "1 / 3 (33.33%)" in page
    assert "不得发布" in page
    assert "must not be published" in page
    assert "如何计分" in page
    assert "How it is reckoned" in page
    assert SHA256 in page


def test_the_page_needs_nothing_else_and_runs_nothing() -> None:
    page = faulty_page()
    assert "default-src 'none'" in page
    assert 'name="viewport"' in page
    assert not re.search(r"<script|javascript:|https?://|<link|<img|\son\w+=|style=\"", page, re.IGNORECASE)


def test_hostile_text_is_shown_as_text() -> None:
    tables = RecordTables(2)
    tables.change("tax", 0, sales=None)
    found = tables.assess()
    domains = tuple(replace(one, zh=HOSTILE, en=HOSTILE, owner_zh=HOSTILE) for one in found.domains)
    checks = tuple(
        replace(one, zh=HOSTILE, en=HOSTILE, level="failed", reason=HOSTILE, periods=(HOSTILE,)) for one in found.checks
    )
    hostile = replace(
        found,
        domains=domains,
        checks=checks,
        departments=tuple(replace(one, zh=HOSTILE, en=HOSTILE) for one in found.departments),
    )
    page = render_quality_page(hostile, SHA256, HOSTILE, rank_departments([hostile]), [])

    class Tags(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.seen: set[str] = set()
            self.handlers: list[str] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.seen.add(tag)
            self.handlers += [name for name, _ in attrs if name.startswith("on")]

    tags = Tags()
    tags.feed(page)
    assert not tags.seen & {"script", "img", "iframe"}
    assert not tags.handlers
    assert "\u202e" not in page
    assert "&lt;script&gt;" in page
    assert "{{ 7*7 }}" in page


def test_the_chart_has_a_point_a_day_and_none_after_the_day_of_the_page() -> None:
    history = [kept("2025-01-15", 80.0), kept("2025-02-15", None), kept("2025-02-16", 90.0), kept("2025-03-15", 70.0)]
    points = draw_history(history, "2025-02-16")
    assert [(point.day, point.score, point.x, point.y) for point in points] == [
        ("2025-01-15", 80.0, 20.0, 30.0),
        ("2025-02-16", 90.0, 580.0, 20.0),
    ]
    assert draw_history([], "2025-02-16") == []
    many = [kept(f"{2000 + place}-01-01", 50.0) for place in range(40)]
    assert len(draw_history(many, "2099-01-01")) == 36
