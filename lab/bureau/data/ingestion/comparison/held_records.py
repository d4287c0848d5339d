"""What the bureau holds of the records that a delivery names: their newest rows, with personal items."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Final

import polars as pl

from lab.bureau.data.catalogue.item_definition import Domain
from lab.bureau.data.records import Manifest, RecordStore, Segment, personal_schema, record_schema
from lab.bureau.data.records.packs.pack_list import PLACE, ROW, Pack
from lab.bureau.data.records.packs.stored_rows import StoredRows
from lab.bureau.data.records.segments.sealed_rows import read_sealed_rows

NUMBER: Final = " number"


class HeldRecords:
    """The records of one domain as of a manifest, looked up by their ids."""

    def __init__(self, records: RecordStore, manifest: Manifest, domain: Domain) -> None:
        self._records, self._domain = records, domain
        self._stored = StoredRows.find(manifest.of_domain(domain.code), records.packs.read())
        self._day_is_key = domain.key == (domain.held_from,)

    def find(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The newest stored row of each record of ``rows`` (``record``, ``held_from``) that was ever stored.

        Columns: ``record``, ``operation``, ``held_from``, ``held_to`` and all items of the domain. Segments are looked
        through from the newest on, and only those that can have one of the records.
        """
        found = [self._empty()]
        wanted = rows.select("record").unique()
        days = rows["held_from"]
        for file in self._candidates(days.min(), days.max()):  # type: ignore[arg-type]
            if wanted.is_empty():
                break
            part = self._read_pack(file, wanted) if isinstance(file, Pack) else self._read(file, wanted)
            if part.height:
                found.append(part)
                wanted = wanted.join(part, on="record", how="anti")
        return pl.concat(found, how="diagonal").select(found[0].columns)

    def _candidates(self, first: datetime.date | None, last: datetime.date | None) -> Iterator[Segment | Pack]:
        """Files that can have a record of these days, the newest first; where the day is no key, all.

        Where it is, a pack has many days, so the segments in it are read instead while their own files are there.
        """
        segments = self._stored.segments
        places: dict[int, Segment | Pack] = dict(self._stored.loose)
        for pack in self._stored.packs:
            if self._day_is_key and not pack.removed:
                places |= {place: segments[place] for place in range(pack.first, min(pack.end, len(segments)))}
            else:
                places[pack.first] = pack
        for _, file in sorted(places.items(), reverse=True):
            inner = segments[file.first : file.end] if isinstance(file, Pack) else (file,)
            far = first is None or last is None or all(one.held_last < first or one.held_first > last for one in inner)
            if not (self._day_is_key and far):
                yield file

    def _read_pack(self, pack: Pack, wanted: pl.DataFrame) -> pl.DataFrame:
        """The newest rows of a pack of these records."""
        path = self._records.files.checked(pack.name, pack.sha256, pack.bytes)
        segments = self._stored.segments
        rows = (
            pl.scan_parquet(path)
            .filter(pl.col("record").is_in(wanted["record"].implode()), pl.col(PLACE) < len(segments))
            .collect(engine="streaming")
            .sort(PLACE, ROW, descending=[True, False])
            .unique("record", keep="first", maintain_order=True)
        )
        parts = []
        for (place,), part in rows.group_by(PLACE, maintain_order=True):
            segment = segments[int(place)]
            parts.append(self._with_personal(segment, part.drop(PLACE, ROW), part[ROW].cast(pl.Int64)))
        if not parts:
            return pl.DataFrame({"record": []}, schema={"record": pl.String})
        return pl.concat(parts, how="diagonal").drop("enterprise")

    def _with_personal(self, segment: Segment, rows: pl.DataFrame, numbers: pl.Series) -> pl.DataFrame:
        """The rows with their personal items; ``numbers``: theirs in the segment, ascending."""
        if not segment.personal_sha256:
            return rows
        sealed = self._records.files.checked(f"{segment.personal_sha256}.sealed", segment.personal_sha256)
        personal = read_sealed_rows(sealed, numbers.to_list(), segment.sha256, self._records.keys.with_records_key)
        return rows.hstack(personal)

    def _read(self, segment: Segment, wanted: pl.DataFrame) -> pl.DataFrame:
        path = self._records.files.checked(f"{segment.sha256}.parquet", segment.sha256, segment.bytes)
        ids = pl.read_parquet(path, columns=["record"]).with_row_index(NUMBER)
        places = ids.join(wanted, on="record", how="semi")[NUMBER].sort()
        if places.is_empty():
            return pl.DataFrame({"record": []}, schema={"record": pl.String})
        rows = pl.read_parquet(path)[places] if places.len() < ids.height else pl.read_parquet(path)
        return self._with_personal(segment, rows, places).drop("enterprise")

    def _empty(self) -> pl.DataFrame:
        schema = record_schema(self._domain) | personal_schema(self._domain)
        fixed = ["record", "operation", "held_from", "held_to"]
        return pl.DataFrame(schema={name: schema[name] for name in [*fixed, *(one.name for one in self._domain.items)]})
