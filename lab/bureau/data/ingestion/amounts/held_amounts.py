"""The amounts that are held of a delivery's enterprises, to compare its own with."""

from __future__ import annotations

from typing import Final

import polars as pl

from lab.bureau.data.catalogue.item_definition import Domain
from lab.bureau.data.records import DELETE, Manifest, RecordStore, Segment

MOST_ROWS: Final = 4_000_000
MOST_SEGMENTS: Final = 200
"""Of the newest segments so many are read, or fewer: the amounts of the last deliveries are what new ones are like."""
_ENOUGH: Final = 0.95
"""No further segment is read once so many of the enterprises are found."""


class HeldAmounts:
    """The amounts of one domain as of a manifest. ``items``: those that are compared."""

    def __init__(self, records: RecordStore, manifest: Manifest, domain: Domain, items: tuple[str, ...]) -> None:
        self._records, self._items = records, items
        self._segments = tuple(reversed(manifest.of_domain(domain.code)))[:MOST_SEGMENTS]

    def find(self, enterprises: pl.Series, without: pl.Series | None = None) -> pl.DataFrame:
        """``enterprise``, ``record`` and the items (Float64) of the newest row of each record of the enterprises that
        the newest segments hold and that is not deleted; ``without``: ids of records that are passed over."""
        wanted = enterprises.unique().to_frame("enterprise")
        schema = {"enterprise": pl.String, "record": pl.String} | dict.fromkeys(self._items, pl.Float64)
        found, read = [pl.DataFrame(schema=schema)], 0
        firms = wanted.clear()
        seen = pl.DataFrame(schema={"record": pl.String}) if without is None else without.to_frame("record")
        for segment in self._segments:
            if read >= MOST_ROWS or firms.height >= _ENOUGH * wanted.height:
                break
            part = self._read(segment, wanted, [*schema, "operation"]).join(seen, on="record", how="anti")
            read += segment.rows
            if part.height:
                seen = pl.concat([seen, part.select("record")])
                amounts = pl.any_horizontal(
                    pl.lit(value=False), *(pl.col(name) != 0 for name in self._items if name in part.columns)
                )
                found.append(part.filter(pl.col("operation") != DELETE, amounts).drop("operation"))
                firms = pl.concat([firms, found[-1].select("enterprise")]).unique()
        return pl.concat(found, how="diagonal_relaxed")

    def _read(self, segment: Segment, wanted: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
        path = self._records.files.checked(f"{segment.sha256}.parquet", segment.sha256, segment.bytes)
        scan = pl.scan_parquet(path)
        there = scan.collect_schema().names()  # an item that a later catalogue added is in no older segment
        chosen = scan.select(name for name in columns if name in there)
        return chosen.join(wanted.lazy(), on="enterprise", how="semi").collect()
