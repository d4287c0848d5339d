"""The checks of records that every domain has by what the catalogue says of it, and those of the bureau's rules.

A check is a pair of SQL conditions over a record: when it applies, and when it is a fault. Values are bound, never
written into the SQL; names are slugs of the catalogue, checked here once more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from lab.bureau.data.catalogue.item_definition import Domain, Grain, Item, ItemType
from lab.bureau.data.quality.assessment.calendar_windows import sql_due_day, sql_window_start
from lab.bureau.data.quality.rules import CheckLimits, QualityDimension, QualityRules
from lab.terms.errors import InvalidInput

_SLUG = re.compile(r"[a-z][a-z0-9_]{0,62}")
_PARAMETER = re.compile(r"\$(v\d+)\b")
_NUMBERS = frozenset({ItemType.INTEGER, ItemType.NUMBER, ItemType.AMOUNT})
_TEXTS = frozenset({ItemType.TEXT, ItemType.CODE})


@dataclass(frozen=True, slots=True)
class RecordCheck:
    """A check over the records of a domain. ``applies``: empty for all records; ``uses``: joined tables."""

    code: str
    domain: str
    items: tuple[str, ...]
    dimension: QualityDimension
    zh: str
    en: str
    limits: CheckLimits
    faulty: str
    applies: str = ""
    uses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceivedDays:
    """Days, in order, on which the bureau received records of a domain. ``added``: those with new records;
    ``changed``: those with corrections or deletions alone, whose records are not judged late: when the version before
    came cannot be seen."""

    added: tuple[date, ...] = ()
    changed: tuple[date, ...] = ()

    @classmethod
    def of(cls, segments: Iterable[tuple[date, bool]]) -> ReceivedDays:
        """From segments: day, and whether it adds records."""
        listed = list(segments)
        added = sorted(day for day, adds in listed if adds)
        return cls(tuple(added), tuple(sorted({day for day, _ in listed} - set(added))))


@dataclass(slots=True)
class BoundValues:
    """Values of a query by the names of their parameters."""

    values: dict[str, Any] = field(default_factory=dict)

    def bind(self, value: Any) -> str:
        """The SQL of a parameter with this value."""
        name = f"v{len(self.values)}"
        self.values[name] = value
        return f"${name}"

    def used_by(self, sql: str) -> dict[str, Any]:
        """The values that ``sql`` refers to: DuckDB refuses others."""
        return {name: self.values[name] for name in dict.fromkeys(_PARAMETER.findall(sql))}


def quote_name(name: str) -> str:
    """A name of the catalogue as SQL; raises ``InvalidInput`` for anything but a slug."""
    if not _SLUG.fullmatch(name):
        raise InvalidInput("Expected names of domains and items as slugs; found another form.", next_step="check it")
    return f'"{name}"'


def list_record_checks(
    domain: Domain, rules: QualityRules, bound: BoundValues, received: ReceivedDays
) -> list[RecordCheck]:
    """All checks over the records of ``domain``; ``received``: when the bureau received them."""
    checks = [check for item in domain.items if not item.personal for check in _item_checks(domain, item, rules, bound)]
    checks += _domain_checks(domain, rules, bound, received)
    names = {item.name for item in domain.items if not item.personal}
    for rule in rules.rules:
        if domain.code in rule.domains:
            charged = tuple(name for name in rule.items if name in names)
            checks.append(
                RecordCheck(
                    rule.code, domain.code, charged, rule.dimension, rule.zh, rule.en, rule.limits, rule.faulty,
                    rule.applies, rule.uses,
                )
            )  # fmt: skip
    return checks


def _item_checks(domain: Domain, item: Item, rules: QualityRules, bound: BoundValues) -> Iterator[RecordCheck]:
    column, limits = quote_name(item.name), rules.thresholds

    def check(kind: str, faulty: str, words: tuple[str, str], applies: str = "") -> RecordCheck:
        completeness = kind.endswith("-missing")
        dimension = QualityDimension.COMPLETENESS if completeness else QualityDimension.VALIDITY
        found = limits.limits_of(kind, domain.code, item.name)
        return RecordCheck(kind, domain.code, (item.name,), dimension, *words, found, faulty, applies)

    missing = f"({column} IS NULL OR trim({column}) = '')" if item.type in _TEXTS else f"{column} IS NULL"
    there = f"{column} IS NOT NULL"
    when = rules.expected.get(item.code, "")
    if item.required:
        yield check("required-missing", missing, ("必填项缺失", "required item missing"))
    elif when.strip().lower() != "false":
        yield check("optional-missing", missing, ("可选项缺失", "optional item missing"), when)
    if item.type is ItemType.CODE:
        codes = bound.bind(list(item.codes))
        yield check(
            "code-unknown", f"NOT list_contains({codes}, {column})", ("代码不在代码表", "code not on the list"), there
        )
    elif item.type is ItemType.DATE:
        low, high = bound.bind(limits.earliest_date), bound.bind(limits.latest_date)
        outside = f"({column} < {low} OR {column} > {high})"
        yield check("date-out-of-range", outside, ("日期超出范围", "date out of range"), there)
        if item.code not in rules.may_be_future:
            yield check(
                "date-in-future", f"{column} > known_on", ("日期晚于入库日", "date after it was received"), there
            )
    elif item.type in _NUMBERS:
        if item.code not in rules.may_be_negative:
            yield check("number-negative", f"{column} < 0", ("负数", "negative"), there)
        largest = bound.bind(limits.largest_number)
        # NaN is larger than any number in DuckDB, so that it is found as well.
        large = f"abs(CAST({column} AS DOUBLE)) > {largest}"
        yield check("number-too-large", large, ("数值过大或非数", "too large, or no number"), there)


def _domain_checks(
    domain: Domain, rules: QualityRules, bound: BoundValues, received: ReceivedDays
) -> Iterator[RecordCheck]:
    limits = rules.thresholds

    def check(
        kind: str,
        dimension: QualityDimension,
        items: tuple[str, ...],
        words: tuple[str, str],
        faulty: str,
        applies: str,
    ) -> RecordCheck:
        found = limits.limits_of(kind, domain.code, items[0] if len(items) == 1 else "")
        return RecordCheck(kind, domain.code, items, dimension, *words, found, faulty, applies)

    validity, timeliness = QualityDimension.VALIDITY, QualityDimension.TIMELINESS
    if domain.held_to:
        words = ("结束早于开始", "ended before it began")
        ended = (domain.held_from, domain.held_to)
        yield check("dates-reversed", validity, ended, words, "held_to < held_from", "held_to IS NOT NULL")
    if domain.grain is Grain.PERIOD:
        words = ("所属期不是期初日", "the period is not its first day")
        start = sql_window_start("held_from", domain.frequency)
        yield check("period-not-first-day", validity, (domain.held_from,), words, f"held_from <> {start}", "")
    if received.added:
        grace = limits.grace_days[domain.frequency.value]
        due, first = sql_due_day(_due_from(domain, rules), domain.frequency, grace), bound.bind(received.added[0])
        words = ("迟到的记录", "record received late")
        applies = f"{due} >= {first}"
        if received.changed:
            applies += f" AND NOT list_contains({bound.bind(list(received.changed))}, known_on)"
        yield check("record-late", timeliness, (), words, f"known_on > {due}", applies)


def _due_from(domain: Domain, rules: QualityRules) -> str:
    """SQL: the day in whose window a record is due."""
    return f"({rules.due_from[domain.code]})" if domain.code in rules.due_from else "held_from"
