"""What the bureau holds of the records that a delivery names: their newest rows, with personal items."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Final

import polars as pl

from lab.bureau.data.catalogue.item_definition import Domain
from lab.bureau.data.records import Manifest, RecordStore, Segment, personal_schema, record_schema
from lab.bureau.data.records.segments.sealed_rows import read_sealed_rows

PLACE: Final = " place"


class HeldRecords:
    """The records of one domain as of a manifest, looked up by their ids."""

    def __init__(self, records: RecordStore, manifest: Manifest, domain: Domain) -> None:
        self._records, self._domain = records, domain
        self._segments = tuple(reversed(manifest.of_domain(domain.code)))
        self._day_is_key = domain.key == (domain.held_from,)

    def find(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The newest stored row of each record of ``rows`` (``record``, ``held_from``) that was ever stored.

        Columns: ``record``, ``operation``, ``held_from``, ``held_to`` and all items of the domain. Segments are looked
        through from the newest on, and only those that can have one of the records.
        """
        found = [self._empty()]
        wanted = rows.select("record").unique()
        days = rows["held_from"]
        for segment in self._candidates(days.min(), days.max()):  # type: ignore[arg-type]
            if wanted.is_empty():
                break
            part = self._read(segment, wanted)
            if part.height:
                found.append(part)
                wanted = wanted.join(part, on="record", how="anti")
        return pl.concat(found, how="diagonal").select(found[0].columns)

    def _candidates(self, first: datetime.date | None, last: datetime.date | None) -> Iterator[Segment]:
        """Segments that can have a record of these days; where the day is no key, all."""
        for segment in self._segments:
            far = first is None or last is None or segment.held_last < first or segment.held_first > last
            if not (self._day_is_key and far):
                yield segment

    def _read(self, segment: Segment, wanted: pl.DataFrame) -> pl.DataFrame:
        path = self._records.files.checked(f"{segment.sha256}.parquet", segment.sha256, segment.bytes)
        ids = pl.read_parquet(path, columns=["record"]).with_row_index(PLACE)
        places = ids.join(wanted, on="record", how="semi")[PLACE].sort()
        if places.is_empty():
            return pl.DataFrame({"record": []}, schema={"record": pl.String})
        rows = pl.read_parquet(path)[places] if places.len() < ids.height else pl.read_parquet(path)
        if segment.personal_sha256:
            sealed = self._records.files.checked(f"{segment.personal_sha256}.sealed", segment.personal_sha256)
            personal = read_sealed_rows(sealed, places.to_list(), segment.sha256, self._records.keys.with_records_key)
            rows = rows.hstack(personal)
        return rows.drop("enterprise")

    def _empty(self) -> pl.DataFrame:
        schema = record_schema(self._domain) | personal_schema(self._domain)
        fixed = ["record", "operation", "held_from", "held_to"]
        return pl.DataFrame(schema={name: schema[name] for name in [*fixed, *(one.name for one in self._domain.items)]})
