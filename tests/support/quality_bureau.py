"""A bureau's home with clean records of every domain, stored as deliveries are, and its quality service."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.catalogue.item_definition import Domain
from lab.bureau.data.quality.quality_service import QualityService
from lab.bureau.data.records import (
    FinishedSegment,
    Manifest,
    RecordStore,
    SegmentSource,
    personal_schema,
    record_schema,
)
from lab.bureau.key_management.keys import BureauKeys
from lab.bureau.store import Database
from tests.support.quality_records import KNOWN_ON, RecordTables
from tests.support.small_catalogue import HASH, rows_of

NOW = datetime(2025, 6, 1, 9, 0, tzinfo=UTC)


@dataclass
class QualityBureau:
    """A home, its database, and records that a test delivers."""

    home: BureauHome
    store: Database
    records: RecordStore
    service: QualityService

    def deliver(self, tables: RecordTables, known_on: date = KNOWN_ON) -> Manifest:
        """Store all records of the tables as one delivery a domain."""
        with self.records.importing(), ExitStack() as writers:
            finished = []
            for domain in tables.catalogue.domains:
                if tables.rows[domain.code]:
                    source = SegmentSource(known_on, f"{domain.code}.csv", HASH, HASH, tables.catalogue.sha256)
                    writer = writers.enter_context(self.records.writer(domain, source))
                    writer.write(*_rows(domain, tables))
                    finished.append(_required(writer.finish()))
            return self.records.append(finished, kind="records.imported", facts={}, by="local")


def _rows(domain: Domain, tables: RecordTables) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    schema, personal = record_schema(domain), personal_schema(domain)
    names = ["enterprise", *(item.name for item in domain.items if not item.personal)]
    rows = [[row[name] for name in names] for row in tables.rows[domain.code]]
    frame = pl.DataFrame(rows, schema={name: schema[name] for name in names}, orient="row")
    sealed = pl.DataFrame({name: [None] * len(frame) for name in personal}, schema=personal) if personal else None
    return rows_of(domain, frame), sealed


def _required(finished: FinishedSegment | None) -> FinishedSegment:
    if finished is None:
        raise ValueError("a delivery without rows")
    return finished


def open_quality_bureau(folder: Path, store: Database) -> QualityBureau:
    """The bureau's home in ``folder``; a new one if there is none."""
    new = not folder.exists()
    home = BureauHome.create(folder, name="Test bureau") if new else BureauHome.open(folder)
    records = RecordStore(home, store, BureauKeys.create(home) if new else BureauKeys.open(home))
    return QualityBureau(home, store, records, QualityService(home, store, records, lambda: NOW))
