"""One pass over a domain's records: all its checks, and the distributions of its items, in one query.

If the query fails, each check is made by itself, so that only those that cannot run are failures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb

from lab.bureau.data.catalogue.item_definition import Domain, Item, ItemType
from lab.bureau.data.quality.assessment.joined_tables import describe_failure, join_clause
from lab.bureau.data.quality.assessment.record_checks import BoundValues, RecordCheck, quote_name
from lab.bureau.data.quality.rules import JoinedTable

_NUMBERS = frozenset({ItemType.INTEGER, ItemType.NUMBER, ItemType.AMOUNT})
Bins = Mapping[Any, int]


@dataclass(frozen=True, slots=True)
class CheckCount:
    """Records checked and faults; ``reason``: why the check did not run, else empty."""

    checked: int = 0
    faults: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ItemBins:
    """How many records known by the baseline, and since, have a value in each bin; without a value under None."""

    then: Bins
    now: Bins


@dataclass(frozen=True, slots=True)
class DomainCounts:
    """What the pass found. ``records``: None if they could not be counted. ``checks``: in the order given."""

    records: int | None
    repeated: CheckCount
    checks: tuple[CheckCount, ...]
    bins: Mapping[str, ItemBins | str]
    """By item; a text says why there are none."""


@dataclass(frozen=True, slots=True)
class DomainPass:
    """What a pass works with: ``failures`` says which tables could not be made; ``baseline``: None for no bins."""

    connection: duckdb.DuckDBPyConnection
    tables: Mapping[str, JoinedTable]
    failures: Mapping[str, str]
    bound: BoundValues
    baseline: date | None

    def count(self, domain: Domain, checks: Sequence[RecordCheck]) -> DomainCounts:
        """Count over all records of ``domain``."""
        items = [item for item in domain.items if _has_bins(item)] if self.baseline else []
        since = f"known_on > {self.bound.bind(self.baseline)}" if self.baseline else ""
        columns = ["count(*)", "count(*) - count(DISTINCT record)"]
        ready = [check for check in checks if not self._missing_tables(check)]
        for check in ready:
            columns += _count_columns(check)
        for item in items:
            columns += self._bin_columns(item, since)
        try:
            found = self._select(domain, columns, ready)
        except duckdb.Error:
            return self._count_apart(domain, checks, items, since)
        counts = iter(found[2 : 2 + 2 * len(ready)])
        pairs = {id(check): CheckCount(next(counts), next(counts)) for check in ready}
        bins = iter(found[2 + 2 * len(ready) :])
        return DomainCounts(
            found[0],
            CheckCount(found[0], found[1]),
            tuple(pairs.get(id(check)) or CheckCount(reason=self._missing_tables(check)) for check in checks),
            {item.name: _read_bins([next(bins) for _ in range(4)]) for item in items},
        )

    def _count_apart(
        self, domain: Domain, checks: Sequence[RecordCheck], items: Sequence[Item], since: str
    ) -> DomainCounts:
        whole = self._try(domain, ["count(*)"], ())
        repeated = self._try(domain, ["count(*)", "count(*) - count(DISTINCT record)"], ())
        bins: dict[str, ItemBins | str] = {}
        for item in items:
            found = self._try(domain, self._bin_columns(item, since), ())
            bins[item.name] = found if isinstance(found, str) else _read_bins(found)
        return DomainCounts(
            None if isinstance(whole, str) else whole[0],
            CheckCount(reason=repeated) if isinstance(repeated, str) else CheckCount(*repeated),
            tuple(self._count_one(domain, check) for check in checks),
            bins,
        )

    def _count_one(self, domain: Domain, check: RecordCheck) -> CheckCount:
        reason = self._missing_tables(check)
        if reason:
            return CheckCount(reason=reason)
        found = self._try(domain, _count_columns(check), (check,))
        return CheckCount(reason=found) if isinstance(found, str) else CheckCount(*found)

    def _try(self, domain: Domain, columns: Sequence[str], checks: Sequence[RecordCheck]) -> tuple[Any, ...] | str:
        try:
            return self._select(domain, columns, checks)
        except duckdb.Error as error:
            return describe_failure(error)

    def _select(self, domain: Domain, columns: Sequence[str], checks: Sequence[RecordCheck]) -> tuple[Any, ...]:
        sql = f"SELECT {', '.join(columns)} FROM {self.source(domain, checks)}"
        found = self.connection.execute(sql, self.bound.used_by(sql)).fetchone()
        if found is None:
            raise duckdb.InternalException("an aggregate without a row")
        return tuple(found)

    def source(self, domain: Domain, checks: Sequence[RecordCheck]) -> str:
        """The SQL of the domain with the tables that ``checks`` use."""
        used = dict.fromkeys(name for check in checks for name in check.uses)
        return " ".join([quote_name(domain.code), *(join_clause(self.tables[name], domain.code) for name in used)])

    def _missing_tables(self, check: RecordCheck) -> str:
        return next((f"table {name}: {self.failures[name]}" for name in check.uses if name in self.failures), "")

    def _bin_columns(self, item: Item, since: str) -> list[str]:
        column = quote_name(item.name)
        expression = _bin(item, self.bound)
        return [
            f"histogram({expression}) FILTER (WHERE NOT ({since}))",
            f"histogram({expression}) FILTER (WHERE {since})",
            f"count(*) FILTER (WHERE {column} IS NULL AND NOT ({since}))",
            f"count(*) FILTER (WHERE {column} IS NULL AND {since})",
        ]


def fault_condition(check: RecordCheck) -> str:
    """SQL: whether a record is a fault."""
    return f"({check.applies}) AND ({check.faulty})" if check.applies else f"({check.faulty})"


def _count_columns(check: RecordCheck) -> list[str]:
    checked = f"count(*) FILTER (WHERE {check.applies})" if check.applies else "count(*)"
    return [checked, f"count(*) FILTER (WHERE {fault_condition(check)})"]


def _has_bins(item: Item) -> bool:
    return not item.personal and (item.type in _NUMBERS or item.type in (ItemType.CODE, ItemType.YES_NO))


def _bin(item: Item, bound: BoundValues) -> str:
    """SQL: the bin of a value. Numbers by powers of two and sign, so that the bins are the same for all data."""
    column = quote_name(item.name)
    if item.type is ItemType.CODE:
        return f"CASE WHEN {column} IS NULL OR list_contains({bound.bind(list(item.codes))}, {column}) " \
               f"THEN {column} ELSE '' END"  # fmt: skip
    if item.type is ItemType.YES_NO:
        return f"CAST({column} AS INTEGER)"
    number = f"CAST({column} AS DOUBLE)"
    return (
        f"CASE WHEN {number} = 0 THEN 0 WHEN isfinite({number}) "
        f"THEN CAST(sign({number}) * (2000 + floor(log2(abs({number})))) AS INTEGER) "
        f"WHEN {column} IS NOT NULL THEN 9999 END"
    )


def _read_bins(found: Sequence[Any]) -> ItemBins:
    then, now, missing_then, missing_now = found
    return ItemBins({**(then or {}), None: missing_then}, {**(now or {}), None: missing_now})
