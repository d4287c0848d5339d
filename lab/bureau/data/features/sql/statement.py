"""A SELECT as DuckDB's own parser reads it, as a tree of plain values, and back.

The tree is parsed by a connection that has no table, no file and no extension, and nothing of it is run.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import duckdb

from lab.bureau.data.features.sql.refusals import refuse
from lab.bureau.data.records.closed_connection import closed_connection

Node = dict[str, Any]
LONGEST_SQL = 8_000


@dataclass(frozen=True, slots=True)
class Select:
    """One parsed SELECT: ``tree`` is the parser's node of it."""

    feature: str
    tree: Node

    @property
    def cte_names(self) -> tuple[str, ...]:
        """The names of its WITH clause."""
        return tuple(entry["key"] for entry in self.tree["cte_map"]["map"])

    @property
    def is_plain(self) -> bool:
        """Whether it reads one table and groups it: then it can be computed together with others of that table."""
        return self.tree["from_table"]["type"] == "BASE_TABLE" and not self.cte_names


def parse_select(feature: str, sql: str) -> Select:
    """Parse; raises ``InvalidInput`` unless it is exactly one SELECT."""
    if len(sql) > LONGEST_SQL:
        raise refuse(feature, f"it has more than {LONGEST_SQL:,} characters")
    with closed_connection() as connection:
        try:
            row = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
        except duckdb.Error:
            raise refuse(feature, "it cannot be parsed") from None
    found: Node = json.loads(row[0]) if row else {"error": True}
    if found.get("error"):
        raise refuse(feature, "it is not one SELECT that can be parsed")
    statements = found["statements"]
    if len(statements) != 1:
        raise refuse(feature, f"it has {len(statements)} statements, not one")
    node = statements[0].get("node", {})
    if node.get("type") != "SELECT_NODE":
        raise refuse(feature, "it is no plain SELECT (UNION and the like are not supported)")
    return Select(feature, node)


def write_select(tree: Node) -> str:
    """The SQL of a tree."""
    document = json.dumps({"error": False, "statements": [{"node": tree}]})
    with closed_connection() as connection:
        row = connection.execute("SELECT json_deserialize_sql(?::JSON)", [document]).fetchone()
    if row is None:
        raise RuntimeError("a tree gave no SQL")
    return str(row[0])
