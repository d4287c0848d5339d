"""How many officers must approve a contract, by the grades of the items that it reads.

A dictionary with a word that is no grade is refused when it is read. An item without a grade counts as above every
level: it needs as many officers as the most sensitive one.
"""

from __future__ import annotations

from collections.abc import Iterable

from models.shared.catalogue_words import SensitivityGrade, parse_grade


def required_approvals(grades: Iterable[str], above: SensitivityGrade) -> int:
    """How many officers must approve a contract over items of these grades: 2 if one is above ``above``, else 1."""
    for word in grades:
        grade = parse_grade(word)
        if grade is None or grade.rank > above.rank:
            return 2
    return 1
