"""The record types of the rules: dimensions, rules over records, limits and weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from lab.terms.text.bilingual import BilingualEnum


class QualityDimension(BilingualEnum):
    """A side of quality (the words of GB/T 36344, and stability over time)."""

    COMPLETENESS = "completeness", "完整性", "completeness"
    UNIQUENESS = "uniqueness", "唯一性", "uniqueness"
    VALIDITY = "validity", "规范性", "validity"
    TIMELINESS = "timeliness", "时效性", "timeliness"
    CONSISTENCY = "consistency", "一致性", "consistency"
    STABILITY = "stability", "稳定性", "stability"


@dataclass(frozen=True, slots=True)
class CheckLimits:
    """Shares of faults among what was checked (0 to 1; for stability, the index less chance): above ``warn_above`` a
    person is warned, above ``block_above`` nothing is published."""

    warn_above: float
    block_above: float


@dataclass(frozen=True, slots=True)
class JoinedTable:
    """A table that is computed once, with at most one row for each ``key``, and joined to the domains of rules.

    ``reads``: the domains that ``sql`` reads.
    """

    name: str
    key: tuple[str, ...]
    reads: tuple[str, ...]
    sql: str


@dataclass(frozen=True, slots=True)
class QualityRule:
    """A condition of the bureau's over each record of ``domains``.

    ``applies``: SQL condition for a record to be checked, empty for all; ``faulty``: SQL condition for a fault. Both
    see the domain's columns and the tables of ``uses``. ``items``: the items of the domain that a fault is charged to.
    """

    code: str
    dimension: QualityDimension
    domains: tuple[str, ...]
    zh: str
    en: str
    faulty: str
    applies: str = ""
    uses: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    limits: CheckLimits = CheckLimits(0.0, 1.0)


@dataclass(frozen=True, slots=True)
class QualityThresholds:
    """Limits, weights and the figures of the checks that every item has.

    ``limits``: by kind of check, or by ``KIND:DOMAIN`` or ``KIND:DOMAIN.ITEM`` for an exception. ``grace_days``: by
    frequency, the days after the end of a day, week, month, quarter or year by which its records are due.
    """

    dimension_weights: Mapping[str, float]
    check_weights: Mapping[str, float]
    limits: Mapping[str, CheckLimits]
    warn_below: float
    block_below: float
    grace_days: Mapping[str, int]
    earliest_date: date
    latest_date: date
    largest_number: float
    thin_share: float

    def limits_of(self, kind: str, domain: str, item: str) -> CheckLimits:
        """The limits of a check: the exception for the item, else for the domain, else those of the kind."""
        for name in (f"{kind}:{domain}.{item}", f"{kind}:{domain}", kind):
            if name in self.limits:
                return self.limits[name]
        raise KeyError(kind)


@dataclass(frozen=True, slots=True)
class QualityRules:
    """Everything that an assessment depends on besides records and catalogue. ``sha256``: of all of it.

    ``expected``: by code of an optional item, the SQL condition under which a record should have it (``false``:
    never). Optional items that are not listed are expected in every record. ``due_from``: by domain, SQL for the day
    in whose period a record is due; ``held_from`` for domains that are not listed.
    """

    tables: tuple[JoinedTable, ...]
    rules: tuple[QualityRule, ...]
    expected: Mapping[str, str]
    due_from: Mapping[str, str]
    may_be_future: frozenset[str]
    may_be_negative: frozenset[str]
    thresholds: QualityThresholds
    sha256: str
