"""The same features over partitions of enterprises, on a pool of workers: the bytes are those of one run.

Each partition holds the enterprises of one part, with their records of every domain, and is computed by the same SQL.
A sum depends on no other enterprise and on no order of rows, so where it is computed changes nothing. Records travel to
the workers as Parquet: a cluster must be the bureau's own, with TLS.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from lab.bureau.data.features import computation
from lab.bureau.data.features.columns import quote
from lab.bureau.data.features.compilation import FeaturePlan
from lab.bureau.data.features.computation import ComputedFeatures
from lab.bureau.data.records import fetch_frame
from protocols.compute_pool import ComputePool

_FIRMS = "_firms"


@dataclass(frozen=True, slots=True)
class FirmPartition:
    """The codes of a part's enterprises (``_firms``) and their records by domain, each a Parquet file's bytes."""

    tables: dict[str, bytes]


def compute_on_pool(
    connection: duckdb.DuckDBPyConnection, plan: FeaturePlan, as_of: date, folder: Path, pool: ComputePool
) -> ComputedFeatures:
    """As ``compute_to_file``, with the work done by ``pool``; ``connection`` is one of ``open_records``."""
    rows = computation.number_firms(connection, plan)
    unregistered = _count_unregistered(connection, plan)
    parts: list[Path] = []
    tasks = ((plan, as_of, partition) for partition in _partitions(connection, plan, rows))
    for content in pool.map(compute_partition, tasks):
        parts.append(folder / f"part-{len(parts):05d}")
        parts[-1].write_bytes(content)
    computation.join_parts(parts, folder / "features")
    return ComputedFeatures(rows, {domain: count for domain, count in unregistered.items() if count})


def compute_partition(plan: FeaturePlan, as_of: date, partition: FirmPartition) -> bytes:
    """The features of one partition: a part's Parquet file, as ``compute_to_file`` writes it."""
    with (
        tempfile.TemporaryDirectory(prefix="features-") as folder,
        duckdb.connect(":memory:", config={"threads": 1, "autoload_known_extensions": False}) as connection,
    ):
        for name, content in partition.tables.items():
            path = Path(folder) / "table"
            path.write_bytes(content)
            connection.execute(f"CREATE TABLE {quote(name)} AS SELECT * FROM read_parquet(?)", [str(path)])
        connection.execute("SET enable_external_access=false")
        computation.compute_results(connection, plan, as_of)
        (part,) = computation.read_parts(connection, plan, computation.PART_ROWS)
        path = Path(folder) / "part"
        computation.write_part(part, path)
        return path.read_bytes()


def _partitions(connection: duckdb.DuckDBPyConnection, plan: FeaturePlan, rows: int) -> Iterator[FirmPartition]:
    for first in range(0, rows, computation.PART_ROWS):
        span = f"f.enterprise >= {first} AND f.enterprise < {first + computation.PART_ROWS}"
        columns = f"f.code, CAST(f.enterprise - {first} AS INTEGER) AS enterprise, f.is_natural_person"
        tables = {_FIRMS: _parquet(connection, f"SELECT {columns} FROM _firms f WHERE {span} ORDER BY f.enterprise")}
        for one in plan.domains:
            read = ", ".join(f"r.{quote(name)}" for name, _ in one.columns)
            tables[one.domain] = _parquet(
                connection,
                f"SELECT {read} FROM {quote(one.domain)} r JOIN _firms f ON f.code = r.enterprise WHERE {span}",
            )
        yield FirmPartition(tables)


def _parquet(connection: duckdb.DuckDBPyConnection, query: str) -> bytes:
    with tempfile.SpooledTemporaryFile(max_size=64 << 20) as file:
        fetch_frame(connection, query).write_parquet(file, compression="zstd")
        file.seek(0)
        return file.read()


def _count_unregistered(connection: duckdb.DuckDBPyConnection, plan: FeaturePlan) -> Counter[str]:
    found: Counter[str] = Counter()
    for one in plan.domains:
        if one.domain != plan.enterprises:
            found[one.domain] = computation.count_rows(
                connection,
                f"SELECT count(*) FROM {quote(one.domain)} r ANTI JOIN _firms f ON f.code = r.enterprise",
            )
    return found
