"""What DuckDB alone takes for the bytes of a register: no mapping, no rule, no hash, no ledger, no sealed column.

| step | floor |
|---|---|
| generate | write the same rows as CSV, from Parquet |
| import | read the same CSV as text and write it as Parquet, a file each |
| quality | read every column of all records and count its distinct values |
| features | read every column of all records, and write a table of the features' size |
| as of | find one firm in the records of every domain |
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl

from lab.simulation.city.source_form import source_forms
from lab.simulation.register_steps import CityFiles

_LOOKS = 7


class RegisterFloor:
    """Measures the floors for a city's files and the records that a bureau made of them, in ``scratch``."""

    def __init__(self, home: Path, files: CityFiles, features: Path, scratch: Path) -> None:
        self._segments = _segments_by_columns(home / "records" / "segments")
        self._files, self._features, self._scratch = files, features, scratch
        scratch.mkdir(mode=0o700)
        self._duckdb = duckdb.connect(
            config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
        )
        self._duckdb.execute("SET threads = 2")
        self._duckdb.execute("SET memory_limit = '2GiB'")

    def measure(self) -> dict[str, float]:
        """Seconds by step."""
        self._copy_sources()
        found = {
            "import": _seconds(self._import),
            "generate": _seconds(self._generate),
            "quality": _seconds(self._count),
            "features": _seconds(self._build_table),
            "as_of": self._look(),
        }
        self._duckdb.close()
        return found

    def _copy_sources(self) -> None:
        """The source files in UTF-8, which is all that DuckDB reads without an extension; it is not timed."""
        for domain, form in source_forms().items():
            (self._scratch / domain).mkdir()
            for path in sorted((self._files.folder / domain).glob("*.csv")):
                target = self._scratch / domain / path.name
                with path.open(encoding=form.encoding) as source, target.open("w", encoding="utf-8") as copy:
                    while text := source.read(1 << 22):
                        copy.write(text)

    def _import(self) -> None:
        for domain, form in source_forms().items():
            for path in sorted((self._scratch / domain).glob("*.csv")):
                rows = self._duckdb.read_csv(str(path), sep=form.separator, header=True, all_varchar=True)
                rows.write_parquet(str(path.with_suffix(".parquet")), compression="zstd")

    def _generate(self) -> None:
        for domain, form in source_forms().items():
            for path in sorted((self._scratch / domain).glob("*.parquet")):
                # For no person to open: what is timed is DuckDB's own writing.
                self._duckdb.read_parquet(str(path)).to_csv(str(path.with_suffix(".again")), sep=form.separator)

    def _count(self) -> None:
        for paths in self._segments:
            rows = self._duckdb.read_parquet(paths)
            words = ", ".join(f'approx_count_distinct("{name}"), count("{name}")' for name in rows.columns)
            rows.aggregate(words).fetchall()

    def _build_table(self) -> None:
        for paths in self._segments:
            rows = self._duckdb.read_parquet(paths)
            words = ", ".join(f'max("{name}")' for name in rows.columns if name != "enterprise")
            rows.aggregate(f'"enterprise", {words}', '"enterprise"').aggregate("count(*)").fetchall()
        table = self._duckdb.read_parquet(str(self._features))
        table.write_parquet(str(self._scratch / "features.parquet"), compression="zstd")

    def _look(self) -> float:
        """The median of looks at different firms."""
        codes = self._files.enterprises()
        found = []
        for code in codes[:: max(1, len(codes) // _LOOKS)][:_LOOKS]:
            found.append(_seconds(lambda code=code: self._find(code)))  # type: ignore[misc]
        return sorted(found)[len(found) // 2]

    def _find(self, code: str) -> None:
        for paths in self._segments:
            words = "SELECT * FROM read_parquet($paths) WHERE enterprise = $code"
            self._duckdb.execute(words, {"paths": paths, "code": code}).fetchall()


def _segments_by_columns(folder: Path) -> list[list[str]]:
    """The paths of the records' files, grouped by domain, which is by their columns."""
    groups: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for path in sorted(folder.glob("*.parquet")):
        groups[tuple(pl.read_parquet_schema(path))].append(str(path))
    return list(groups.values())


def _seconds(step: Callable[[], None]) -> float:
    begun = time.perf_counter()
    step()
    return time.perf_counter() - begun
