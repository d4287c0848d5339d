"""Records as tables of SQL: a DuckDB connection with one view a domain, as of a manifest.

A row counts unless a later segment corrects or deletes its record. Segments that only add never replace an earlier row,
so only the others are compared: a scan of additions costs what reading them costs. DuckDB's ASOF JOIN is not used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import duckdb
import polars as pl

from lab.bureau.data.catalogue.item_definition import Catalogue, Domain
from lab.bureau.data.records.confined_connection import QueryLimits, confined_connection
from lab.bureau.data.records.manifest import Manifest
from lab.bureau.data.records.packs.pack_list import PLACE
from lab.bureau.data.records.packs.pack_writing import checked_paths
from lab.bureau.data.records.packs.stored_rows import StoredRows
from lab.bureau.data.records.record_layout import SQL_TYPES, plain_items
from lab.bureau.data.records.record_store import RecordStore
from lab.terms.errors import NotFound

_LIMITS = QueryLimits()


@contextmanager
def open_records(
    records: RecordStore,
    manifest: Manifest,
    catalogue: Catalogue,
    *,
    day: date | None = None,
    domains: Sequence[str] | None = None,
    excluded: Mapping[str, pl.Series] | None = None,
    limits: QueryLimits = _LIMITS,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with a view for each domain (``domains``: only those), named by it.

    A view has the current records as of ``manifest``: enterprise, record, held_from, held_to, known_on (the day on
    which the bureau received this version), and the items that are not personal. ``day``: only what held from that day
    or before. ``excluded``: ids of records that are left out, by domain. A domain without records is an empty view.
    Rows come in no promised order. The connection reads these files and a private scratch folder, and nothing else;
    ``fetch_frame`` brings a result to polars. Raises ``DamagedFile`` for a file that is not the one stored, and
    ``NotFound`` for a domain that the catalogue lacks.
    """
    wanted = [_find_domain(catalogue, code) for code in domains] if domains is not None else list(catalogue.domains)
    packs = records.packs.read()
    chosen = {domain.code: StoredRows.find(manifest.of_domain(domain.code), packs) for domain in wanted}
    paths = checked_paths(records.files, *(rows.all_rows for rows in chosen.values()))
    with (
        records.files.staged_folder() as scratch,
        confined_connection(scratch, list(paths.values()), limits) as connection,
    ):
        for domain in wanted:
            view = _DomainView(domain, chosen[domain.code], paths, catalogue.sha256)
            view.create(connection, day, _write_ids(scratch, domain.code, excluded or {}))
        yield connection


def fetch_frame(connection: duckdb.DuckDBPyConnection, query: str, values: Sequence[object] = ()) -> pl.DataFrame:
    """The result of a query on a connection of ``open_records`` as a polars frame, in the query's order."""
    (scratch,) = connection.execute("SELECT current_setting('temp_directory')").fetchone() or ("",)
    path = Path(scratch) / "fetched.parquet"
    try:
        connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet, COMPRESSION lz4)", list(values))
        return pl.read_parquet(path, memory_map=False)
    finally:
        path.unlink(missing_ok=True)


class _DomainView:
    """The view of one domain."""

    def __init__(self, domain: Domain, rows: StoredRows, paths: Mapping[str, Path], catalogue_sha256: str) -> None:
        self._domain, self._rows, self._paths = domain, rows, paths
        self._same = all(segment.catalogue_sha256 == catalogue_sha256 for segment in rows.segments)

    def create(self, connection: duckdb.DuckDBPyConnection, day: date | None, ids: Path | None) -> None:
        name = self._domain.code
        if not self._rows.segments:
            connection.execute(f'CREATE VIEW "{name}" AS SELECT {self._empty_columns()} WHERE false')
            return
        conditions = ["operation <> 'delete'"]
        if day is not None:
            conditions.append(f"held_from <= DATE '{day.isoformat()}'")
        joined = ""
        if self._make_later(connection):
            joined = f' LEFT JOIN "later {name}" AS later USING (record)'
            conditions.append(f"(later.place IS NULL OR later.place <= rows.{PLACE})")
        if ids is not None:
            connection.execute(f'CREATE TEMP TABLE "left out {name}" AS SELECT record FROM read_parquet(?)', [str(ids)])
            joined += f' ANTI JOIN "left out {name}" AS left_out USING (record)'
        # A view takes no bound values. Paths are hashes in the bureau's folder; names are slugs of the catalogue.
        connection.execute(
            f'CREATE VIEW "{name}" AS SELECT enterprise, record, held_from, held_to, {self._known_on()} AS known_on'
            f"{self._items()} FROM {self._rows.all_rows.as_sql(self._paths)} AS rows{joined} "
            f"WHERE {' AND '.join(conditions)}"
        )

    def _make_later(self, connection: duckdb.DuckDBPyConnection) -> bool:
        """A table of the records that a segment corrects, deletes or adds again, with the last such segment's place."""
        changing = self._rows.changing()
        if changing.empty:
            return False
        connection.execute(
            f'CREATE TEMP TABLE "later {self._domain.code}" AS SELECT record, max({PLACE}) AS place '
            f"FROM {changing.as_sql(self._paths)} GROUP BY record"
        )
        return True

    def _known_on(self) -> str:
        days = [one.known_on.isoformat() for one in self._rows.segments]
        if len(set(days)) == 1:
            return f"DATE '{days[0]}'"
        listed = ", ".join(f"'{day}'" for day in days)
        return f"CAST([{listed}] AS DATE[])[CAST(rows.{PLACE} AS BIGINT) + 1]"

    def _items(self) -> str:
        found = self._stored_columns()
        texts = []
        for item in plain_items(self._domain):
            kind = SQL_TYPES[item.type]
            text = f'CAST("{item.name}" AS {kind})' if found is None or item.name in found else f"CAST(NULL AS {kind})"
            texts.append(f', {text} AS "{item.name}"')
        return "".join(texts)

    def _stored_columns(self) -> frozenset[str] | None:
        """The columns of all segments; None where all were written under this catalogue."""
        return None if self._same else self._rows.all_rows.columns(self._paths)

    def _empty_columns(self) -> str:
        fixed = dict.fromkeys(("enterprise", "record"), "VARCHAR")
        fixed |= dict.fromkeys(("held_from", "held_to", "known_on"), "DATE")
        items = {item.name: SQL_TYPES[item.type] for item in plain_items(self._domain)}
        return ", ".join(f'CAST(NULL AS {kind}) AS "{name}"' for name, kind in (fixed | items).items())


def _find_domain(catalogue: Catalogue, code: str) -> Domain:
    try:
        return catalogue.domain(code)
    except KeyError:
        raise NotFound(
            "Expected a domain of the catalogue; found another name.",
            next_step="list them with `lab bureau catalogue show`",
        ) from None


def _write_ids(scratch: Path, domain: str, excluded: Mapping[str, pl.Series]) -> Path | None:
    ids = excluded.get(domain)
    if ids is None or not len(ids):
        return None
    path = scratch / f"left-out-{domain}.parquet"
    ids.cast(pl.String).rename("record").to_frame().write_parquet(path)
    return path
