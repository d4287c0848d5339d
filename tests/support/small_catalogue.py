"""A small catalogue of records, and a home with a store of records, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.catalogue.item_definition import Catalogue, Domain, Frequency, Grain, Item, ItemType
from lab.bureau.data.records import Manifest, RecordStore, SegmentSource, personal_schema, record_ids, record_schema
from lab.bureau.key_management.keys import BureauKeys
from lab.bureau.store import Database
from models.shared.catalogue_words import SensitivityGrade

HASH = "ab" * 32
KINDS = {"imported": "add", "corrected": "correct", "deleted": "delete"}


def _item(domain: str, name: str, kind: ItemType, *, personal: bool = False) -> Item:
    return Item(domain, name, name, name, (name, name), kind, SensitivityGrade.INTERNAL, personal=personal)


def _domain(code: str, grain: Grain, key: str, held_from: str, held_to: str, items: Sequence[Item]) -> Domain:
    return Domain(code, code, code, "局", "office", Frequency.MONTHLY, grain, (key,), held_from, held_to, tuple(items))


TAX = _domain(
    "tax",
    Grain.PERIOD,
    "period",
    "period",
    "",
    [_item("tax", "period", ItemType.DATE), _item("tax", "sales", ItemType.AMOUNT)],
)
COURTS = _domain(
    "courts",
    Grain.EVENT,
    "case_number",
    "filed_on",
    "closed_on",
    [
        _item("courts", "case_number", ItemType.TEXT),
        _item("courts", "filed_on", ItemType.DATE),
        _item("courts", "closed_on", ItemType.DATE),
        _item("courts", "listed", ItemType.YES_NO),
        _item("courts", "staff", ItemType.INTEGER),
    ],
)
REGISTRATION = _domain(
    "registration",
    Grain.STATE,
    "changed_on",
    "changed_on",
    "",
    [
        _item("registration", "changed_on", ItemType.DATE),
        _item("registration", "name", ItemType.TEXT),
        _item("registration", "person", ItemType.TEXT, personal=True),
        _item("registration", "person_id", ItemType.TEXT, personal=True),
    ],
)
SMALL_CATALOGUE = Catalogue(("小目录", "Small catalogue"), (TAX, COURTS, REGISTRATION), "cd" * 32)


def open_store(folder: Path, store: Database) -> RecordStore:
    """A new bureau's home in ``folder`` and its records."""
    home = BureauHome.create(folder, name="Test bureau")
    return RecordStore(home, store, BureauKeys.create(home))


def source(known_on: date, name: str = "delivery.csv") -> SegmentSource:
    """A delivery of that day."""
    return SegmentSource(known_on, name, HASH, HASH, SMALL_CATALOGUE.sha256)


def rows_of(domain: Domain, values: pl.DataFrame, operation: str = "add") -> pl.DataFrame:
    """Stored rows of ``enterprise`` and items; items that are missing are null."""
    named = values.with_columns(
        record=record_ids(domain, values),
        held_from=pl.col(domain.held_from),
        held_to=pl.col(domain.held_to) if domain.held_to in values.columns else pl.lit(None, dtype=pl.Date),
        operation=pl.lit(operation),
    )
    schema = record_schema(domain)
    empty = [pl.lit(None, dtype=kind).alias(name) for name, kind in schema.items() if name not in named.columns]
    return named.with_columns(empty).select(*schema).cast(dict(schema))  # type: ignore[arg-type]


def deliver(
    records: RecordStore, domain: Domain, known_on: date, values: pl.DataFrame, kind: str = "imported"
) -> Manifest:
    """Store one delivery; personal items are columns of ``values``."""
    personal = personal_schema(domain)
    with records.importing(), records.writer(domain, source(known_on)) as writer:
        kept = values.select(*personal) if personal and set(personal) <= set(values.columns) else None
        writer.write(rows_of(domain, values.drop(*personal, strict=False), KINDS[kind]), kept)
        finished = writer.finish()
        if finished is None:
            raise ValueError("a delivery without rows")
        return records.append([finished], kind=f"records.{kind}", facts={}, by="local")
