"""Random records of every domain of the embedded catalogue, and a store that holds them, for tests of features."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import duckdb
import polars as pl

from lab.bureau.data.catalogue.item_definition import Catalogue, Domain, Grain, Item, ItemType
from lab.bureau.data.records import RecordStore, SegmentSource, personal_schema, record_ids, record_schema

Row = dict[str, object]
FIRST, LAST = date(2021, 1, 1), date(2026, 10, 31)
_SQL = {
    ItemType.TEXT: "VARCHAR",
    ItemType.CODE: "VARCHAR",
    ItemType.INTEGER: "BIGINT",
    ItemType.NUMBER: "DOUBLE",
    ItemType.AMOUNT: "DOUBLE",
    ItemType.DATE: "DATE",
    ItemType.YES_NO: "BOOLEAN",
}


def firm_code(number: int, *, natural: bool = False) -> str:
    """Eighteen characters that look like a unified code; not a checked one."""
    return f"{'92' if natural else '91'}330100{number:010d}"


def random_value(item: Item, rng: random.Random) -> object:
    """A value of the item's type, or none."""
    if not item.required and rng.random() < 0.2:
        return None
    match item.type:
        case ItemType.CODE:
            return rng.choice(sorted(item.codes))
        case ItemType.INTEGER:
            return rng.choice((0, 1, 2, rng.randint(0, 500)))
        case ItemType.NUMBER:
            return round(rng.choice((0.0, rng.uniform(0, 1e5))), 4)
        case ItemType.AMOUNT:
            return round(rng.choice((0.0, rng.uniform(0, 1e7))), 2)
        case ItemType.DATE:
            return FIRST + timedelta(days=rng.randint(0, (LAST - FIRST).days + 500))
        case ItemType.YES_NO:
            return rng.random() < 0.4
    return f"T{rng.randint(0, 10**9)}"


def random_rows(domain: Domain, firms: Sequence[str], rng: random.Random, most: int = 6) -> list[Row]:
    """Some records of each enterprise, no two with one key; ``held_from`` as the domain says."""
    rows: list[Row] = []
    for firm in firms:
        seen: set[tuple[object, ...]] = set()
        for _ in range(rng.randint(1 if domain.code == "registration" else 0, most)):
            row: Row = {"enterprise": firm}
            row |= {item.name: random_value(item, rng) for item in domain.items if not item.personal}
            day = FIRST + timedelta(days=rng.randint(0, (LAST - FIRST).days))
            if domain.grain is Grain.PERIOD:
                day = day.replace(day=1)
            row[domain.held_from] = day
            key = tuple(row[name] for name in domain.key)
            if key not in seen:
                seen.add(key)
                rows.append(row)
    return rows


def random_records(catalogue: Catalogue, firms: Sequence[str], seed: int, most: int = 6) -> dict[str, list[Row]]:
    """Records of every domain."""
    rng = random.Random(seed)
    return {domain.code: random_rows(domain, firms, rng, most) for domain in catalogue.domains}


def memory_views(catalogue: Catalogue, records: Mapping[str, Sequence[Row]], day: date) -> duckdb.DuckDBPyConnection:
    """A connection with a table for each domain, as ``open_records`` gives views: only what held by ``day``."""
    connection = duckdb.connect(":memory:", config={"threads": 1})
    for domain in catalogue.domains:
        items = [item for item in domain.items if not item.personal]
        columns = ", ".join(f'"{item.name}" {_SQL[item.type]}' for item in items)
        connection.execute(
            f'CREATE TABLE "{domain.code}" (enterprise VARCHAR, held_from DATE, held_to DATE, {columns})'
        )
        rows = [row for row in records.get(domain.code, ()) if row[domain.held_from] <= day]  # type: ignore[operator]
        values = [
            [row["enterprise"], row[domain.held_from], None, *(row.get(item.name) for item in items)] for row in rows
        ]
        if values:
            marks = ", ".join(["(" + ", ".join("?" * len(values[0])) + ")"] * len(values))
            connection.execute(f'INSERT INTO "{domain.code}" VALUES {marks}', [one for row in values for one in row])
    return connection


def deliver_rows(
    records: RecordStore, catalogue: Catalogue, domain: Domain, rows: Sequence[Row], known_on: date, kind: str = "add"
) -> None:
    """Store rows as one delivery; personal items are empty."""
    kinds = {"add": "records.imported", "correct": "records.corrected", "delete": "records.deleted"}
    plain = {item.name for item in domain.items if not item.personal}
    schema = record_schema(domain)
    typed = {name: kind_of for name, kind_of in schema.items() if name in plain} | {"enterprise": pl.String}
    frame = pl.DataFrame(list(rows), schema=typed)  # type: ignore[arg-type]
    stored = frame.with_columns(
        record=record_ids(domain, frame),
        held_from=pl.col(domain.held_from),
        held_to=pl.col(domain.held_to) if domain.held_to else pl.lit(None, dtype=pl.Date),
        operation=pl.lit(kind),
    ).select(*schema)
    personal = personal_schema(domain)
    empty = pl.DataFrame({name: [None] * stored.height for name in personal}, schema=dict(personal))  # type: ignore[arg-type]
    source = SegmentSource(known_on, f"{domain.code}-{known_on}.csv", "ab" * 32, "cd" * 32, catalogue.sha256)
    with records.importing(), records.writer(domain, source) as writer:
        writer.write(stored, empty if personal else None)
        finished = writer.finish()
        if finished is None:
            raise ValueError("a delivery without rows")
        records.append([finished], kind=kinds[kind], facts={}, by="local")


def fill_store(records: RecordStore, catalogue: Catalogue, content: Mapping[str, Sequence[Row]], day: date) -> None:
    """Store all records, a delivery for each domain."""
    for domain in catalogue.domains:
        if content.get(domain.code):
            deliver_rows(records, catalogue, domain, content[domain.code], day)
