"""The closed lists of a catalogue in both languages, as exports and screens write them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lab.bureau.data.catalogue.item_definition import (
    Frequency,
    Grain,
    ItemReleaseForm,
    ItemType,
    OpeningType,
    SharingType,
)
from lab.terms.text.bilingual import BilingualText
from models.shared.catalogue_words import GRADE_LABELS, SensitivityGrade

TYPE_WORDS: Mapping[ItemType, BilingualText] = {
    ItemType.TEXT: ("文本", "text"),
    ItemType.CODE: ("代码", "code"),
    ItemType.INTEGER: ("整数", "integer"),
    ItemType.NUMBER: ("数值", "number"),
    ItemType.AMOUNT: ("金额", "amount"),
    ItemType.DATE: ("日期", "date"),
    ItemType.YES_NO: ("是否", "yes or no"),
}
GRAIN_WORDS: Mapping[Grain, BilingualText] = {
    Grain.STATE: ("状态", "state"),
    Grain.PERIOD: ("期间", "period"),
    Grain.EVENT: ("事项", "event"),
}
FREQUENCY_WORDS: Mapping[Frequency, BilingualText] = {
    Frequency.DAILY: ("每日", "daily"),
    Frequency.WEEKLY: ("每周", "weekly"),
    Frequency.MONTHLY: ("每月", "monthly"),
    Frequency.QUARTERLY: ("每季", "quarterly"),
    Frequency.YEARLY: ("每年", "yearly"),
}
SHARING_WORDS: Mapping[SharingType, BilingualText] = {
    SharingType.UNCONDITIONAL: ("无条件共享", "unconditional"),
    SharingType.CONDITIONAL: ("有条件共享", "conditional"),
    SharingType.NOT_SHARED: ("不予共享", "not shared"),
}
OPENING_WORDS: Mapping[OpeningType, BilingualText] = {
    OpeningType.UNCONDITIONAL: ("无条件开放", "unconditional"),
    OpeningType.CONDITIONAL: ("有条件开放", "conditional"),
    OpeningType.NOT_OPEN: ("不予开放", "not open"),
}
FORM_WORDS: Mapping[ItemReleaseForm, BilingualText] = {
    ItemReleaseForm.RECORD: ("明细", "record"),
    ItemReleaseForm.VERIFICATION: ("核验", "verification"),
    ItemReleaseForm.STATISTIC: ("统计", "statistic"),
    ItemReleaseForm.MODEL_INPUT: ("模型入参", "model input"),
    ItemReleaseForm.PORTRAIT: ("画像", "portrait"),
}


def describe_forms(forms: Iterable[ItemReleaseForm]) -> str:
    """The forms in which an item may leave, in both languages; none is said too."""
    chosen = set(forms)
    words = [" ".join(FORM_WORDS[form]) for form in ItemReleaseForm if form in chosen]
    return "; ".join(words) or "无 none"


def describe_grade(grade: SensitivityGrade) -> str:
    """A grade with its Chinese word and its level of general data."""
    zh, level = GRADE_LABELS[grade][:2]
    return f"{level} {zh} {grade.value}"


def yes_or_no(value: bool) -> str:
    """The two words of a mark in a list."""
    return "是 yes" if value else "否 no"
