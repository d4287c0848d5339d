"""Running a plan: each domain's current rows are read once, its features are computed in one pass, and the results are
written in parts of as many enterprises as one part holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl

from lab.bureau.data.features.columns import quote
from lab.bureau.data.features.compilation import RESULT_PREFIX, ROWS_PREFIX, CompiledDomain, CompiledSelect, FeaturePlan
from lab.bureau.data.features.definition import months_before
from lab.bureau.data.features.sql import refuse
from lab.terms.errors import InvalidInput
from lab.terms.progress import SILENT, Progress

PART_ROWS = 131_072
"""Enterprises of a part."""
ROW_GROUP = 65_536


@dataclass(frozen=True, slots=True)
class ComputedFeatures:
    """``rows``: enterprises; ``unregistered``: by domain, records of enterprises that the domain of enterprises does
    not have; they count for nobody."""

    rows: int
    unregistered: Mapping[str, int]


def compute_to_file(
    connection: duckdb.DuckDBPyConnection, plan: FeaturePlan, as_of: date, folder: Path, progress: Progress = SILENT
) -> ComputedFeatures:
    """All features of all enterprises, written to ``folder / "features"``: Parquet, ``enterprise`` first, in the order
    of codes. ``connection``: has a view for each domain of the plan, and that of enterprises.

    The same records, plan and day give the same bytes. Raises ``InvalidInput`` if no enterprise is registered.
    """
    with progress.stage("features", len(plan.selects) + len(plan.domains) + 1) as stage:
        rows = number_firms(connection, plan)
        unregistered = compute_results(connection, plan, as_of, stage.advance)
        parts: list[Path] = []
        for part in read_parts(connection, plan, rows):
            parts.append(folder / f"part-{len(parts):05d}")
            write_part(part, parts[-1])
        join_parts(parts, folder / "features")
        stage.advance()
    return ComputedFeatures(rows, {domain: count for domain, count in unregistered.items() if count})


def number_firms(connection: duckdb.DuckDBPyConnection, plan: FeaturePlan) -> int:
    """Make the table ``_firms``: every registered enterprise with its place among all codes. Returns how many."""
    natural = " OR ".join(["starts_with(code, ?)"] * len(plan.natural_prefixes)) or "FALSE"
    connection.execute(
        "CREATE TEMP TABLE _firms AS "
        "SELECT code, CAST(row_number() OVER (ORDER BY code) - 1 AS INTEGER) AS enterprise, "
        f"{natural} AS is_natural_person "
        f"FROM (SELECT DISTINCT enterprise AS code FROM {quote(plan.enterprises)}) ORDER BY code",
        list(plan.natural_prefixes),
    )
    rows = count_rows(connection, "SELECT count(*) FROM _firms")
    if not rows:
        raise InvalidInput(
            "Expected at least one registered enterprise on this day; found none.",
            next_step=f"import records of {plan.enterprises}, or name a later day",
        )
    return rows


def compute_results(
    connection: duckdb.DuckDBPyConnection, plan: FeaturePlan, as_of: date, advance: Callable[[], None] = lambda: None
) -> Counter[str]:
    """Make a table of results for each SELECT of the plan; returns, by domain, how many records have no firm.

    A domain's rows are dropped after the last SELECT that reads them.
    """
    unregistered: Counter[str] = Counter()
    wanted = Counter(domain for select in plan.selects for domain in select.domains)
    domains = {one.domain: one for one in plan.domains}
    made: set[str] = set()
    for place, select in enumerate(plan.selects):
        for domain in select.domains:
            if domain not in made:
                unregistered[domain] = _take_rows(connection, domains[domain])
                made.add(domain)
                advance()
        _run_select(connection, select, f"{RESULT_PREFIX}{place}", as_of)
        advance()
        for domain in select.domains:
            wanted[domain] -= 1
            if not wanted[domain]:
                connection.execute(f"DROP TABLE {quote(ROWS_PREFIX + domain)}")
    return unregistered


def _take_rows(connection: duckdb.DuckDBPyConnection, read: CompiledDomain) -> int:
    """The current rows of a domain, by place of the enterprise; returns how many belong to no registered one."""
    table = quote(ROWS_PREFIX + read.domain)
    columns = ", ".join(f"CAST(r.{quote(name)} AS {kind}) AS {quote(name)}" for name, kind in read.columns[1:])
    try:
        connection.execute(
            f"CREATE TEMP TABLE {table} AS SELECT f.enterprise, {columns} "
            f"FROM {quote(read.domain)} r LEFT JOIN _firms f ON f.code = r.enterprise"
        )
    except duckdb.ConversionException:
        raise InvalidInput(
            f"Domain {read.domain} holds an amount or measure of more than fourteen digits before the point.",
            next_step="correct the record; `lab bureau quality report` lists values that are out of range",
        ) from None
    return count_rows(connection, f"SELECT count(*) FROM {table} WHERE enterprise IS NULL")


def _run_select(connection: duckdb.DuckDBPyConnection, select: CompiledSelect, result: str, as_of: date) -> None:
    values = {f"window_start_{months}": months_before(as_of, months) for months in select.windows}
    if select.has_as_of:
        values["as_of"] = as_of
    connection.execute(f"CREATE TEMP TABLE {quote(result)} AS {select.sql}", values)
    connection.execute(f"DELETE FROM {quote(result)} WHERE enterprise IS NULL")
    if select.checked_rows:
        repeated = count_rows(
            connection, f"SELECT count(*) FROM (SELECT enterprise FROM {quote(result)} GROUP BY 1 HAVING count(*) > 1)"
        )
        if repeated:
            raise refuse(select.features[0], "it gives some enterprises more than one value")


def read_parts(connection: duckdb.DuckDBPyConnection, plan: FeaturePlan, rows: int) -> Iterator[pl.DataFrame]:
    """The results, ``PART_ROWS`` enterprises at a time, in order: ``enterprise`` and the features."""
    values = ", ".join(f"{sql} AS {quote(name)}" for name, sql in plan.outputs)
    for first in range(0, rows, PART_ROWS):
        span = "enterprise >= $first AND enterprise < $last"
        joins = " ".join(
            f"LEFT JOIN (SELECT * FROM {RESULT_PREFIX}{place} WHERE {span}) {RESULT_PREFIX}{place} "
            f"ON {RESULT_PREFIX}{place}.enterprise = f.enterprise"
            for place in range(len(plan.selects))
        )
        found = connection.execute(
            f"SELECT f.code AS enterprise, {values} FROM (SELECT * FROM _firms WHERE {span}) f {joins} "
            "ORDER BY f.enterprise",
            {"first": first, "last": first + PART_ROWS},
        )
        kinds = [str(column[1]) for column in found.description]
        columns = found.fetchnumpy()
        yield pl.DataFrame([_series(name, columns[name], kind) for name, kind in zip(columns, kinds, strict=True)])


_POLARS: dict[str, Any] = {"DOUBLE": pl.Float64, "BIGINT": pl.Int64, "BOOLEAN": pl.Boolean, "VARCHAR": pl.String}


def _series(name: str, values: Any, kind: str) -> pl.Series:
    """A column that DuckDB gave as a NumPy array, masked where it is null."""
    if kind == "VARCHAR":
        found = np.ma.getdata(values).tolist()
        missing = np.ma.getmaskarray(values)
        texts = [None if gone else value for value, gone in zip(found, missing.tolist(), strict=True)]
        return pl.Series(name, texts, dtype=pl.String)
    series = pl.Series(name, np.ascontiguousarray(np.ma.getdata(values))).cast(_POLARS[kind])
    mask = np.ma.getmaskarray(values)
    return series.set(pl.Series(mask), None) if mask.any() else series


def write_part(part: pl.DataFrame, path: Path) -> None:
    """Write a part; the same rows give the same bytes."""
    part.write_parquet(path, compression="zstd", statistics=False, row_group_size=ROW_GROUP)


def join_parts(parts: list[Path], path: Path) -> None:
    """All parts as one file."""
    pl.scan_parquet(parts).sink_parquet(
        path, compression="zstd", statistics=False, row_group_size=ROW_GROUP, maintain_order=True
    )


def count_rows(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    """The one number that ``sql`` gives."""
    row = connection.execute(sql).fetchone()
    return int(row[0]) if row else 0
