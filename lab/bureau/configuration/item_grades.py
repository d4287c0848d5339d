"""Grades of items, in order, and how many officers must approve a contract over them.

A register's dictionary may write a grade as a level of general data by GB/T 43697 (1 to 4) or as a word, Chinese or
English. Any other or missing grade counts as above every level: an item without a grade needs as many officers as the
most sensitive one.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class SensitivityGrade(StrEnum):
    """A grade, from the least to the most sensitive."""

    PUBLIC = "public"
    INTERNAL = "internal"
    SENSITIVE = "sensitive"
    RESTRICTED = "restricted"

    @property
    def rank(self) -> int:
        """Its place in the order, from 0."""
        return list(SensitivityGrade).index(self)


GRADE_LABELS: dict[SensitivityGrade, tuple[str, ...]] = {
    SensitivityGrade.PUBLIC: ("公开", "1"),
    SensitivityGrade.INTERNAL: ("内部", "2"),
    SensitivityGrade.SENSITIVE: ("敏感", "3"),
    SensitivityGrade.RESTRICTED: ("严控", "4"),
}
"""Other ways to write each grade."""

_KNOWN = {word: grade for grade, words in GRADE_LABELS.items() for word in (grade.value, *words)}


def parse_grade(word: str) -> SensitivityGrade | None:
    """The grade that ``word`` means, or None."""
    return _KNOWN.get(word.strip().lower())


def required_approvals(grades: Iterable[str], above: SensitivityGrade) -> int:
    """How many officers must approve a contract over items of these grades: 2 if one is above ``above``, else 1."""
    for word in grades:
        grade = parse_grade(word)
        if grade is None or grade.rank > above.rank:
            return 2
    return 1
