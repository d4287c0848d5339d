"""Clean records of every domain in DuckDB tables, into which a test plants faults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import duckdb

from lab.bureau.data.catalogue import Catalogue, default_catalogue
from lab.bureau.data.catalogue.item_definition import Domain, ItemType
from lab.bureau.data.quality.assessment import Assessment, AssessmentScope, CheckResult, ReceivedSegment, assess_records
from lab.bureau.data.quality.rules import QualityRules, default_rules
from lab.terms.progress import SILENT

KNOWN_ON = date(2025, 2, 15)
"""The day on which all records were received, unless a test says otherwise."""
SQL_TYPES = {
    ItemType.TEXT: "VARCHAR",
    ItemType.CODE: "VARCHAR",
    ItemType.INTEGER: "BIGINT",
    ItemType.NUMBER: "DOUBLE",
    ItemType.AMOUNT: "DOUBLE",
    ItemType.DATE: "DATE",
    ItemType.YES_NO: "BOOLEAN",
}
_VALUES: Mapping[ItemType, Any] = {
    ItemType.TEXT: "words",
    ItemType.INTEGER: 3,
    ItemType.NUMBER: 5.0,
    ItemType.AMOUNT: 7.0,
    ItemType.DATE: date(2025, 1, 1),
    ItemType.YES_NO: False,
}


def clean_row(domain: Domain, number: int) -> dict[str, Any]:
    """A record without a fault, of firm ``number``."""
    row: dict[str, Any] = {"enterprise": firm(number), "record": f"{domain.code}-{number}", "known_on": KNOWN_ON}
    for item in domain.items:
        if item.personal:
            continue
        row[item.name] = next(iter(item.codes)) if item.type is ItemType.CODE else _VALUES[item.type]
        if item.name == domain.key[0] and item.type is ItemType.TEXT:
            row[item.name] = f"N-{number}"
    if domain.code == "registration":
        row |= {"name": f"Firm {number}", "region": "310104", "established_on": date(2000, 1, 1)}
    if domain.code == "real_estate":
        row["mortgaged"] = True
    return row


def firm(number: int) -> str:
    """The code of firm ``number``."""
    return f"FIRM{number:014d}"


class RecordTables:
    """Tables of a catalogue's domains; ``rows`` firms with a clean record in each, which a test changes by number."""

    def __init__(self, rows: int = 10, catalogue: Catalogue | None = None, rules: QualityRules | None = None) -> None:
        self.catalogue, self.rules = catalogue or default_catalogue(), rules or default_rules()
        self.rows = {
            domain.code: [clean_row(domain, number) for number in range(rows)] for domain in self.catalogue.domains
        }

    def change(self, domain: str, number: int, **values: Any) -> None:
        """Other values in a record."""
        self.rows[domain][number] |= values

    def copy(self, domain: str, number: int, **values: Any) -> None:
        """One more record, like another but for these values."""
        self.rows[domain].append(self.rows[domain][number] | {"record": f"copy-{len(self.rows[domain])}"} | values)

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A connection with the tables."""
        connection = duckdb.connect(":memory:")
        for domain in self.catalogue.domains:
            items = [item for item in domain.items if not item.personal]
            columns = {"enterprise": "VARCHAR", "record": "VARCHAR"}
            columns |= dict.fromkeys(("held_from", "held_to", "known_on"), "DATE")
            columns |= {item.name: SQL_TYPES[item.type] for item in items}
            listed = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
            connection.execute(f'CREATE TABLE "{domain.code}" ({listed})')
            values = [_stored(domain, row, list(columns)) for row in self.rows[domain.code]]
            if values:
                marks = ", ".join("?" * len(columns))
                connection.executemany(f'INSERT INTO "{domain.code}" VALUES ({marks})', values)
        return connection

    def assess(
        self,
        *,
        day: date = KNOWN_ON,
        baseline: date | None = None,
        received: Sequence[ReceivedSegment] | None = None,
    ) -> Assessment:
        """The assessment; one delivery of each domain on ``KNOWN_ON``, unless others are given."""
        given = received
        if given is None:
            given = [ReceivedSegment(domain.code, KNOWN_ON) for domain in self.catalogue.domains]
        scope = AssessmentScope("0" * 64, day, baseline, tuple(given))
        with self.connect() as connection:
            return assess_records(connection, self.catalogue, self.rules, scope, SILENT)


def faults(found: Assessment) -> dict[str, tuple[int, int]]:
    """Faults and records checked of every check that found any, by its name."""
    return {check.name: (check.faults, check.checked) for check in found.checks if check.faults}


def check_of(found: Assessment, name: str) -> CheckResult:
    """The check of this name."""
    (check,) = [one for one in found.checks if one.name == name]
    return check


def without_frequency(catalogue: Catalogue, **frequencies: Any) -> Catalogue:
    """The catalogue with other frequencies of these domains."""
    domains = [
        replace(one, frequency=frequencies[one.code]) if one.code in frequencies else one for one in catalogue.domains
    ]
    return replace(catalogue, domains=tuple(domains))


def _stored(domain: Domain, row: Mapping[str, Any], columns: Sequence[str]) -> list[Any]:
    times = {"held_from": row.get(domain.held_from), "held_to": row.get(domain.held_to) if domain.held_to else None}
    return [{**times, **row}[name] for name in columns]
