"""The rows of a delivery, judged in blocks: what is stored goes to the segment, what is set aside to its file.

A block is what is compared at once, a million rows. A regular delivery of more rows is judged block by block; there a
row that differs from one of an earlier block is set aside, and the earlier one stays. Corrections and deletions are one
block.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

import polars as pl

from lab.bureau.data.catalogue.item_definition import Domain
from lab.bureau.data.ingestion.amounts import AmountCheck
from lab.bureau.data.ingestion.comparison.held_records import HeldRecords
from lab.bureau.data.ingestion.comparison.judging import judge_rows
from lab.bureau.data.ingestion.delivery_history import DeliveryCounts, Operation
from lab.bureau.data.ingestion.reasons import SetAsideReason, count_reasons
from lab.bureau.data.ingestion.row_reading import REASON, ROW, ReadRows
from lab.bureau.data.ingestion.set_aside import SetAsideFile
from lab.bureau.data.records import ADD, SegmentWriter, record_ids
from lab.terms.errors import InvalidInput
from lab.terms.identifiers import IdentifierNote

BLOCK_ROWS: Final = 1_000_000
_WORDS: Final = " words"


class DeliveryBlocks:
    """Takes the rows of one delivery as they are read. ``stated``: the items that the mapping reads; ``amounts``: None
    for a delivery whose amounts are taken as they are."""

    def __init__(
        self,
        domain: Domain,
        held: HeldRecords,
        operation: Operation,
        stated: frozenset[str],
        aside: SetAsideFile,
        writer: SegmentWriter,
        amounts: AmountCheck | None = None,
    ) -> None:
        self._domain, self._held, self._operation, self._stated = domain, held, operation, stated
        self._aside, self._writer, self._amounts = aside, writer, amounts
        self._waiting: list[ReadRows] = []
        self._rows_waiting = self._blocks = 0
        self._seen = pl.DataFrame(schema={"record": pl.String, _WORDS: pl.UInt64})
        self._counts: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._unmapped: list[pl.Series] = []
        self.blank = self.mapped = 0
        self.notes: Counter[IdentifierNote] = Counter()
        self.changed = pl.Series("record", [], dtype=pl.String)
        """The ids of the records that a correction or deletion changes; empty for a regular delivery."""

    def add(self, read: ReadRows, blank: int) -> None:
        """Take the next rows; ``blank``: blank lines among them, which are no rows."""
        self._waiting.append(read)
        self._rows_waiting += read.records.height
        self.blank += blank
        self.mapped += read.mapped
        self.notes.update(read.notes)
        if read.unmapped.len():
            self._unmapped.append(read.unmapped)
        if self._rows_waiting >= BLOCK_ROWS:
            if self._operation != ADD:
                raise InvalidInput(
                    f"Expected fewer than {BLOCK_ROWS:,} corrections or deletions in a file; found more.",
                    next_step="split the file",
                )
            self._close_block(last=False)

    def finish(self) -> DeliveryCounts:
        """Judge the rest; the counts of all rows."""
        self._close_block(last=True)
        return DeliveryCounts(
            self._counts["rows"],
            self._counts["stored"],
            self._counts["unchanged"],
            self._counts["repeated"],
            self._aside.rows,
            dict(sorted(self._reasons.items())),
        )

    def unmapped(self) -> pl.Series:
        """The legacy codes that the table lacks, each once."""
        empty = pl.Series("legacy", [], dtype=pl.String)
        return pl.concat([empty, *(one.alias("legacy") for one in self._unmapped)]).unique().sort()

    def amount_notes(self) -> tuple[str, ...]:
        """Sentences about amounts that were taken and should be looked at."""
        return self._amounts.notes() if self._amounts is not None else ()

    def _close_block(self, *, last: bool) -> None:
        if not self._waiting:
            return
        parts, self._waiting, self._rows_waiting = self._waiting, [], 0
        records = pl.concat([part.records for part in parts])
        reasons = pl.concat([part.reasons for part in parts])
        broken = pl.concat([part.broken for part in parts])
        good = reasons.is_null()
        bad = records.filter(~good).select(ROW).with_columns(reasons.filter(~good).alias(REASON))
        rows = records.filter(good)
        rows = rows.with_columns(record_ids(self._domain, rows).alias("record"))
        rows, earlier, repeated = self._compare_blocks(rows, last=last)
        doubtful = earlier.clear()
        if self._amounts is not None:
            doubtful = self._amounts.look(rows)
            rows = rows.join(doubtful, on=ROW, how="anti", maintain_order="left")
        judged = judge_rows(rows, self._domain, self._held, self._operation, self._stated)
        self._writer.write(judged.stored, judged.personal)
        if self._operation != ADD:
            self.changed = judged.stored["record"].rechunk()
        self._counts.update(
            rows=records.height + broken.height,
            stored=judged.stored.height,
            unchanged=judged.unchanged,
            repeated=judged.repeated + repeated,
        )
        self._blocks += 1
        self._set_aside(
            pl.concat([part.cells for part in parts]), pl.concat([bad, broken, earlier, doubtful, judged.set_aside])
        )

    def _compare_blocks(self, rows: pl.DataFrame, *, last: bool) -> tuple[pl.DataFrame, pl.DataFrame, int]:
        """The rows whose record no earlier block had; ROW and REASON of those that differ from it; how many repeat."""
        earlier = pl.DataFrame(schema={ROW: pl.Int64, REASON: pl.String})
        if last and not self._blocks:
            return rows, earlier, 0
        compared = sorted(self._stated)
        words = rows.select("record", pl.Series(_WORDS, rows.select(compared).hash_rows()))
        repeated = 0
        if self._blocks:
            before = words.join(self._seen, on="record", how="left", suffix=" seen", maintain_order="left")
            known = before[f"{_WORDS} seen"].is_not_null()
            differs = known & (before[_WORDS] != before[f"{_WORDS} seen"]).fill_null(value=False)
            repeated = int((known & ~differs).sum())
            earlier = rows.filter(differs).select(ROW, pl.lit(SetAsideReason.EARLIER_ROW.value).alias(REASON))
            rows, words = rows.filter(~known), words.filter(~known)
        self._seen = pl.concat([self._seen, words.unique("record")])
        return rows, earlier, repeated

    def _set_aside(self, cells: pl.DataFrame, bad: pl.DataFrame) -> None:
        if bad.is_empty():
            return
        self._reasons.update(count_reasons(bad[REASON]))
        self._aside.add(bad.sort(ROW).join(cells, on=ROW, how="left", maintain_order="left"))
