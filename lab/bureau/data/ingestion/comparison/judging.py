"""What becomes of the good rows of a delivery, compared with one another and with what is held.

| operation | not held | held with the same values | held with others | deleted |
|---|---|---|---|---|
| add | stored | unchanged | set aside | set aside |
| correct | set aside | unchanged | stored | stored, as an addition |
| delete | set aside | stored | stored | unchanged |

Of rows that say the same of one record one counts, the others are repeated. Rows of one file that say different things
of one record are all set aside: nobody can tell which is right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from lab.bureau.data.catalogue.item_definition import Domain
from lab.bureau.data.ingestion.comparison.held_records import HeldRecords
from lab.bureau.data.ingestion.delivery_history import Operation
from lab.bureau.data.ingestion.reasons import BETWEEN, SetAsideReason, row_reason
from lab.bureau.data.ingestion.row_reading import REASON, ROW
from lab.bureau.data.records import ADD, CORRECT, DELETE, personal_schema, record_schema

_STATE: Final = " state"
_STORED, _UNCHANGED, _REPEATED = "stored", "unchanged", "repeated"
_SAME: Final = " same"


@dataclass(frozen=True, slots=True)
class JudgedRows:
    """``stored``: the columns of ``record_schema``; ``personal``: of ``personal_schema``, row for row, or None.

    ``set_aside``: ROW and REASON. ``unchanged``, ``repeated``: numbers of rows.
    """

    stored: pl.DataFrame
    personal: pl.DataFrame | None
    set_aside: pl.DataFrame
    unchanged: int
    repeated: int


def judge_rows(
    rows: pl.DataFrame, domain: Domain, held: HeldRecords, operation: Operation, stated: frozenset[str]
) -> JudgedRows:
    """Judge good rows: ROW, ``enterprise``, ``record``, ``held_from``, ``held_to`` and all items, [rows].

    ``stated``: the items that the mapping reads. A delivery says nothing about the others: they are not compared, and a
    correction leaves them as they are.
    """
    compared = [item.name for item in domain.items if item.name in stated]
    if operation == DELETE:
        compared = list(domain.key)
    rows, repeated = _without_repeats(rows, compared)
    several = rows["record"].is_duplicated() if rows["record"].n_unique() < rows.height else None
    found = held.find(rows)
    table = rows.join(found, on="record", how="left", suffix=" held", maintain_order="left")
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name} held")) for name in compared)
    table = table.with_columns(same.alias(_SAME)).with_columns(_state(operation).alias(_STATE))
    if several is not None:
        state = table[_STATE].set(several, SetAsideReason.SAME_FILE.value)
        table = table.with_columns(state.alias(_STATE))
    stored = table.filter(pl.col(_STATE) == _STORED)
    aside = table.filter(~pl.col(_STATE).is_in([_STORED, _UNCHANGED]))
    kept, personal = _as_stored(stored, domain, operation, stated)
    return JudgedRows(
        kept,
        personal,
        aside.select(ROW, _reason(compared).alias(REASON)),
        int((table[_STATE] == _UNCHANGED).sum()),
        repeated,
    )


def _without_repeats(rows: pl.DataFrame, compared: list[str]) -> tuple[pl.DataFrame, int]:
    """The rows without those that say what an earlier one says."""
    if rows["record"].n_unique() == rows.height:
        return rows, 0
    distinct = rows.unique(subset=["record", *compared], keep="first", maintain_order=True)
    return distinct, rows.height - distinct.height


def _state(operation: Operation) -> pl.Expr:
    """``stored``, ``unchanged``, or why the row is set aside."""
    before = pl.col("operation")
    live, gone = before.is_not_null() & (before != DELETE), before == DELETE
    stored, unchanged = pl.lit(_STORED), pl.lit(_UNCHANGED)
    never = pl.lit(SetAsideReason.NEVER_WAS.value)
    if operation == ADD:
        return (
            pl.when(live & pl.col(_SAME))
            .then(unchanged)
            .when(live)
            .then(pl.lit(SetAsideReason.DIFFERS.value))
            .when(gone)
            .then(pl.lit(SetAsideReason.WAS_DELETED.value))
            .otherwise(stored)
        )
    if operation == CORRECT:
        return pl.when(live & pl.col(_SAME)).then(unchanged).when(live | gone).then(stored).otherwise(never)
    return pl.when(live).then(stored).when(gone).then(unchanged).otherwise(never)


def _reason(compared: list[str]) -> pl.Expr:
    """Why a row is set aside; of one that differs, once for each item that does."""
    differing = [
        pl.when(pl.col(name).ne_missing(pl.col(f"{name} held"))).then(pl.lit(row_reason(SetAsideReason.DIFFERS, name)))
        for name in compared
    ]
    listed = pl.concat_str(differing, separator=BETWEEN, ignore_nulls=True)
    return pl.when(pl.col(_STATE) == SetAsideReason.DIFFERS.value).then(listed).otherwise(pl.col(_STATE))


def _as_stored(
    table: pl.DataFrame, domain: Domain, operation: Operation, stated: frozenset[str]
) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """The rows as they are stored: a correction keeps what it does not state, a deletion keeps the days alone."""
    schema, personal = record_schema(domain), personal_schema(domain)
    columns: list[pl.Expr] = []
    for name in (*schema, *personal):
        columns.append(_stored_column(name, domain, operation, stated))
    kept = table.select(columns)
    rows = kept.select(list(schema)).cast(dict(schema))  # type: ignore[arg-type]
    if not personal or operation == DELETE:
        return rows, None
    return rows, kept.select(list(personal)).cast(dict(personal))  # type: ignore[arg-type]


def _stored_column(name: str, domain: Domain, operation: Operation, stated: frozenset[str]) -> pl.Expr:
    if name in ("enterprise", "record"):
        return pl.col(name)
    if name == "operation":
        again = pl.col("operation") == DELETE  # a correction of a deleted record adds it again
        return pl.when(again.fill_null(value=False)).then(pl.lit(ADD)).otherwise(pl.lit(operation)).alias(name)
    before = pl.col(f"{name} held").alias(name)
    if operation == ADD:
        return pl.col(name)
    if name in ("held_from", "held_to"):
        item = domain.held_from if name == "held_from" else domain.held_to
        return pl.col(name) if operation == CORRECT and item in stated else before
    if operation == DELETE:
        return pl.when(False).then(pl.col(name)).alias(name)
    return pl.col(name) if name in stated else before
