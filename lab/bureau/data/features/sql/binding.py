"""Binding a SELECT to empty tables that have the declared columns and no others: what it reads beyond them cannot be
found, whatever the allow list missed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import duckdb

from lab.bureau.data.features.sql.refusals import refuse
from lab.bureau.data.records.closed_connection import closed_connection

_FITTING: Mapping[str, tuple[str, ...]] = {
    "integer": ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"),
    "number": ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "DECIMAL", "DOUBLE"),
    "share": ("INTEGER", "BIGINT", "HUGEINT", "DECIMAL", "DOUBLE"),
    "amount": ("INTEGER", "BIGINT", "HUGEINT", "DECIMAL", "DOUBLE"),
    "yes-no": ("BOOLEAN",),
    "code": ("VARCHAR",),
}


def check_binding(feature: str, sql: str, value_type: str, tables: Mapping[str, Sequence[tuple[str, str]]]) -> None:
    """Raise ``InvalidInput`` unless the SELECT binds to ``tables`` (columns and SQL types by name) and gives
    ``value_type`` (a feature's type)."""
    day = date(2026, 1, 31)
    with closed_connection() as connection:
        for name, columns in tables.items():
            listed = ", ".join(f'"{column}" {kind}' for column, kind in columns)
            connection.execute(f'CREATE TABLE "{name}" ({listed})')
        values = {key: day for key in ("as_of", "window_start") if f"${key}" in sql}
        try:
            found = connection.execute(sql, values).description
        except duckdb.Error as error:
            raise refuse(feature, f"it does not fit its items ({_first_line(error)})") from None
    kind = str(found[1][1]).partition("(")[0]
    if kind not in _FITTING[value_type]:
        raise refuse(feature, f"its value is {kind}, which is no {value_type}")


def _first_line(error: duckdb.Error) -> str:
    """What DuckDB says. Its tables are empty, so no value is in it."""
    return str(error).strip().splitlines()[0][:160]
