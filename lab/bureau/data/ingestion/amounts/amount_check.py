"""The amounts of a delivery compared with what is held and with one another, before its rows are judged."""

from __future__ import annotations

from collections import Counter
from typing import Final

import polars as pl

from lab.bureau.data.catalogue.item_definition import Domain, ItemType
from lab.bureau.data.ingestion.amounts.held_amounts import HeldAmounts
from lab.bureau.data.ingestion.amounts.scale import HELD, LOG, find_doubtful, find_whole_factor
from lab.bureau.data.ingestion.reasons import SetAsideReason, join_reasons, row_reason
from lab.bureau.data.ingestion.row_reading import REASON, ROW
from lab.bureau.data.records import Manifest, RecordStore
from lab.terms.errors import InvalidInput

_MOST_NAMED: Final = 5
_FACTOR: Final = {True: "10,000 times", False: "1/10,000 of"}


class AmountCheck:
    """Looks at the amounts of one delivery, block by block. ``stated``: the items that its mapping reads; ``correct``:
    it is a correction, so that the records it names are not what it is compared with; ``source``: how people know
    it."""

    def __init__(
        self,
        records: RecordStore,
        manifest: Manifest,
        domain: Domain,
        stated: frozenset[str],
        source: str,
        *,
        correct: bool = False,
    ) -> None:
        amounts = (one.name for one in domain.items if one.type is ItemType.AMOUNT and not one.personal)
        self._items = tuple(name for name in amounts if name in stated)
        self._held = HeldAmounts(records, manifest, domain, self._items)
        self._domain, self._source, self._correct = domain, source, correct
        self._earlier: dict[str, pl.DataFrame] = {}
        self.alike: Counter[str] = Counter()
        """By item, amounts as far off as those in doubt, in a column that varies as much by itself."""

    def look(self, rows: pl.DataFrame) -> pl.DataFrame:
        """ROW and REASON of the rows that are in doubt; ``rows``: ROW, ``enterprise``, ``record`` and the items.

        Raises ``InvalidInput`` if the amounts of an item are as a whole another unit's than those held.
        """
        none = pl.DataFrame(schema={ROW: pl.Int64, REASON: pl.String})
        if not self._items or rows.is_empty():
            return none
        held = self._held.find(rows["enterprise"], rows["record"] if self._correct else None)
        reasons = []
        for item in self._items:
            amounts = self._amounts(item, rows, held)
            now = amounts.filter(~pl.col(HELD))
            if now.is_empty():
                continue
            self._check_whole(item, rows, amounts)
            found = find_doubtful(amounts)
            self.alike[item] += found.alike
            doubtful = amounts[found.rows]["place"]
            marks = pl.Series([None], dtype=pl.String).new_from_index(0, rows.height)
            reasons.append(marks.scatter(doubtful, row_reason(SetAsideReason.OTHER_SCALE, item)))
            good = now.filter(~pl.col("place").is_in(doubtful.implode()))
            self._remember(item, good)
        if not reasons:
            return none
        joined = rows.select(ROW).with_columns(join_reasons(reasons, REASON))
        return joined.filter(pl.col(REASON).is_not_null())

    def notes(self) -> tuple[str, ...]:
        """Sentences about what was taken although it is far from the enterprise's other amounts."""
        return tuple(
            f"{self._domain.code}.{item}: {count} 个金额约为该企业其他金额的一万倍或万分之一，但该列本身起伏很大，"
            f"已照收，请核对单位 · {count} amounts are about ten thousand times, or a ten-thousandth of, their "
            "enterprises' others; the column varies as much by itself, so they were taken: check their unit"
            for item, count in self.alike.items()
            if count
        )

    def _amounts(self, item: str, rows: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
        """``enterprise``, LOG, HELD and ``place`` (of the row; null for what is held) of all amounts but nought."""
        size = pl.col(item).abs().cast(pl.Float64)
        columns = ("enterprise", size.log10().alias(LOG))
        now = rows.with_row_index("place").filter(size > 0).select(*columns, pl.lit(value=False).alias(HELD), "place")
        place = pl.lit(None, dtype=now.schema["place"]).alias("place")
        before = held.filter(size > 0).select(*columns, pl.lit(value=True).alias(HELD), place)
        earlier = self._earlier.get(item, before.clear())
        return pl.concat([now, before, earlier])

    def _remember(self, item: str, good: pl.DataFrame) -> None:
        """What this block says of each enterprise: the next ones are compared with it as with what is held."""
        middle = good.group_by("enterprise").agg(pl.col(LOG).median())
        place = pl.lit(None, dtype=good.schema["place"]).alias("place")
        new = middle.select("enterprise", LOG, pl.lit(value=True).alias(HELD), place)
        self._earlier[item] = pl.concat([self._earlier.get(item, new.clear()), new])

    def _check_whole(self, item: str, rows: pl.DataFrame, amounts: pl.DataFrame) -> None:
        found = find_whole_factor(amounts)
        if found is None:
            return
        held = amounts.filter(HELD).select("enterprise")
        places = amounts.filter(~pl.col(HELD)).join(held, on="enterprise", how="semi")["place"].sort()
        numbers = [str(row) for row in rows[ROW].gather(places.head(_MOST_NAMED)).to_list()]
        listed = ", ".join([*numbers, "…"] if places.len() > _MOST_NAMED else numbers)
        name = f"{self._domain.code}.{item}"
        raise InvalidInput(
            f"Expected amounts of {name} like those held; in {self._source} those of {found.enterprises} of "
            f"{found.compared} enterprises are about {_FACTOR[found.larger]} what is held (rows {listed}).",
            next_step=f"compare the unit of {item} in the mapping with the file; if the amounts are right, import it "
            "with --accept-amounts (in a list of deliveries, accept_amounts = true)",
        )
