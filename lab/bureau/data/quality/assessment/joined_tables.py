"""The tables that rules join to a domain: computed once, one row a key, each row as one structure.

``firms.status`` in a rule is then a field of the column ``firms``; a domain's own columns keep their names, whatever
the table's are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import duckdb

from lab.bureau.data.quality.assessment.record_checks import quote_name
from lab.bureau.data.quality.rules import JoinedTable


def prepare_tables(connection: duckdb.DuckDBPyConnection, tables: Iterable[JoinedTable]) -> Mapping[str, str]:
    """Make the tables in the connection's memory; returns, by name, why one could not be made."""
    failures = {}
    for table in tables:
        reason = _prepare(connection, table)
        if reason:
            failures[table.name] = reason
    return failures


def join_clause(table: JoinedTable, domain: str) -> str:
    """The SQL that joins a prepared table to ``domain``."""
    name = quote_name(table.name)
    on = " AND ".join(
        f"q_{table.name}.key_{place} = {quote_name(domain)}.{quote_name(column)}"
        for place, column in enumerate(table.key)
    )
    return f"LEFT JOIN (SELECT {name}, {_key_columns(table)} FROM q_{table.name}) AS q_{table.name} ON {on}"


def _prepare(connection: duckdb.DuckDBPyConnection, table: JoinedTable) -> str:
    name = quote_name(table.name)
    keys = ", ".join(f"{name}.{quote_name(column)} AS key_{place}" for place, column in enumerate(table.key))
    filled = " AND ".join(f"{name}.{quote_name(column)} IS NOT NULL" for column in table.key)
    try:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE q_{table.name} AS "
            f"SELECT {keys}, {name} AS {name} FROM (\n{table.sql}\n) AS {name} WHERE {filled}"
        )
        repeated = connection.execute(
            f"SELECT 1 FROM q_{table.name} GROUP BY {_key_columns(table)} HAVING count(*) > 1 LIMIT 1"
        ).fetchone()
    except duckdb.Error as error:
        return describe_failure(error)
    return "the table has several rows of one key" if repeated else ""


def describe_failure(error: duckdb.Error) -> str:
    """Why SQL did not run, without a value: DuckDB's kind of error, and what it says where that is about names."""
    kind = type(error).__name__
    if isinstance(error, duckdb.BinderException | duckdb.CatalogException | duckdb.ParserException):
        return f"{kind}: {str(error).splitlines()[0][:200]}"
    return kind


def _key_columns(table: JoinedTable) -> str:
    return ", ".join(f"key_{place}" for place in range(len(table.key)))
