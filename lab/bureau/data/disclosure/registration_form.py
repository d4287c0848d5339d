"""The registration form of a public data resource: one domain of the catalogue, as a bureau hands it in.

It says what the resource is called, which department owns it, which items it has, how many current records, how often
it is updated, whether it is shared and opened, and its quality score if it was assessed. It holds counts and the
catalogue's words, and nothing of an enterprise.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from lab.bureau.data.catalogue.exports.words import (
    FREQUENCY_WORDS,
    GRAIN_WORDS,
    OPENING_WORDS,
    SHARING_WORDS,
    TYPE_WORDS,
    describe_forms,
)
from lab.bureau.data.catalogue.item_definition import Domain, OpeningType, SharingType
from lab.terms.text.bilingual import BilingualText

SCHEMA = "shulab-registration-form/1"


@dataclass(frozen=True, slots=True)
class ResourceCounts:
    """What a domain holds now. Days are ISO text, empty without records. ``quality``: decimal text, or empty."""

    records: int
    enterprises: int
    known_on: str
    quality: str


@dataclass(frozen=True, slots=True)
class RegistrationForm:
    """The form of one resource: its facts in order, and a row for each item."""

    domain: str
    facts: tuple[tuple[str, BilingualText, str | int], ...]
    """Name, label in both languages, value."""
    items: tuple[Mapping[str, Any], ...]


def fill_registration_form(domain: Domain, bureau: str, counts: ResourceCounts) -> RegistrationForm:
    """The form of a domain that a bureau of this name registers."""
    return RegistrationForm(domain.code, tuple(_facts(domain, bureau, counts)), tuple(_items(domain)))


def _facts(domain: Domain, bureau: str, counts: ResourceCounts) -> list[tuple[str, BilingualText, str | int]]:
    personal = sum(item.personal for item in domain.items)
    return [
        ("code", ("资源代码", "resource code"), domain.code),
        ("name_zh", ("资源名称", "resource name (Chinese)"), domain.zh),
        ("name_en", ("资源英文名", "resource name (English)"), domain.en),
        ("owner_zh", ("数源部门", "owner department (Chinese)"), domain.owner_zh),
        ("owner_en", ("数源部门英文名", "owner department (English)"), domain.owner_en),
        ("registered_by", ("登记单位", "registered by"), bureau),
        ("grain", ("记录粒度", "what a record is"), " ".join(GRAIN_WORDS[domain.grain])),
        ("frequency", ("更新频率", "update frequency"), " ".join(FREQUENCY_WORDS[domain.frequency])),
        ("item_count", ("数据项数", "number of items"), len(domain.items)),
        ("personal_items", ("其中个人信息项", "of them personal items"), personal),
        ("records", ("现有记录数", "current records"), counts.records),
        ("enterprises", ("涉及企业数", "enterprises with a record"), counts.enterprises),
        ("known_on", ("最近接收日期", "newest delivery received on"), counts.known_on or "无 none"),
        (
            "sharing",
            ("共享类型", "sharing"),
            _mixed({item.sharing for item in domain.items}, SharingType, SHARING_WORDS),
        ),
        (
            "opening",
            ("开放类型", "opening"),
            _mixed({item.opening for item in domain.items}, OpeningType, OPENING_WORDS),
        ),
        ("quality", ("质量评分", "quality score (0 to 100)"), counts.quality or "未评估 not assessed"),
    ]


def _mixed(found: Collection[Any], order: Any, words: Mapping[Any, BilingualText]) -> str:
    """The types that occur among the items, in the order of their list."""
    return "; ".join(" ".join(words[one]) for one in order if one in found)


def _items(domain: Domain) -> list[dict[str, Any]]:
    return [
        {
            "item": item.code,
            "zh": item.zh,
            "en": item.en,
            "type": " ".join(TYPE_WORDS[item.type]),
            "unit": item.unit,
            "required": item.required,
            "personal": item.personal,
            "grade": item.grade.value,
            "sharing": " ".join(SHARING_WORDS[item.sharing]),
            "opening": " ".join(OPENING_WORDS[item.opening]),
            "forms": describe_forms(item.release_forms),
            "legal_basis": item.legal_basis,
            "retention_years": item.retention_years,
        }
        for item in domain.items
    ]
