"""Where each part of a feature comes from: items, departments, and the source files with their rows and days."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date

from lab.bureau.data.catalogue.item_definition import Catalogue
from lab.bureau.data.features.definition import FeatureDefinition
from lab.bureau.data.records import Manifest, Segment
from lab.terms.text.bilingual import BilingualText
from models.shared.catalogue_words import SensitivityGrade
from models.shared.item_sources import ItemSource


@dataclass(frozen=True, slots=True)
class ColumnLineage:
    """A column of a published register: its feature's direction, what it comes from, and how a reason for a lower score
    says it (Chinese, English; empty for a version that was published before reasons were kept)."""

    column: str
    monotonic: int
    sources: tuple[ItemSource, ...]
    reason: BilingualText = ("", "")


@dataclass(frozen=True, slots=True)
class FeatureLineage:
    """A feature's items with their departments, and the deliveries that hold them, oldest first."""

    sources: tuple[ItemSource, ...]
    segments: tuple[Segment, ...]
    grade: SensitivityGrade
    """The highest of the items' grades."""


def trace_feature(definition: FeatureDefinition, catalogue: Catalogue, manifest: Manifest) -> FeatureLineage:
    """The lineage of one feature as of ``manifest``; ``catalogue`` is one that it was checked against."""
    sources = tuple(_source(code, catalogue, manifest) for code in definition.items)
    segments = tuple(one for one in manifest.segments if one.domain in definition.domains)
    return FeatureLineage(sources, segments, highest_grade(definition, catalogue))


def highest_grade(definition: FeatureDefinition, catalogue: Catalogue) -> SensitivityGrade:
    """The highest grade of the items of a feature."""
    return max((catalogue.item(code).grade for code in definition.items), key=lambda grade: grade.rank)


def trace_columns(
    definitions: Iterable[FeatureDefinition], catalogue: Catalogue, manifest: Manifest
) -> tuple[ColumnLineage, ...]:
    """The lineage of the columns of a register that is published from these features."""
    return tuple(
        ColumnLineage(one.name, one.monotonic, trace_feature(one, catalogue, manifest).sources, one.reason)
        for one in definitions
    )


def dump_lineage(columns: Iterable[ColumnLineage]) -> str:
    """As JSON, for the database."""
    return json.dumps([asdict(one) for one in columns], ensure_ascii=False)


def load_lineage(text: str) -> tuple[ColumnLineage, ...]:
    """What ``dump_lineage`` wrote."""
    return tuple(
        ColumnLineage(
            one["column"],
            int(one["monotonic"]),
            tuple(ItemSource(**source) for source in one["sources"]),
            _pair(one.get("reason", ("", ""))),
        )
        for one in json.loads(text)
    )


def _pair(words: Sequence[str]) -> BilingualText:
    zh, en = words
    return zh, en


def _source(code: str, catalogue: Catalogue, manifest: Manifest) -> ItemSource:
    item = catalogue.item(code)
    domain = catalogue.domain(item.domain)
    return ItemSource(
        code=code,
        zh=item.zh,
        en=item.en,
        department_zh=domain.owner_zh,
        department_en=domain.owner_en,
        received=_newest(manifest.of_domain(item.domain)),
    )


def _newest(segments: Iterable[Segment]) -> str:
    """The day on which the newest delivery was received, ISO; empty without any."""
    days: list[date] = [one.known_on for one in segments]
    return max(days).isoformat() if days else ""


def describe_window(definition: FeatureDefinition) -> BilingualText:
    """The window in words."""
    if not definition.window_months:
        return "截至当日的全部记录", "all records up to the day"
    return f"截至当日的 {definition.window_months} 个月", f"the {definition.window_months} months up to the day"
