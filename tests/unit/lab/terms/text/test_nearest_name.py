"""The nearest known name: a misspelt one is found, a strange one is not."""

from __future__ import annotations

import pytest

from lab.terms.text.nearest_name import nearest_name

KNOWN = ("two_officers_above", "database_url", "witness_log", "Grade")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ("two_officers_abov", "two_officers_above"),
        ("databse_url", "database_url"),
        ("DATABASE_URL", "database_url"),
        ("grade", "Grade"),
        ("zzz", None),
        ("", None),
    ],
)
def test_the_nearest_known_name(found: str, expected: str | None) -> None:
    assert nearest_name(found, KNOWN) == expected


def test_nothing_is_near_where_nothing_is_known() -> None:
    assert nearest_name("grade", ()) is None
