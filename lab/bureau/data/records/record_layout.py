"""Which columns a record has, and what names it: the stored layout of every domain."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256

import polars as pl

from lab.bureau.data.catalogue.item_definition import Domain, Item, ItemType
from lab.terms.errors import InvalidInput

RECORD_COLUMNS = ("enterprise", "record", "held_from", "held_to", "operation")
"""What every record has, before the items of its domain."""
ADD, CORRECT, DELETE = "add", "correct", "delete"
OPERATIONS = (ADD, CORRECT, DELETE)
RECORD_ID_CHARACTERS = 32
_TYPES: dict[ItemType, pl.DataType] = {
    ItemType.TEXT: pl.String(),
    ItemType.CODE: pl.String(),
    ItemType.INTEGER: pl.Int64(),
    ItemType.NUMBER: pl.Float64(),
    ItemType.AMOUNT: pl.Float64(),
    ItemType.DATE: pl.Date(),
    ItemType.YES_NO: pl.Boolean(),
}
SQL_TYPES: dict[ItemType, str] = {
    ItemType.TEXT: "VARCHAR",
    ItemType.CODE: "VARCHAR",
    ItemType.INTEGER: "BIGINT",
    ItemType.NUMBER: "DOUBLE",
    ItemType.AMOUNT: "DOUBLE",
    ItemType.DATE: "DATE",
    ItemType.YES_NO: "BOOLEAN",
}
"""The types of items in DuckDB."""
_NEEDS_ESCAPE = r'[\x00-\x1f"\\]'


def record_schema(domain: Domain) -> dict[str, pl.DataType]:
    """The columns of a stored segment in order: those of ``RECORD_COLUMNS``, then the items that are not personal."""
    fixed: dict[str, pl.DataType] = {
        "enterprise": pl.String(),
        "record": pl.String(),
        "held_from": pl.Date(),
        "held_to": pl.Date(),
        "operation": pl.String(),
    }
    return fixed | {item.name: _TYPES[item.type] for item in plain_items(domain)}


def personal_schema(domain: Domain) -> dict[str, pl.DataType]:
    """The personal items of a domain, in the catalogue's order; empty if it has none."""
    return {item.name: _TYPES[item.type] for item in domain.items if item.personal}


def plain_items(domain: Domain) -> tuple[Item, ...]:
    """The items that are not personal."""
    return tuple(item for item in domain.items if not item.personal)


def record_ids(domain: Domain, frame: pl.DataFrame) -> pl.Series:
    """What names each row's record, from ``enterprise`` and the key items: the first 32 hexadecimal digits of SHA-256
    over the UTF-8 JSON list ``["DOMAIN","ENTERPRISE",KEY...]`` without blanks; dates as ISO text.

    Rows of one record have one id for ever, whichever delivery they come in. Raises ``InvalidInput`` for a domain whose
    key is a personal item or a number with decimals.
    """
    parts = [_json_text(pl.col("enterprise")), *(_json_of(domain.item(name)) for name in domain.key)]
    listed = pl.concat_str([pl.lit(f"[{_dumps(domain.code)}"), *parts], separator=",") + pl.lit("]")
    needed = frame.select("enterprise", *domain.key)
    texts = needed.select(listed.cast(pl.Binary))[:, 0].to_list()
    # hashlib, as polars has no SHA-256: about a microsecond a row.
    return pl.Series("record", [sha256(one).hexdigest()[:RECORD_ID_CHARACTERS] for one in texts], dtype=pl.String)


def _json_of(item: Item) -> pl.Expr:
    if item.personal:
        raise InvalidInput(
            f"Expected a key of items that are not personal; {item.code} is personal.",
            next_step="name another key item in the catalogue",
        )
    column = pl.col(item.name)
    match item.type:
        case ItemType.DATE:
            found = pl.lit('"') + column.dt.strftime("%Y-%m-%d") + pl.lit('"')
        case ItemType.INTEGER | ItemType.YES_NO:
            found = column.cast(pl.String)
        case ItemType.TEXT | ItemType.CODE:
            found = _json_text(column)
        case _:
            raise InvalidInput(
                f"Expected a key of texts, dates or whole numbers; {item.code} is a number with decimals.",
                next_step="name another key item in the catalogue",
            )
    return found.fill_null("null")


def _json_text(column: pl.Expr) -> pl.Expr:
    """JSON of a text column; only texts with a character that JSON escapes go through Python."""
    escaped = column.map_batches(_escape_texts, return_dtype=pl.String)
    return pl.lit('"') + escaped + pl.lit('"')


def _escape_texts(texts: pl.Series) -> pl.Series:
    odd = texts.str.contains(_NEEDS_ESCAPE).fill_null(False)
    if not odd.any():
        return texts
    return pl.Series([_dumps(text)[1:-1] if mark else text for text, mark in zip(texts, odd, strict=True)])


_dumps: Callable[[str], str] = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
