"""The closed lists of words in a dictionary: grades, and domains (who holds the data).

A grade is a level of general data by GB/T 43697 (1 to 4) or a word, Chinese or English. A domain that is not in the
list is declared once at the top of a dictionary, so that a misspelling is not taken for another domain.
"""

from __future__ import annotations

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

GRADE_WORDS = {word: grade for grade, words in GRADE_LABELS.items() for word in (grade.value, *words)}
"""Every way to write a grade, and what it means."""


def parse_grade(word: str) -> SensitivityGrade | None:
    """The grade that ``word`` means, or None."""
    return GRADE_WORDS.get(word.strip().lower())


DOMAINS: dict[str, tuple[str, str]] = {
    "business-registration": ("工商登记", "business registration"),
    "tax": ("税务", "tax"),
    "social-insurance": ("社会保险", "social insurance"),
    "housing-fund": ("住房公积金", "housing fund"),
    "courts": ("司法", "courts"),
    "penalties": ("行政处罚", "administrative penalties"),
    "permits": ("行政许可", "permits"),
    "customs": ("海关", "customs"),
    "property": ("不动产登记", "real property"),
    "intellectual-property": ("知识产权", "intellectual property"),
    "procurement": ("公共资源交易", "public procurement"),
    "environment": ("生态环境", "environment"),
    "quality": ("市场监管与质量", "market supervision and quality"),
    "utilities": ("水电燃气", "utilities"),
    "statistics": ("统计", "statistics"),
    "bank": ("银行", "the bank itself"),
}
"""Who usually holds public records of enterprises, by code: Chinese and English."""
